"""Small valid photos in many variants of every format that the service accepts."""

import importlib.util
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, features

from benchmarks.harness.photos import generate_picture

_SIZE = (200, 150)
_ORIENTATION = 0x0112  # the EXIF tag


@dataclass(frozen=True)
class Sample:
    """A valid file: Pillow's name of the format, the variant, and the bytes."""

    format: str
    variant: str
    data: bytes

    @property
    def kind(self) -> str:
        """The media type."""
        return f"image/{self.format.lower()}"


def samples(formats: list[str]) -> list[Sample]:
    """Return several files of each format; none of a format that cannot be written here."""
    makers = {
        "JPEG": _jpeg,
        "PNG": _png,
        "WEBP": _webp,
        "GIF": _gif,
        "BMP": _bmp,
        "TIFF": _tiff,
        "AVIF": _avif,
        "HEIF": _heif,
        "HEIC": _heif,
    }
    found: list[Sample] = []
    for name in formats:
        if name in makers:
            made = makers[name]()
            found += [Sample(name, variant, data) for variant, data in made.items()]
    return found


def _jpeg() -> dict[str, bytes]:
    image = generate_picture(1, *_SIZE)
    exif = Image.Exif()
    exif[_ORIENTATION] = 6
    return {
        "baseline": _encode(image, "JPEG"),
        "progressive": _encode(image, "JPEG", progressive=True),
        "grey": _encode(image.convert("L"), "JPEG"),
        "CMYK": _encode(image.convert("CMYK"), "JPEG"),
        "EXIF": _encode(image, "JPEG", exif=exif, comment=b"a comment"),
    }


def _png() -> dict[str, bytes]:
    image = generate_picture(2, *_SIZE)
    rows, columns = np.indices(_SIZE[::-1])
    deep = Image.fromarray((rows * 400 + columns).astype(np.uint16))
    return {
        "RGB": _encode(image, "PNG"),
        "palette": _encode(image.quantize(16), "PNG", transparency=3),
        "RGBA": _encode(_with_alpha(image), "PNG"),
        "16 bits": _encode(deep, "PNG"),
        "1 bit": _encode(image.convert("1"), "PNG"),
        "animated": _encode(
            image, "PNG", save_all=True, append_images=[generate_picture(3, *_SIZE)]
        ),
    }


def _webp() -> dict[str, bytes]:
    image = generate_picture(4, *_SIZE)
    return {
        "lossy": _encode(image, "WEBP"),
        "lossless": _encode(image, "WEBP", lossless=True),
        "alpha": _encode(_with_alpha(image), "WEBP"),
        "animated": _encode(
            image, "WEBP", save_all=True, append_images=[generate_picture(5, *_SIZE)]
        ),
    }


def _gif() -> dict[str, bytes]:
    image = generate_picture(6, *_SIZE).quantize(64)
    other = generate_picture(7, *_SIZE).quantize(32)
    return {
        "still": _encode(image, "GIF"),
        "transparent": _encode(image, "GIF", transparency=1),
        "animated": _encode(image, "GIF", save_all=True, append_images=[other], loop=0),
    }


def _bmp() -> dict[str, bytes]:
    image = generate_picture(8, *_SIZE)
    return {
        "RGB": _encode(image, "BMP"),
        "palette": _encode(image.quantize(256), "BMP"),
        "1 bit": _encode(image.convert("1"), "BMP"),
    }


def _tiff() -> dict[str, bytes]:
    image = generate_picture(9, *_SIZE)
    made = {
        name: _encode(image, "TIFF", compression=compression)
        for name, compression in (
            ("plain", None),
            ("LZW", "tiff_lzw"),
            ("deflate", "tiff_adobe_deflate"),
            ("JPEG", "jpeg"),
            ("packbits", "packbits"),
        )
    }
    made["1 bit, group 4"] = _encode(image.convert("1"), "TIFF", compression="group4")
    made["RGBA"] = _encode(_with_alpha(image), "TIFF")
    return made


def _avif() -> dict[str, bytes]:
    if not features.check("avif"):
        return {}
    image = generate_picture(10, *_SIZE)
    return {"RGB": _encode(image, "AVIF"), "RGBA": _encode(_with_alpha(image), "AVIF")}


def _heif() -> dict[str, bytes]:
    if importlib.util.find_spec("pillow_heif") is None:
        return {}
    import pillow_heif

    pillow_heif.register_heif_opener()
    image = generate_picture(11, *_SIZE)
    return {"RGB": _encode(image, "HEIF"), "RGBA": _encode(_with_alpha(image), "HEIF")}


def _with_alpha(image: Image.Image) -> Image.Image:
    """Add an alpha channel with a gradient."""
    clear = image.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(image.size))
    return clear


def _encode(image: Image.Image, name: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()
