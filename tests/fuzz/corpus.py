"""Small sound photos of every format that the service accepts, in many of its variants."""

import importlib.util
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, features

from benchmarks.harness.photos import picture

_SIZE = (200, 150)
_ORIENTATION = 0x0112  # the EXIF tag


@dataclass(frozen=True)
class Sample:
    """One sound file: the format's name in Pillow, what is special about it, its bytes."""

    format: str
    variant: str
    data: bytes

    @property
    def kind(self) -> str:
        """Its media type."""
        return f"image/{self.format.lower()}"


def samples(formats: list[str]) -> list[Sample]:
    """Files of these formats, some a format; of a format that cannot be written here, none."""
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
    image = picture(1, *_SIZE)
    exif = Image.Exif()
    exif[_ORIENTATION] = 6
    return {
        "baseline": _saved(image, "JPEG"),
        "progressive": _saved(image, "JPEG", progressive=True),
        "grey": _saved(image.convert("L"), "JPEG"),
        "CMYK": _saved(image.convert("CMYK"), "JPEG"),
        "EXIF": _saved(image, "JPEG", exif=exif, comment=b"a comment"),
    }


def _png() -> dict[str, bytes]:
    image = picture(2, *_SIZE)
    rows, columns = np.indices(_SIZE[::-1])
    deep = Image.fromarray((rows * 400 + columns).astype(np.uint16))
    return {
        "RGB": _saved(image, "PNG"),
        "palette": _saved(image.quantize(16), "PNG", transparency=3),
        "RGBA": _saved(_clear(image), "PNG"),
        "16 bits": _saved(deep, "PNG"),
        "1 bit": _saved(image.convert("1"), "PNG"),
        "animated": _saved(image, "PNG", save_all=True, append_images=[picture(3, *_SIZE)]),
    }


def _webp() -> dict[str, bytes]:
    image = picture(4, *_SIZE)
    return {
        "lossy": _saved(image, "WEBP"),
        "lossless": _saved(image, "WEBP", lossless=True),
        "alpha": _saved(_clear(image), "WEBP"),
        "animated": _saved(image, "WEBP", save_all=True, append_images=[picture(5, *_SIZE)]),
    }


def _gif() -> dict[str, bytes]:
    image = picture(6, *_SIZE).quantize(64)
    other = picture(7, *_SIZE).quantize(32)
    return {
        "still": _saved(image, "GIF"),
        "transparent": _saved(image, "GIF", transparency=1),
        "animated": _saved(image, "GIF", save_all=True, append_images=[other], loop=0),
    }


def _bmp() -> dict[str, bytes]:
    image = picture(8, *_SIZE)
    return {
        "RGB": _saved(image, "BMP"),
        "palette": _saved(image.quantize(256), "BMP"),
        "1 bit": _saved(image.convert("1"), "BMP"),
    }


def _tiff() -> dict[str, bytes]:
    image = picture(9, *_SIZE)
    made = {
        name: _saved(image, "TIFF", compression=compression)
        for name, compression in (
            ("plain", None),
            ("LZW", "tiff_lzw"),
            ("deflate", "tiff_adobe_deflate"),
            ("JPEG", "jpeg"),
            ("packbits", "packbits"),
        )
    }
    made["1 bit, group 4"] = _saved(image.convert("1"), "TIFF", compression="group4")
    made["RGBA"] = _saved(_clear(image), "TIFF")
    return made


def _avif() -> dict[str, bytes]:
    if not features.check("avif"):
        return {}
    image = picture(10, *_SIZE)
    return {"RGB": _saved(image, "AVIF"), "RGBA": _saved(_clear(image), "AVIF")}


def _heif() -> dict[str, bytes]:
    if importlib.util.find_spec("pillow_heif") is None:
        return {}
    import pillow_heif

    pillow_heif.register_heif_opener()
    image = picture(11, *_SIZE)
    return {"RGB": _saved(image, "HEIF"), "RGBA": _saved(_clear(image), "HEIF")}


def _clear(image: Image.Image) -> Image.Image:
    """With an alpha channel from left to right."""
    clear = image.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(image.size))
    return clear


def _saved(image: Image.Image, name: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()
