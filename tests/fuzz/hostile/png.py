"""Hostile PNG files: the largest pictures in the most expensive forms, chunks by the million."""

import struct
import zlib
from collections.abc import Callable
from functools import partial

from tests.fuzz.hostile.packing import MOST_BYTES, MOST_PIXELS, SIDE, deflated_zeros

GREY, GREY_ALPHA, RGBA = 0, 4, 6  # types of colour
_SAMPLES = {GREY: 1, GREY_ALPHA: 2, RGBA: 4}
_PASSES = 7  # of an interlaced picture, each of which has rows of its own


def png(
    width: int,
    height: int,
    colour: int = GREY,
    *,
    bits: int = 8,
    interlaced: bool = False,
    extra: bytes = b"",
) -> bytes:
    """A picture of zeros; `extra` are chunks before its pixels."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)
    row = 1 + width * bits * _SAMPLES[colour] // 8  # a filter byte first
    zeros = deflated_zeros((row + _PASSES * interlaced) * height)
    parts = [chunk(b"IHDR", header), extra, chunk(b"IDAT", zeros), chunk(b"IEND")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def column() -> bytes:
    """One pixel wide: the rows need pointers, and the filter that scales it a huge table."""
    return png(1, MOST_PIXELS, GREY_ALPHA)


def many_chunks(kind: bytes) -> bytes:
    """A small picture after 20 MB of empty chunks, which are parsed in Python."""
    one = chunk(kind)
    return png(8, 8, extra=one * ((MOST_BYTES - 100) // len(one)))


def text(count: int) -> bytes:
    """A small picture with `count` bytes of compressed text."""
    return png(8, 8, extra=chunk(b"zTXt", b"Comment\0\0" + deflated_zeros(count)))


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    """A chunk with its checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


FILES: dict[str, Callable[[], bytes]] = {
    "png-column": column,
    "png-grey-alpha": partial(png, SIDE, SIDE, GREY_ALPHA),
    "png-interlaced": partial(png, SIDE, SIDE, RGBA, bits=16, interlaced=True),
    "png-private-chunks": partial(many_chunks, b"AbCD"),
    "png-data-chunks": partial(many_chunks, b"IDAT"),
}
