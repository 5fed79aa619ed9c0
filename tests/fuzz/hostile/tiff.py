"""Hostile TIFF files: tiles, strips, tags, and much picture in few bytes."""

import struct
from collections.abc import Callable
from functools import partial

from tests.fuzz.hostile.jpeg import many_scans
from tests.fuzz.hostile.lzw import lzw_zeros
from tests.fuzz.hostile.packing import (
    BYTE,
    LONG,
    MOST_PIXELS,
    SHORT,
    SIDE,
    Tag,
    after_directory,
    deflated_zeros,
    tiff,
)

PLAIN, LZW, JPEG, DEFLATE, PACKBITS, ZSTD = 1, 5, 7, 8, 32_773, 50_000  # compressions
_OFFSETS, _COUNTS = 273, 279  # of the strips
_ZSTD_BLOCK = 1 << 17
_TAGS = 4_000  # libtiff refuses directories with more than 4,096 entries


def one_tile(side: int) -> bytes:
    """A picture of 64 x 64 pixels in one tile of side x side, which the decoder allocates."""
    tile = [(322, LONG, 1, side), (323, LONG, 1, side), (324, LONG, 1, 8), (325, LONG, 1, 100)]
    return tiff([*_picture(64, 64, DEFLATE), *tile], bytes(16))


def one_strip(
    compression: int,
    packed: bytes,
    width: int = SIDE,
    height: int = SIDE,
    *,
    bits: int = 8,
    samples: int = 1,
) -> bytes:
    """A grey picture, or an RGBA one with 4 samples, in one strip that is unpacked as a whole."""
    tags = _picture(width, height, compression, bits=bits, samples=samples)
    depths = after_directory(len(tags) + 3)
    if samples == 4:
        tags = [tag for tag in tags if tag[0] != 258] + [(258, SHORT, 4, depths)]
    tags += [(_OFFSETS, LONG, 1, depths + 8), (_COUNTS, LONG, 1, len(packed))]
    return tiff([*tags, (278, LONG, 1, height)], struct.pack("<4H", *[bits] * 4) + packed)


def many_strips(width: int, height: int) -> bytes:
    """A strip for each row: the plugin makes a list of them, and starts a decoder for each."""
    tags = _picture(width, height, PLAIN)
    offsets, counts = struct.pack("<I", 8) * height, struct.pack("<I", width) * height
    at = after_directory(len(tags) + 3)
    tags += [(_OFFSETS, LONG, height, at), (_COUNTS, LONG, height, at + len(offsets))]
    return tiff([*tags, (278, LONG, 1, 1)], offsets + counts)


def overlapping_tags(length: int) -> bytes:
    """A small picture with 4,000 private tags, all of which have the same `length` bytes.

    The decoder keeps a copy for each tag.
    """
    packed = deflated_zeros(64 * 64)
    tags = _picture(64, 64, DEFLATE)
    at = after_directory(len(tags) + 3 + _TAGS)
    tags += [(_OFFSETS, LONG, 1, at), (_COUNTS, LONG, 1, len(packed)), (278, LONG, 1, 64)]
    tags += [(1_000 + number, BYTE, length, at) for number in range(_TAGS)]
    return tiff(tags, packed + bytes(length))


def zstd_zeros(count: int) -> bytes:
    """A Zstandard frame of at least `count` zeros, of which each four bytes are 128 KiB."""
    blocks = -(-count // _ZSTD_BLOCK)
    window = 7 << 3  # 128 KiB
    repeat = struct.pack("<I", _ZSTD_BLOCK << 3 | 1 << 1)[:3] + b"\0"
    end = struct.pack("<I", 1)[:3]  # an empty last block
    return struct.pack("<IBB", 0xFD2FB528, 0, window) + repeat * blocks + end


def packbits_zeros(count: int) -> bytes:
    """PackBits of at least `count` zeros, of which each two bytes are 128."""
    return b"\x81\0" * -(-count // 128)


def _picture(
    width: int, height: int, compression: int, *, bits: int = 8, samples: int = 1
) -> list[Tag]:
    tags = [
        (256, LONG, 1, width),
        (257, LONG, 1, height),
        (258, SHORT, 1, bits),
        (259, SHORT, 1, compression),
        (262, SHORT, 1, 2 if samples == 4 else 1),  # RGB, or black is 0
        (277, SHORT, 1, samples),
    ]
    return [*tags, (338, SHORT, 1, 2)] if samples == 4 else tags  # the fourth is opacity


def _deep(compression: int, zeros: Callable[[int], bytes]) -> bytes:
    """The largest RGBA picture of 16 bits, whose strip has 512 MB."""
    return one_strip(compression, zeros(8 * MOST_PIXELS), bits=16, samples=4)


def _column(bits: int) -> bytes:
    """One pixel wide: the rows need pointers, and the filter that scales it a huge table."""
    return one_strip(ZSTD, zstd_zeros(bits // 8 * MOST_PIXELS), 1, MOST_PIXELS, bits=bits)


FILES: dict[str, Callable[[], bytes]] = {
    "tiff-one-tile": partial(one_tile, 46_000),
    "tiff-overlapping-tags": partial(overlapping_tags, 2**20),
    "tiff-many-strips": partial(many_strips, 24, 2_600_000),
    "tiff-column": partial(_column, 16),
    "tiff-deflate": partial(_deep, DEFLATE, deflated_zeros),
    "tiff-lzw": partial(_deep, LZW, lzw_zeros),
    "tiff-packbits": partial(_deep, PACKBITS, packbits_zeros),
    "tiff-scans": lambda: one_strip(JPEG, many_scans(90)),  # libtiff takes at most 100
}
