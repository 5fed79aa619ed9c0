"""Hostile BMP files: run lengths and skips, which are unpacked in Python."""

import struct
from collections.abc import Callable

from tests.fuzz.hostile.packing import MOST_BYTES, MOST_PIXELS, SIDE

RLE8, RLE4 = 1, 2
_LONGEST_RUN = 255
_END_OF_LINE, _END = b"\0\0", b"\0\1"


def bmp(width: int, height: int, compression: int, data: bytes) -> bytes:
    """A picture with a black palette."""
    bits = 4 if compression == RLE4 else 8
    at = 54 + (4 << bits)
    file = struct.pack("<2sIII", b"BM", at + len(data), 0, at)
    sizes = (40, width, height, 1, bits, compression, len(data), 1, 1, 0, 0)
    return file + struct.pack("<IiiHHIIiiII", *sizes) + bytes(4 << bits) + data


def runs() -> bytes:
    """The longest runs of four bits a pixel, which are unpacked pixel by pixel."""
    full, rest = divmod(SIDE, _LONGEST_RUN)
    row = bytes([_LONGEST_RUN, 0]) * full + bytes([rest, 0]) + _END_OF_LINE
    return bmp(SIDE, SIDE, RLE4, row * SIDE + _END)


def one_row() -> bytes:
    """One row of all pixels, and the end of the line, which is filled pixel by pixel."""
    return bmp(MOST_PIXELS, 1, RLE8, bytes([1, 0]) + _END_OF_LINE)


def column() -> bytes:
    """One pixel wide, with skips over 255 rows at a time."""
    skip = b"\0\2\0" + bytes([_LONGEST_RUN])
    return bmp(1, MOST_PIXELS, RLE8, skip * (MOST_PIXELS // _LONGEST_RUN + 1))


def runs_past_the_end() -> bytes:
    """A small picture with runs by the million in its first line, where they have no room."""
    return bmp(8, 8, RLE8, bytes([8, 0]) * ((MOST_BYTES - 2_000) // 2))


FILES: dict[str, Callable[[], bytes]] = {
    "bmp-runs": runs,
    "bmp-one-row": one_row,
    "bmp-column": column,
    "bmp-runs-past-the-end": runs_past_the_end,
}
