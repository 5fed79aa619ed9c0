"""Photo decoding: the bytes of a file in, the pixels that a network sees out.

This is the only decoder of the project. Training and serving both call `decode`, so that a
network sees every photo as it saw the photos that it was trained on.
"""

import functools
import io
import warnings
from collections.abc import Callable, Collection
from math import prod

import numpy as np

# Importing a plugin registers it. Otherwise Pillow imports all its plugins for the first WebP.
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,  # noqa: F401 - imported to be registered
    GifImagePlugin,  # noqa: F401
    Image,
    ImageOps,
    JpegImagePlugin,  # noqa: F401
    PngImagePlugin,  # noqa: F401
    TiffImagePlugin,  # noqa: F401
    WebPImagePlugin,  # noqa: F401
)

from app.imaging.avif import frame_sizes
from app.imaging.errors import (
    BrokenPhoto,
    EmptyPhoto,
    PhotoError,
    TooManyPixels,
    UnsupportedFormat,
    UnsupportedPixels,
)

# Most frequent first. Only the parser of the format that a file claims to have gets the file.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIC")

# The brands of still pictures in ISO/IEC 23008-12 (HEIF) and the AV1 image file format.
_BRANDS = {
    b"avif": "AVIF", b"avis": "AVIF",
    b"heic": "HEIC", b"heix": "HEIC", b"heim": "HEIC", b"heis": "HEIC",
    b"hevc": "HEIC", b"hevx": "HEIC", b"hevm": "HEIC", b"hevs": "HEIC",
}  # fmt: skip

# Below Pillow's own limit of 89 megapixels; a 48-megapixel phone photo passes.
MAX_PIXELS = 50_000_000

_PLANES = 3  # an AVIF may hold so many pictures of the largest size

MODES = {1: "L", 3: "RGB"}  # channels -> Pillow mode

# Beyond its limit Pillow only warns; such a photo has to be refused.
warnings.simplefilter("error", Image.DecompressionBombWarning)

# The callers run one thread per core; the AVIF decoder would start as many for each photo.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1


def decode(
    data: bytes,
    height: int,
    width: int,
    channels: int,
    max_pixels: int = MAX_PIXELS,
    formats: Collection[str] = FORMATS,
) -> np.ndarray:
    """Decode one photo to the size and channels of a network.

    The photo is turned upright by its EXIF tag, transparency is laid over white, an
    animation gives its first frame, and the whole is stretched (not cropped) with an
    antialiased bilinear filter. Colour profiles are not applied.

    Args:
        data: the bytes of a file in one of `formats`.
        height, width: the size of the result in pixels.
        channels: 3 for RGB, 1 for luminance (ITU-R 601-2, as Pillow's mode "L").
        max_pixels: refuse photos whose width times height, by their header, exceeds this.
        formats: those of `FORMATS` that are accepted.

    Returns:
        uint8 array of shape (height, width, channels), values 0..255.

    Raises:
        PhotoError: one of its subclasses; nothing else, whatever the bytes are.
    """
    image = _decode(
        data, max_pixels, formats, MODES[channels], max(height, width), lambda _: (width, height)
    )
    return np.array(image, dtype=np.uint8).reshape(height, width, channels)


def preview(
    data: bytes,
    side: int,
    max_pixels: int = MAX_PIXELS,
    formats: Collection[str] = FORMATS,
) -> Image.Image:
    """The photo for people to look at: as `decode` prepares it, in colour, not stretched.

    Args:
        data, max_pixels, formats: as for `decode`.
        side: the longer side of the result in pixels.

    Returns:
        An RGB image.

    Raises:
        PhotoError: as `decode`.
    """

    def fit(size: tuple[int, int]) -> tuple[int, int]:
        scale = side / max(size)
        return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))

    return _decode(data, max_pixels, formats, "RGB", side, fit)


def _decode(
    data: bytes,
    max_pixels: int,
    formats: Collection[str],
    mode: str,
    side: int,
    target: Callable[[tuple[int, int]], tuple[int, int]],
) -> Image.Image:
    """Decode, turn upright, convert to `mode` and resize to `target(upright size)`."""
    if not data:
        raise EmptyPhoto
    name = _name(data[:256])
    if name is None or name not in formats:
        raise UnsupportedFormat(formats)
    image = _open(data, name, max_pixels)
    try:
        # A JPEG can be decoded at 1/2, 1/4 or 1/8 scale at a fraction of the cost. The square
        # covers both orientations, as the EXIF tag has not been read yet.
        image.draft(mode, (side, side))
        image.load()
        image = _upright(image)
        image = _eight_bit(image, mode)
        return image.resize(target(image.size), Image.Resampling.BILINEAR)
    except PhotoError:
        raise
    except Exception as error:  # Pillow's parsers raise anything on hostile bytes
        raise BrokenPhoto(name, _reason(error)) from error


def _open(data: bytes, name: str, max_pixels: int) -> Image.Image:
    """Read the header as one of the format `name`, and check the size against the limit."""
    if name == "HEIC":
        _register_heic()
    try:
        image = Image.open(io.BytesIO(data), formats=["HEIF" if name == "HEIC" else name])
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixels(max_pixels, None) from error
    except Exception as error:
        raise BrokenPhoto(name, "its header is damaged or cut off") from error
    if image.width * image.height > max_pixels:
        raise TooManyPixels(max_pixels, image.size)
    if name == "AVIF":
        _check_frames(data, max_pixels)
    return image


def _check_frames(data: bytes, max_pixels: int) -> None:
    """Check the real size of an AVIF's frames; the size in its container may be a lie."""
    try:
        sizes = frame_sizes(data)
    except ValueError as error:
        raise BrokenPhoto("AVIF", str(error)) from error
    largest = max(sizes, key=prod, default=(0, 0))
    if prod(largest) > max_pixels:
        raise TooManyPixels(max_pixels, largest)
    # The decoder decodes all of them: the photo or its tiles, its transparency, a gain map.
    if sum(map(prod, sizes)) > _PLANES * max_pixels:
        raise TooManyPixels(max_pixels, None)


def _name(prefix: bytes) -> str | None:
    """The format that a file starting with `prefix` claims to be, of `FORMATS`, if any."""
    if prefix[4:8] == b"ftyp":
        # The major brand first. The brand "mif1" only says that compatible brands follow.
        brands = [prefix[8:12], *(prefix[at : at + 4] for at in range(16, len(prefix), 4))]
        length = int.from_bytes(prefix[:4], "big")
        return next(filter(None, map(_BRANDS.get, brands[: max(1, length // 4 - 3)])), None)
    for name in FORMATS:
        accept = Image.OPEN[name][1] if name in Image.OPEN else None
        # A plugin answers True, or a text that says why it cannot read a file of its format.
        if accept is not None and accept(prefix):
            return name
    return None


@functools.cache
def _register_heic() -> None:
    """Import the HEIC plugin with the first HEIC photo, because it takes memory."""
    import pillow_heif

    pillow_heif.options.DECODE_THREADS = 1
    pillow_heif.register_heif_opener()


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation; ignore a damaged EXIF block, as browsers do."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # EXIF is a TIFF file of its own; its parser can raise anything
        return image


def _eight_bit(image: Image.Image, mode: str) -> Image.Image:
    """Convert any pixel type to 8-bit "L" or "RGB", transparency laid over white."""
    if image.mode.startswith("I;16"):
        # convert("L") would clip 16-bit values at 255 instead of scaling them.
        values = np.asarray(image).astype(np.uint32)
        image = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    if image.mode in ("I", "F", "LAB"):
        raise UnsupportedPixels(image.mode)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert(mode)


def _reason(error: Exception) -> str:
    """One short line about a decoder's failure, without line breaks or file paths."""
    words = " ".join(str(error).split())
    return words[:120] if words and "/" not in words else type(error).__name__
