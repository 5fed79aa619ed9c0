"""Pixel types beyond 8 bits, and transparency: right, or refused."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from app.imaging.decode import decode
from app.imaging.errors import UnsupportedPixels
from tests import pictures
from tests.app.imaging.test_repair import chunk


def tiff(values: np.ndarray, bits: int, photometric: int, order: str) -> bytes:
    """An uncompressed grey TIFF of `bits` a sample, written by hand."""
    height, width = values.shape
    if bits == 16:
        pixels = values.astype(f"{order}u2").tobytes()
    else:
        rows = ["".join(f"{int(value):012b}" for value in row) for row in values]
        pixels = b"".join(int(row, 2).to_bytes(len(row) // 8, "big") for row in rows)
    tags = [
        (256, 4, width), (257, 4, height), (258, 3, bits), (259, 3, 1), (262, 3, photometric),
        (273, 4, 8), (277, 3, 1), (278, 4, height), (279, 4, len(pixels)),
    ]  # fmt: skip
    data = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8 + len(pixels))
    data += pixels + struct.pack(f"{order}H", len(tags))
    for tag, kind, value in tags:
        place = f"{order}HHIHH" if kind == 3 else f"{order}HHII"
        data += struct.pack(place, tag, kind, 1, *((value, 0) if kind == 3 else (value,)))
    return data + bytes(4)


# Pillow has no reader for the other kinds; they are refused for what they are.
READABLE = [("<", 12, False), ("<", 16, False), ("<", 16, True), (">", 16, False)]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("white_is_zero", [False, True])
def test_a_grey_tiff_has_its_whole_range(order: str, bits: int, white_is_zero: bool) -> None:
    largest = (1 << bits) - 1
    ramp = np.tile(np.linspace(0, largest, 64).round(), (5, 1)).astype(np.uint32)
    expected = np.linspace(0, 255, 64)
    if white_is_zero:
        ramp = largest - ramp
    data = tiff(ramp, bits, 0 if white_is_zero else 1, order)
    if (order, bits, white_is_zero) not in READABLE:
        with pytest.raises(UnsupportedPixels):
            decode(data, 5, 64, 1)
        return
    got = decode(data, 5, 64, 1)
    assert np.abs(got[0, :, 0] - expected).max() <= 1


def test_a_turned_12_bit_tiff_has_its_range_too() -> None:
    ramp = np.tile(np.linspace(0, 4095, 64).round(), (6, 1)).astype(np.uint32)
    data = bytearray(tiff(ramp, 12, 1, "<"))
    at = data.index(struct.pack("<HHIHH", 277, 3, 1, 1, 0))  # SamplesPerPixel, which is 1 anyway
    data[at : at + 12] = struct.pack("<HHIHH", 274, 3, 1, 6, 0)
    got = decode(bytes(data), 64, 6, 1)
    assert np.abs(got[:, 0, 0] - np.linspace(0, 255, 64)).max() <= 1


def test_a_16_bit_grey_png_shows_white_through_its_transparent_value() -> None:
    values = np.full((20, 30), 1000, np.uint16)
    values[:, 10:] = 20_000
    data = pictures.encode(Image.fromarray(values), "PNG")
    at = data.index(b"IDAT") - 4
    transparent = data[:at] + chunk(b"tRNS", struct.pack(">H", 1000)) + data[at:]
    assert decode(data, 20, 30, 1)[0, [0, 20], 0].tolist() == [4, 78]
    assert decode(transparent, 20, 30, 1)[0, [0, 20], 0].tolist() == [255, 78]


def bmp(alpha: int) -> bytes:
    """A 32-bit BMP (BITMAPV4HEADER) of one colour, with this alpha everywhere but in one pixel."""
    width, height = 8, 6
    pixels = bytearray(bytes([30, 60, 200, alpha]) * (width * height))
    header = struct.pack(
        "<IiiHHIIiiIIIIII", 108, width, height, 1, 32, 3, len(pixels), 0, 0, 0, 0,
        0xFF0000, 0xFF00, 0xFF, 0xFF000000,
    ) + bytes(52)  # fmt: skip
    return struct.pack("<2sIHHI", b"BM", 122 + len(pixels), 0, 0, 122) + header + bytes(pixels)


@pytest.mark.parametrize(("alpha", "expected"), [(0, [200, 60, 30]), (255, [200, 60, 30])])
def test_a_bmp_without_a_single_opaque_pixel_is_opaque(alpha: int, expected: list[int]) -> None:
    data = bmp(alpha)
    assert Image.open(io.BytesIO(data)).mode == "RGBA"
    assert decode(data, 6, 8, 3)[3, 3].tolist() == expected


def test_a_half_transparent_bmp_is_laid_over_white() -> None:
    got = decode(bmp(128), 6, 8, 3)[3, 3].astype(int)
    assert np.abs(got - [227, 157, 142]).max() <= 1


@pytest.mark.parametrize("channels", [1, 3])
def test_transparency_is_laid_over_white_as_pillow_does_it(channels: int) -> None:
    """Resizing before or after makes no difference of more than rounding."""
    random = np.random.default_rng(0)
    values = random.integers(0, 256, (90, 70, 4), np.uint8)
    picture = Image.fromarray(values, "RGBA")
    white = Image.new("RGBA", picture.size, "white")
    flat = Image.alpha_composite(white, picture).convert("L" if channels == 1 else "RGB")
    expected = np.asarray(flat.resize((30, 40), Image.Resampling.BILINEAR)).astype(int)
    got = decode(pictures.encode(picture, "PNG"), 40, 30, channels).astype(int)
    assert np.abs(got.reshape(expected.shape) - expected).max() <= 2


def test_the_photo_of_a_50_megapixel_phone_is_accepted() -> None:
    """8192 x 6144; one colour, so that the file is small."""
    data = pictures.encode(Image.new("L", (8192, 6144), 90), "JPEG")
    assert decode(data, 4, 6, 1).mean() == pytest.approx(90, abs=1)
