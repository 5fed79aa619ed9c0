"""The memory that decoding takes: estimated from above, refused before, told apart from damage."""

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageFile

from app.imaging import decode as images
from app.imaging import errors
from tests import pictures
from tests.app.imaging.limited import estimate, outcomes
from tests.fuzz.hostile.avif import false_size

MIB = 1024 * 1024
SIZE = (3000, 2000)


def deep_heic(mode: str, size: tuple[int, int], **options: Any) -> bytes:
    """A HEIC with 10 bits for each colour."""
    values = np.zeros((size[1], size[0], len(mode)), np.uint16)
    file = pillow_heif.from_bytes(mode=f"{mode};16", size=size, data=values.tobytes())
    buffer = io.BytesIO()
    file.save(buffer, **options)
    return buffer.getvalue()


TURNED = {"exif": Image.Exif()}
TURNED["exif"][0x0112] = 6

# name -> format, mode, what the encoder is told, and the bytes that a pixel is estimated to take.
PHOTOS: dict[str, tuple[str, str, dict[str, Any], float]] = {
    "progressive JPEG": ("JPEG", "RGB", {"progressive": True}, 8),
    "progressive JPEG, 4-4-4": ("JPEG", "RGB", {"progressive": True, "subsampling": 0}, 8),
    "progressive JPEG, CMYK": ("JPEG", "CMYK", {"progressive": True}, 8),
    "progressive JPEG, grey": ("JPEG", "L", {"progressive": True}, 8),
    "PNG": ("PNG", "RGB", {}, 8),
    "PNG, turned": ("PNG", "RGB", TURNED, 8),
    "PNG, grey": ("PNG", "L", {}, 8),
    "PNG, black and white": ("PNG", "1", {}, 8),
    "PNG, 16 bit": ("PNG", "I;16", {}, 8),
    "PNG, 16 bit, one value transparent": ("PNG", "I;16", {"transparency": 3}, 12),
    "PNG, transparent": ("PNG", "RGBA", {}, 12),
    "PNG, transparent, turned": ("PNG", "RGBA", TURNED, 12),
    "PNG, one colour transparent": ("PNG", "RGB", {"transparency": (1, 2, 3)}, 12),
    "PNG, grey and transparent": ("PNG", "LA", {}, 12),
    "PNG, palette": ("PNG", "P", {}, 8),
    "PNG, transparent palette": ("PNG", "P", {"transparency": bytes(range(256))}, 12),
    "TIFF, LZW": ("TIFF", "RGB", {"compression": "tiff_lzw"}, 8),
    "TIFF, JPEG": ("TIFF", "RGB", {"compression": "jpeg"}, 8),
    "TIFF, CMYK, turned": ("TIFF", "CMYK", TURNED, 8),
    "TIFF, transparent": ("TIFF", "RGBA", {"compression": "tiff_adobe_deflate"}, 12),
    "TIFF, grey and transparent": ("TIFF", "LA", {}, 12),
    "TIFF, 16 bit": ("TIFF", "I;16", {}, 8),
    "GIF": ("GIF", "P", {}, 8),
    "GIF, transparent": ("GIF", "P", {"transparency": 0}, 12),
    "BMP": ("BMP", "RGB", {}, 8),
    "BMP, 32 bit": ("BMP", "RGBA", {}, 8),
    "WebP": ("WEBP", "RGB", {"method": 0}, 16),
    "WebP, lossless and transparent": ("WEBP", "RGBA", {"lossless": True, "method": 0}, 16),
    "WebP, transparent, turned": ("WEBP", "RGBA", {"method": 0} | TURNED, 16),
    "WebP, animated": ("WEBP", "RGB", {"method": 0, "save_all": True}, 16),
    "WebP, animated and transparent": ("WEBP", "RGBA", {"method": 0, "save_all": True}, 16),
    "AVIF": ("AVIF", "RGB", {"speed": 10}, 15),
    "AVIF, turned": ("AVIF", "RGB", {"speed": 10} | TURNED, 15),
    "AVIF, 4-4-4": ("AVIF", "RGB", {"speed": 10, "subsampling": "4:4:4"}, 15),
    "AVIF, transparent": ("AVIF", "RGBA", {"speed": 10}, 18),
    "AVIF, 4-4-4, transparent": ("AVIF", "RGBA", {"speed": 10, "subsampling": "4:4:4"}, 18),
    "HEIC": ("HEIC", "RGB", {"quality": 50}, 10),
    "HEIC, turned": ("HEIC", "RGB", {"quality": 50, "exif": TURNED["exif"].tobytes()}, 10),
    "HEIC, grey": ("HEIC", "L", {"quality": 50}, 10),
    "HEIC, transparent": ("HEIC", "RGBA", {"quality": 50}, 10),
    "HEIC, 4-4-4, transparent": ("HEIC", "RGBA", {"quality": 50, "chroma": 444}, 24),
    "HEIC, 10 bit": ("deep", "RGB", {"quality": 50}, 24),
    "HEIC, 10 bit, 4-4-4, transparent": ("deep", "RGBA", {"quality": 50, "chroma": 444}, 24),
}


def photo(name: str, size: tuple[int, int]) -> bytes:
    """One of PHOTOS in that size; smooth, as the encoders are quick with it."""
    kind, mode, options, _ = PHOTOS[name]
    if kind == "deep":
        return deep_heic(mode, size, **options)
    picture = pictures.gradient().resize(size)
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    elif mode in ("LA", "RGBA"):
        picture.putalpha(picture.getchannel("R"))
        picture = picture.convert(mode)
    else:
        picture = picture.convert(mode)
    if kind == "GIF" and options:  # an encoder leaves out a colour that is not in the picture
        options = {"transparency": picture.getpixel((0, 0))}
    if options.get("save_all"):
        options = options | {"append_images": [picture.transpose(Image.Transpose.ROTATE_180)]}
    return pictures.encode(picture, kind, **options)


@pytest.fixture(scope="module")
def large() -> dict[str, bytes]:
    """Every photo with six megapixels."""
    return {name: photo(name, SIZE) for name in PHOTOS}


@pytest.fixture(scope="module")
def within_estimate(
    large: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    return outcomes(tmp_path_factory.mktemp("photos"), large)


@pytest.fixture(scope="module")
def within_little(
    large: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    return outcomes(tmp_path_factory.mktemp("photos"), large, 40 * MIB)


linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the limit")


@linux
@pytest.mark.parametrize("name", PHOTOS)
def test_the_estimated_memory_is_enough(within_estimate: dict[str, str], name: str) -> None:
    assert within_estimate[name] == "decoded"


@linux
@pytest.mark.parametrize("name", PHOTOS)
def test_a_sound_photo_is_never_called_broken_for_lack_of_memory(
    within_little: dict[str, str], name: str
) -> None:
    assert within_little[name] == "TooExpensive"


@linux
def test_ordinary_photos_of_phones_fit_the_memory_of_ordinary_photos(tmp_path: Path) -> None:
    twelve, fifty = (4032, 3024), (8160, 6120)
    picture = pictures.gradient().resize(twelve)
    files = {
        "12 MP JPEG": pictures.encode(picture, "JPEG"),
        "12 MP progressive JPEG": pictures.encode(picture, "JPEG", progressive=True),
        "12 MP HEIC": pictures.encode(picture, "HEIC", quality=50),
        "12 MP PNG": pictures.encode(picture, "PNG", compress_level=1),
        "50 MP JPEG": pictures.encode(picture.resize(fifty), "JPEG"),
    }
    assert set(outcomes(tmp_path, files, 128 * MIB).values()) == {"decoded"}


@linux
def test_an_avif_that_says_it_is_small_does_not_get_the_memory(tmp_path: Path) -> None:
    files = {"avif": false_size(10_000, 200)}
    assert outcomes(tmp_path, files, 128 * MIB) == {"avif": "BrokenPhoto"}


class Decoded(BaseException):
    """The pixels were asked for."""


@pytest.mark.parametrize("name", PHOTOS)
def test_a_photo_over_the_memory_is_refused_before_it_is_decoded(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def load(_: object) -> None:
        raise Decoded

    data = photo(name, (120, 80))
    needed = int(len(data) + 2 * MIB + PHOTOS[name][3] * 120 * 80)
    if PHOTOS[name][0] == "JPEG":  # decoded in full, for an output of this size, after its scans
        needed += 8 * 120 * 80
    assert images.decode(data, 120, 120, 3, memory=needed).shape == (120, 120, 3)
    monkeypatch.setattr(type(Image.open(io.BytesIO(data))), "load", load)
    with pytest.raises(Decoded):
        images.decode(data, 120, 120, 3, memory=needed)
    for memory in (needed - 1, 0):
        with pytest.raises(errors.TooExpensive, match=r"MiB of memory to be decoded\. Scale it"):
            images.decode(data, 120, 120, 3, memory=memory)
    with pytest.raises(errors.TooExpensive):
        images.preview(data, 120, memory=needed - 1)


def test_a_large_jpeg_takes_only_what_its_reduced_size_takes() -> None:
    data = photo("progressive JPEG", (2400, 1600))
    assert estimate(data) == len(data) + 2 * MIB + 8 * (2400 * 1600 + 300 * 200)
    plain = pictures.encode(pictures.gradient().resize((2400, 1600)), "JPEG")
    assert estimate(plain) == len(plain) + 2 * MIB + 8 * 300 * 200


def test_too_many_pixels_are_told_before_too_much_memory() -> None:
    for data in (pictures.png_claiming(9_000, 9_000), pictures.claiming("WEBP", 9_000)):
        with pytest.raises(errors.TooManyPixels):
            images.decode(data, 8, 8, 3, memory=1)


STEPS = {
    "load": (ImageFile.ImageFile, "load"),
    "tags": (Image.Image, "getexif"),
    "resize": (Image.Image, "resize"),
    "chunks": (images, "png_without_metadata"),
    "conversion": (images, "eight_bit"),
    "white": (images, "over_white"),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("memory", [None, 300 * MIB])
def test_a_lack_of_memory_in_any_step_is_told(
    monkeypatch: pytest.MonkeyPatch, step: str, memory: int | None
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    data = pictures.encode(pictures.gradient())
    monkeypatch.setattr(*STEPS[step], fail)
    where = "300 MiB of memory" if memory else "the memory of this machine"
    with pytest.raises(errors.TooExpensive, match=f"^The photo needs more than {where}"):
        images.decode(data, 8, 8, 3, memory=memory)


@pytest.mark.parametrize("name", ["PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIC", "JPEG"])
@pytest.mark.parametrize("raised", [MemoryError(), OSError("could not get memory")])
def test_a_lack_of_memory_for_the_header_is_told(
    monkeypatch: pytest.MonkeyPatch, name: str, raised: Exception
) -> None:
    def fail(*_: object) -> None:
        raise raised

    data = pictures.encode(pictures.gradient(), name)
    monkeypatch.setitem(Image.OPEN, "HEIF" if name == "HEIC" else name, (fail, None))
    monkeypatch.setattr(images, "format_of", lambda _: name)
    with pytest.raises(errors.TooExpensive, match="300 MiB of memory"):
        images.decode(data, 8, 8, 3, memory=300 * MIB)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("decoder error -9 when reading image file", errors.TooExpensive),
        ("Memory allocation error", errors.TooExpensive),
        ("not enough memory", errors.TooExpensive),
        ("decoder error -2 when reading image file", errors.BrokenPhoto),
        ("decoder error -95", errors.BrokenPhoto),
        ("memories", errors.BrokenPhoto),
    ],
)
def test_decoders_that_say_so_lack_memory(
    monkeypatch: pytest.MonkeyPatch, said: str, error: type[Exception]
) -> None:
    def fail(*_: object) -> None:
        raise OSError(said)

    monkeypatch.setattr(images, "eight_bit", fail)
    with pytest.raises(error):
        images.decode(pictures.encode(pictures.gradient()), 8, 8, 3)


@pytest.mark.parametrize(
    ("memory", "error"),
    [
        (60 * MIB, errors.TooExpensive),  # enough by the estimate, but not for any decoder
        (200 * MIB, errors.BrokenPhoto),
        (None, errors.BrokenPhoto),
    ],
)
def test_a_large_broken_photo_is_broken_only_where_there_is_enough_memory(
    memory: int | None, error: type[Exception]
) -> None:
    """A decoder that gets no memory may say no more than that it failed."""
    with pytest.raises(error):
        images.decode(pictures.png_claiming(*SIZE), 8, 8, 3, memory=memory)


def test_a_small_broken_photo_is_broken() -> None:
    with pytest.raises(errors.BrokenPhoto):
        images.decode(pictures.png_claiming(300, 200), 8, 8, 3, memory=4 * MIB)
