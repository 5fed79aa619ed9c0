"""The EXIF orientation is applied whatever else is in the EXIF block."""

import io
import struct
from itertools import product

import numpy as np
import pytest
from PIL import ExifTags, Image, TiffTags

from app.imaging.decode import decode
from tests import pictures

ORIENTATION = 0x0112
TAGS = sorted((set(ExifTags.TAGS) | set(TiffTags.TAGS_V2)) - {ORIENTATION})
# Bytes of a value, by its type in TIFF 6.0.
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
WIDTH, HEIGHT = 24, 16


def exif(order: bytes, tag: int, kind: int, count: int) -> bytes:
    """An EXIF block that turns the photo by a quarter, with one odd tag beside that."""
    endian = "<" if order == b"II" else ">"
    value = b"\xff" * (SIZES.get(kind, 1) * count)
    end = 8 + 2 + 2 * 12 + 4
    place = value.ljust(4, b"\0") if len(value) <= 4 else struct.pack(f"{endian}I", end)
    odd = struct.pack(f"{endian}HHI", tag, kind, count) + place
    turned = struct.pack(f"{endian}HHIHH", ORIENTATION, 3, 1, 6, 0)
    entries = odd + turned if tag < ORIENTATION else turned + odd
    head = b"Exif\0\0" + order + struct.pack(f"{endian}HIH", 42, 8, 2)
    return head + entries + bytes(4) + value


def stored() -> Image.Image:
    """A gradient that lies on its side, as a camera that was turned would write it."""
    return pictures.gradient(WIDTH, HEIGHT).transpose(Image.Transpose.ROTATE_90)


def is_upright(data: bytes) -> bool:
    got = decode(data, HEIGHT, WIDTH, 3).astype(int)
    return bool(np.abs(got - np.asarray(pictures.gradient(WIDTH, HEIGHT))).mean() < 8)


@pytest.mark.parametrize(("order", "counts"), [(b"II", (1, 3)), (b"MM", (0, 1))])
def test_no_tag_beside_it_is_in_the_way(order: bytes, counts: tuple[int, int]) -> None:
    whole = pictures.encode(stored(), "JPEG", quality=95, exif=exif(order, 271, 2, 1))
    start, length = whole.index(b"Exif\0\0"), len(exif(order, 271, 2, 1))
    assert is_upright(whole)
    lost = []
    for tag, kind, count in product(TAGS, range(14), counts):
        block = exif(order, tag, kind, count)
        size = struct.pack(">H", len(block) + 2)
        if not is_upright(whole[: start - 2] + size + block + whole[start + length :]):
            lost.append((tag, kind, count))
    assert lost == []
    assert len(TAGS) > 250


ODD = {
    "negative altitude": (34853, 10, 1),
    "negative resolution": (282, 10, 1),
    "resolution as text": (282, 2, 5),
    "no value": (305, 2, 0),
    "unknown type": (305, 0, 3),
}


@pytest.mark.parametrize("order", [b"II", b"MM"])
@pytest.mark.parametrize(
    ("name", "odd"),
    [
        *product(["JPEG", "PNG", "WEBP"], ODD),
        *(("AVIF", odd) for odd in ODD if odd != "resolution as text"),  # Pillow cannot write it
    ],
)
def test_every_format_is_turned_beside_an_odd_tag(name: str, odd: str, order: bytes) -> None:
    data = pictures.encode(stored(), name, quality=95, exif=exif(order, *ODD[odd]))
    assert is_upright(data)


def test_a_file_of_several_pictures_is_turned() -> None:
    block = exif(b"II", *ODD["negative altitude"])
    data = pictures.encode(
        stored(), "MPO", save_all=True, append_images=[stored()], quality=95, exif=block
    )
    assert Image.open(io.BytesIO(data)).format == "MPO"
    assert is_upright(data)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiff_is_turned_beside_an_odd_tag(order: str) -> None:
    picture = stored()
    pixels = picture.tobytes()
    tags = [
        (256, 4, picture.width), (257, 4, picture.height), (258, 3, 8), (259, 3, 1), (262, 3, 2),
        (273, 4, 8), (ORIENTATION, 3, 6), (277, 3, 3), (278, 4, picture.height),
        (279, 4, len(pixels)), (282, 9, -1),
    ]  # fmt: skip
    end = 8 + len(pixels)
    bits = end + 2 + 12 * len(tags) + 4
    data = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, end) + pixels
    data += struct.pack(f"{order}H", len(tags))
    for tag, kind, value in tags:
        if tag == 258:
            data += struct.pack(f"{order}HHII", tag, kind, 3, bits)
        elif kind == 3:
            data += struct.pack(f"{order}HHIHH", tag, kind, 1, value, 0)
        else:
            data += struct.pack(f"{order}HHI{'i' if value < 0 else 'I'}", tag, kind, 1, value)
    assert is_upright(data + bytes(4) + struct.pack(f"{order}HHH", 8, 8, 8))


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_is_none_turns_nothing(value: int) -> None:
    upright = pictures.gradient(WIDTH, HEIGHT)
    assert is_upright(pictures.with_orientation(upright, value, "JPEG"))
