"""Any pixel type -> 8 bits, and transparency -> white."""

import numpy as np
from PIL import Image

from app.imaging.errors import UnsupportedPixels

# TIFF 6.0: two tags, and a value of the second one.
_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262
_WHITE_IS_ZERO = 0

PREMULTIPLIED = "RGBa"
"""Pillow's mode for colours that are multiplied with their opacity."""


def eight_bit(image: Image.Image, mode: str) -> Image.Image:
    """Convert any pixel type to 8 bits.

    Args:
        image: a decoded picture.
        mode: "L" or "RGB".

    Returns:
        The picture in `mode`, or in `PREMULTIPLIED` if it has transparency. Resize such a picture
        first, then call `over_white`: that needs less memory and makes no dark edges.

    Raises:
        UnsupportedPixels: the pixel type has no defined range of brightness.
    """
    if image.mode.startswith("I;16"):
        return _eight_bit_grey(image).convert(mode)
    if image.mode in ("I", "F", "LAB"):
        raise UnsupportedPixels(image.mode)
    if not image.has_transparency_data or _is_bmp_without_alpha(image):
        return image.convert(mode)
    if image.mode != "RGBA":
        image = image.convert("RGBA")
    return image.convert(PREMULTIPLIED)


def over_white(image: Image.Image, mode: str) -> Image.Image:
    """Lay a picture in `PREMULTIPLIED` over white; others are returned as they are."""
    if image.mode != PREMULTIPLIED:
        return image
    values = np.asarray(image).astype(np.uint16)
    colours = np.minimum(values[..., :3] + (255 - values[..., 3:]), 255)
    return Image.fromarray(colours.astype(np.uint8)).convert(mode)


def _is_bmp_without_alpha(image: Image.Image) -> bool:
    """Whether it is a BMP of 32 bits whose fourth byte is zero everywhere: padding."""
    is_bmp = image.format == "BMP" and image.mode == "RGBA"
    return is_bmp and image.getchannel("A").getextrema() == (0, 0)


def _eight_bit_grey(image: Image.Image) -> Image.Image:
    """Scale 9 to 16 bits of grey to 8; Pillow's `convert` would clip them at 255."""
    tags = getattr(image, "tag_v2", {})  # of a TIFF
    max_value = (1 << tags.get(_BITS_PER_SAMPLE, (16,))[0]) - 1
    values = np.minimum(np.arange(1 << 16), max_value)
    table = ((values * 255 + max_value // 2) // max_value).astype(np.uint8)
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        table = 255 - table
    transparent = image.info.get("transparency")  # of a PNG: this value is transparent
    if isinstance(transparent, int):
        table[transparent] = 255
    return Image.fromarray(table[np.asarray(image)])
