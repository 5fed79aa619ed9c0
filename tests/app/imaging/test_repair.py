"""Damage and size of what is no part of the picture refuse no photo; damage of the picture does."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from app.imaging.decode import decode
from app.imaging.errors import BrokenPhoto
from tests import pictures

PNG = pictures.encode(pictures.noise(4, 30, 20), "PNG")
HEAD = 8 + 25  # the signature and IHDR
LARGE = 3_000_000  # bytes; Pillow refuses texts of more than a megabyte


def chunk(kind: bytes, body: bytes, checksum: int | None = None) -> bytes:
    right = zlib.crc32(kind + body)
    sum_ = right if checksum is None else checksum
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", sum_)


METADATA = {
    "zTXt": chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(LARGE))),
    "iTXt": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(LARGE))),
    "iTXt, not compressed": chunk(b"iTXt", b"Comment\0\0\0\0\0" + b"a" * LARGE),
    "tEXt": chunk(b"tEXt", b"Comment\0" + b"a" * LARGE),
    "iCCP": chunk(b"iCCP", b"profile\0\0" + zlib.compress(bytes(LARGE))),
    "iCCP that is none": chunk(b"iCCP", b"profile\0\0no zlib"),
    "many texts": chunk(b"tEXt", b"Comment\0" + b"a" * 1000) * 3000,
    "tEXt, wrong checksum": chunk(b"tEXt", b"Comment\0hello", 1),
    "eXIf, wrong checksum": chunk(b"eXIf", b"II*\0\x08\0\0\0", 1),
    "pHYs, wrong checksum": chunk(b"pHYs", bytes(9), 1),
    "unknown": chunk(b"abCd", bytes(100)),
    "unknown, wrong checksum": chunk(b"abCd", bytes(100), 1),
}


@pytest.mark.parametrize("name", METADATA)
@pytest.mark.parametrize("behind", [False, True])
def test_metadata_that_is_not_used_refuses_no_png(name: str, behind: bool) -> None:
    at = len(PNG) - 12 if behind else HEAD  # before IEND, or behind IHDR
    data = PNG[:at] + METADATA[name] + PNG[at:]
    np.testing.assert_array_equal(decode(data, 20, 30, 3), decode(PNG, 20, 30, 3))


@pytest.mark.parametrize("place", [PNG.index(b"IHDR") + 4 + 13, PNG.index(b"IDAT") + 40])
def test_damage_of_the_picture_itself_refuses_it(place: int) -> None:
    damaged = bytearray(PNG)
    damaged[place] ^= 1  # a checksum, a byte of the pixels
    with pytest.raises(BrokenPhoto, match="PNG file is broken"):
        decode(bytes(damaged), 20, 30, 3)


def test_an_unknown_critical_chunk_refuses_it() -> None:
    with pytest.raises(BrokenPhoto):
        decode(PNG[:HEAD] + chunk(b"ABCD", b"x", 1) + PNG[HEAD:], 20, 30, 3)


@pytest.mark.parametrize("size", [(400, 304), (57, 43), (1300, 900)])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_may_lack_its_end_marker(size: tuple[int, int], mode: str) -> None:
    data = pictures.encode(pictures.noise(1, *size).convert(mode), "JPEG", quality=90)
    assert data.endswith(b"\xff\xd9")
    np.testing.assert_array_equal(decode(data[:-2], 60, 80, 3), decode(data, 60, 80, 3))


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("share", [0.3, 0.9, 0.99])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
def test_a_jpeg_may_lack_no_row(mode: str, share: float, options: dict[str, object]) -> None:
    picture = pictures.noise(1, 400, 304).convert(mode)
    data = pictures.encode(picture, "JPEG", quality=90, **options)
    with pytest.raises(BrokenPhoto, match="truncated"):
        decode(data[: int(len(data) * share)], 60, 80, 3)


def test_a_thumbnail_with_an_end_marker_is_no_end_of_the_photo() -> None:
    exif = Image.Exif()
    exif[0x9286] = pictures.encode(pictures.noise(2, 16, 16), "JPEG")  # a comment holds it
    data = pictures.encode(pictures.noise(1, 100, 80), "JPEG", quality=90, exif=exif)
    np.testing.assert_array_equal(decode(data[:-2], 60, 80, 3), decode(data, 60, 80, 3))
    with pytest.raises(BrokenPhoto, match="truncated"):
        decode(data[: len(data) * 2 // 3], 60, 80, 3)


def test_what_follows_the_end_of_a_jpeg_is_ignored() -> None:
    data = pictures.encode(pictures.noise(1, 100, 80), "JPEG", quality=90)
    longer = data + b"\xff\xda" * 50
    np.testing.assert_array_equal(decode(longer, 60, 80, 3), decode(data, 60, 80, 3))
