"""Which format a file claims to have, by its first bytes."""

import functools

# Importing a plugin registers it. Otherwise Pillow imports all its plugins for the first WebP.
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,  # noqa: F401 - imported to be registered
    GifImagePlugin,  # noqa: F401
    Image,
    JpegImagePlugin,  # noqa: F401
    PngImagePlugin,  # noqa: F401
    TiffImagePlugin,  # noqa: F401
    WebPImagePlugin,  # noqa: F401
)

# Most frequent first. Only the parser of the format that a file claims to have gets the file.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIC")

# The brands of still pictures in ISO/IEC 23008-12 (HEIF) and the AV1 image file format.
_BRANDS = {
    b"avif": "AVIF", b"avis": "AVIF",
    b"heic": "HEIC", b"heix": "HEIC", b"heim": "HEIC", b"heis": "HEIC",
    b"hevc": "HEIC", b"hevx": "HEIC", b"hevm": "HEIC", b"hevs": "HEIC",
}  # fmt: skip

# The callers run one thread per core; the AVIF decoder would start as many for each photo.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1


def format_of(data: bytes) -> str | None:
    """The format that a file claims to have, one of `FORMATS`, or None."""
    prefix = data[:256]
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


def webp_size(data: bytes) -> tuple[int, int]:
    """The width and height that a WebP claims (RFC 9649, section 2); (0, 0) for another header.

    Pillow's parser allocates a picture of that size before it tells it.
    """
    kind, body = data[12:16], data[20:30]
    if kind == b"VP8X":
        width, height = (int.from_bytes(body[at : at + 3], "little") + 1 for at in (4, 7))
    elif kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 ":
        width, height = (int.from_bytes(body[at : at + 2], "little") & 0x3FFF for at in (6, 8))
    else:
        return 0, 0
    return width, height


@functools.cache
def register_heic() -> None:
    """Import the HEIC plugin with the first HEIC photo, because it takes memory."""
    import pillow_heif

    pillow_heif.options.DECODE_THREADS = 1
    pillow_heif.register_heif_opener()
