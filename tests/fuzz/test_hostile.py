"""The hostile files are what their makers say: sound pictures, of the size that they declare."""

import io
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from app.imaging.decode import MAX_PIXELS
from app.imaging.formats import FORMATS, format_of
from tests.fuzz.hostile import avif, bmp, gif, heic, jpeg, png, tiff, webp
from tests.fuzz.hostile.catalogue import HostileFile, hostile_files
from tests.fuzz.hostile.lzw import lzw_zeros
from tests.fuzz.hostile.packing import MOST_PIXELS, deflated_zeros

MOST_BYTES = 20 * 2**20  # the default of APP_MAX_BYTES

# A small file of each maker of pictures: the side, and the mode to which Pillow decodes it.
SMALL: dict[str, Callable[[int], bytes]] = {
    "PNG": lambda side: png.png(side, side),
    "PNG interlaced": lambda side: png.png(side, side, png.RGBA, bits=16, interlaced=True),
    "GIF": gif.gif,
    "BMP": lambda side: bmp.bmp(side, side, bmp.RLE8, b"\1\0\0\0" * side),
    "JPEG": lambda side: jpeg.many_scans(3, side=side),
    "WEBP": webp.still,
    "TIFF zstd": lambda side: strip(tiff.ZSTD, tiff.zstd_zeros(side * side), side),
    "TIFF LZW": lambda side: strip(tiff.LZW, lzw_zeros(side * side), side),
    "TIFF PackBits": lambda side: strip(tiff.PACKBITS, tiff.packbits_zeros(side * side), side),
    "TIFF deflate": lambda side: strip(tiff.DEFLATE, deflated_zeros(side * side), side),
    "TIFF JPEG": lambda side: strip(tiff.JPEG, jpeg.many_scans(3, side=side), side),
}


def strip(compression: int, packed: bytes, side: int) -> bytes:
    return tiff.one_strip(compression, packed, side, side)


@pytest.mark.parametrize("side", [8, 64, 3000])  # 3000: a table of LZW codes is full, and cleared
@pytest.mark.parametrize("name", SMALL)
def test_pictures_are_sound(name: str, side: int) -> None:
    with Image.open(io.BytesIO(SMALL[name](side)), formats=[name.split()[0]]) as image:
        pixels = np.asarray(image)
    assert pixels.shape[:2] == (side, side)
    assert pixels.min() == pixels.max()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("AVIF", avif.many_items(3)),
        ("AVIF", avif.many_places(100_000)),
        ("AVIF", avif.many_properties(80)),
        ("AVIF", avif.long_numbers()),
        ("HEIF", heic.shared_metadata(2, 2, 100)),
        ("JPEG", jpeg.many_scans(3, arithmetic=True, side=64)),
        ("TIFF", tiff.overlapping_tags(100)),
        ("TIFF", tiff.many_strips(64, 64)),
        ("WEBP", webp.animation(64, 3)),
    ],
)
def test_small_pictures_open(name: str, data: bytes) -> None:
    with Image.open(io.BytesIO(data), formats=[name]) as image:
        image.load()
    assert image.size == (64, 64)


@pytest.mark.parametrize("count", [0, 1, 2**20 - 1, 2**20, 3_000_000])
def test_a_deflated_stream_is_as_long_as_it_says(count: int) -> None:
    assert zlib.decompress(deflated_zeros(count)) == bytes(count)


def test_the_limits_are_the_defaults_of_the_service() -> None:
    assert MOST_PIXELS == MAX_PIXELS


@pytest.mark.parametrize("file", hostile_files(), ids=lambda file: file.name)
def test_a_file_gets_past_the_first_checks(file: HostileFile) -> None:
    data = file.make()
    assert len(data) < MOST_BYTES
    assert format_of(data) == file.name.split("-")[0].upper()
    assert file.make() == data


def test_every_format_has_hostile_files() -> None:
    assert {file.name.split("-")[0].upper() for file in hostile_files()} == set(FORMATS)
