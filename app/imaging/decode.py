"""Photo decoding: the bytes of a file in, the pixels that a network sees out.

This is the only decoder of the project. Training and serving both call `decode`, so that a
network sees every photo as it saw the photos that it was trained on.
"""

import io
import re
import sys
import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image

from app.imaging.errors import (
    BrokenPhoto,
    EmptyPhoto,
    PhotoError,
    TooExpensive,
    TooManyPixels,
    UnsupportedFormat,
    UnsupportedPixels,
)
from app.imaging.formats import FORMATS, format_of, register_heic, webp_size
from app.imaging.pixels import eight_bit, over_white
from app.imaging.repair import JPEG_END, is_complete, png_without_metadata

# Below Pillow's own limit of 89 megapixels; the photo of a 50-megapixel phone passes.
MAX_PIXELS = 64_000_000

# Bytes that a pixel takes in decoding, conversions and resizing together, measured and rounded up:
# without transparency and with it. An AVIF may have more than 8 bits for each colour.
_PER_PIXEL = {"WEBP": (16, 16), "AVIF": (15, 18), "HEIC": (10, 10)}
_OTHERS = (8, 12)
_DEEP_HEIC = 24  # with more than 8 bits, or with as many pixels of colour as of brightness
_HIDING = 16  # see `_decode`
_FIXED = 2 * 1024 * 1024  # bytes that a photo takes, however few pixels it has

# EXIF orientation -> what turns the photo upright; 1 is upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

MODES = {1: "L", 3: "RGB"}  # channels -> Pillow mode

# Beyond its limit Pillow only warns; such a photo has to be refused.
warnings.simplefilter("error", Image.DecompressionBombWarning)


class Decoded(NamedTuple):
    """A decoded photo.

    Attributes:
        pixels: what `decode` returns.
        whole: width times height of the photo itself, by its header.
    """

    pixels: np.ndarray
    whole: int


def decode(
    data: bytes,
    height: int,
    width: int,
    channels: int,
    max_pixels: int = MAX_PIXELS,
    formats: Collection[str] = FORMATS,
    memory: int | None = None,
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
        memory: the bytes that this process may allocate, if it has a limit: a photo that would
            need more is refused before it is decoded.

    Returns:
        uint8 array of shape (height, width, channels), values 0..255.

    Raises:
        PhotoError: one of its subclasses; nothing else, whatever the bytes are.
    """
    return decode_photo(data, height, width, channels, max_pixels, formats, memory).pixels


def decode_photo(
    data: bytes,
    height: int,
    width: int,
    channels: int,
    max_pixels: int = MAX_PIXELS,
    formats: Collection[str] = FORMATS,
    memory: int | None = None,
) -> Decoded:
    """As `decode`, with the size of the photo itself."""
    limits = _Limits(max_pixels, formats, memory)
    image, whole = _decode(
        data, limits, MODES[channels], max(height, width), lambda _: (width, height)
    )
    return Decoded(np.array(image, dtype=np.uint8).reshape(height, width, channels), whole)


def preview(
    data: bytes,
    side: int,
    max_pixels: int = MAX_PIXELS,
    formats: Collection[str] = FORMATS,
    memory: int | None = None,
) -> Image.Image:
    """The photo for people to look at: as `decode` prepares it, in colour, not stretched.

    Args:
        data, max_pixels, formats, memory: as for `decode`.
        side: the longer side of the result in pixels.

    Returns:
        An RGB image.

    Raises:
        PhotoError: as `decode`.
    """

    def fit(size: tuple[int, int]) -> tuple[int, int]:
        scale = side / max(size)
        return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))

    return _decode(data, _Limits(max_pixels, formats, memory), "RGB", side, fit)[0]


@dataclass(frozen=True)
class _Limits:
    """What `decode` accepts."""

    max_pixels: int
    formats: Collection[str]
    memory: int | None

    def require_memory(self, needed: int) -> None:
        """Raise TooExpensive if so many bytes are more than there may be."""
        if self.memory is not None and needed > self.memory:
            raise TooExpensive(f"{self.memory >> 20:,} MiB of memory to be decoded")


def _decode(
    data: bytes,
    limits: _Limits,
    mode: str,
    side: int,
    target: Callable[[tuple[int, int]], tuple[int, int]],
) -> tuple[Image.Image, int]:
    """Decode, turn upright, convert to `mode` and resize to `target(upright size)`.

    A reduced decoding keeps at least `side` pixels in both directions. The second value is the
    number of pixels of the photo itself.
    """
    if not data:
        raise EmptyPhoto
    name = format_of(data)
    if name is None or name not in limits.formats:
        raise UnsupportedFormat(limits.formats)
    pixels = 0
    try:
        if name == "PNG":
            data = png_without_metadata(data)
        image = _open(data, name, limits)
        pixels = image.width * image.height
        image = _load(image, data, name, mode, side, limits)
        turn = _turn(image)
        image = eight_bit(image, mode)
        if turn is not None:
            image = image.transpose(turn)
        image = image.resize(target(image.size), Image.Resampling.BILINEAR)
        return over_white(image, mode), pixels
    except PhotoError:
        raise
    except Exception as error:  # Pillow's parsers raise anything on hostile bytes
        if _lacks_memory(error):
            limits.require_memory(sys.maxsize)
            raise TooExpensive("the memory of this machine") from error
        # Some decoders say no more than that they failed if they get no memory.
        limits.require_memory(pixels * _HIDING)
        raise BrokenPhoto(name, _reason(error)) from error


def _load(
    image: Image.Image, data: bytes, name: str, mode: str, side: int, limits: _Limits
) -> Image.Image:
    """Decode the pixels; a JPEG may lack its end marker, if no row is missing."""
    # A JPEG can be decoded at 1/2, 1/4 or 1/8 scale at a fraction of the cost. The square covers
    # both orientations, as the EXIF tag has not been read yet.
    whole = image.width * image.height
    image.draft(mode, (side, side))
    limits.require_memory(len(data) + _needed(image, name, whole))
    try:
        image.load()
    except OSError:
        if name != "JPEG":
            raise
        with_marker = Image.OPEN[name][0](io.BytesIO(data + JPEG_END), "")
        with_marker.draft(mode, (side, side))
        with_marker.load()
        if not is_complete(with_marker):
            raise
        return with_marker
    return image


def _needed(image: Image.Image, name: str, whole: int) -> int:
    """About how many bytes it takes to decode an opened photo of `whole` pixels, and to resize it.

    `image` has the reduced size if the decoder can reduce it.
    """
    opaque, transparent = _PER_PIXEL.get(name, _OTHERS)
    if name == "JPEG":
        reduced = image.width * image.height
        return _FIXED + opaque * (reduced + ("progressive" in image.info) * whole)
    if name == "HEIC" and (image.info["bit_depth"] > 8 or image.info.get("chroma", 420) > 420):
        return _FIXED + _DEEP_HEIC * whole
    return _FIXED + (transparent if image.has_transparency_data else opaque) * whole


def _open(data: bytes, name: str, limits: _Limits) -> Image.Image:
    """Parse the header with the plugin for `name`, and check the size against the limit."""
    max_pixels = limits.max_pixels
    if name == "HEIC":
        register_heic()
    if name == "WEBP":
        width, height = webp_size(data)
        if width * height > max_pixels:
            raise TooManyPixels(max_pixels, (width, height))
        limits.require_memory(len(data) + _FIXED + _PER_PIXEL[name][0] * width * height)
    # The plugin itself instead of Image.open, which does not tell why a plugin refuses a file.
    parser = Image.OPEN["HEIF" if name == "HEIC" else name][0]
    try:
        image = parser(io.BytesIO(data), "")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixels(max_pixels, None) from error
    except Exception as error:
        if _lacks_memory(error):
            raise MemoryError from error
        if "unknown pixel mode" in str(error):
            raise UnsupportedPixels("of this file") from error
        raise BrokenPhoto(name, "its header is damaged or cut off") from error
    if image.width * image.height > max_pixels:
        raise TooManyPixels(max_pixels, image.size)
    return image


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What turns the photo upright. Only the orientation is read; other tags may be damaged."""
    try:
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except MemoryError:
        raise
    except Exception:  # EXIF is a TIFF file of its own; its parser can raise anything
        return None


def _lacks_memory(error: Exception) -> bool:
    """Whether a decoder failed because it got no memory; -9 is Pillow's number for that."""
    return isinstance(error, MemoryError) or bool(
        re.search(r"\bmemory\b|decoder error -9\b", str(error), re.IGNORECASE)
    )


def _reason(error: Exception) -> str:
    """A decoder's message in one short line, or its type if the message may have a file path."""
    words = " ".join(str(error).split())
    return words[:120] if words and "/" not in words else type(error).__name__
