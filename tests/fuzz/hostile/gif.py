"""Hostile GIF files: a large transparent picture, and comments by the million."""

import struct
from collections.abc import Callable

from tests.fuzz.hostile.lzw import lzw_zeros
from tests.fuzz.hostile.packing import MOST_BYTES, SIDE

_TRANSPARENT = b"\x21\xf9\4\1\0\0\0\0"  # colour 0 is
_COMMENT = b"\x21\xfe"


def gif(side: int, before: bytes = b"", *, interlaced: bool = False) -> bytes:
    """A black picture with a palette of 256 colours, after the blocks `before`."""
    size = struct.pack("<HH", side, side)
    screen = b"GIF89a" + size + b"\xf7\0\0" + bytes(3 * 256)
    data = lzw_zeros(side * side, tiff=False)
    parts = [data[start : start + 255] for start in range(0, len(data), 255)]
    picture = b"\x2c\0\0\0\0" + size + bytes([0x40 * interlaced, 8])
    return b"".join(
        [screen, before, picture, *(bytes([len(part)]) + part for part in parts), b"\0\x3b"]
    )


def transparent() -> bytes:
    """The largest picture, interlaced and transparent: it is converted to RGBA twice."""
    return gif(SIDE, _TRANSPARENT, interlaced=True)


def comment_blocks() -> bytes:
    """A small picture after one comment, in blocks of one byte."""
    return gif(8, _COMMENT + b"\1x" * ((MOST_BYTES - 1_000) // 2) + b"\0")


def comments() -> bytes:
    """A small picture after comments of one byte, which are collected in a list."""
    one = _COMMENT + b"\1x\0"
    return gif(8, one * ((MOST_BYTES - 1_000) // len(one)))


FILES: dict[str, Callable[[], bytes]] = {
    "gif-transparent": transparent,
    "gif-comment-blocks": comment_blocks,
    "gif-comments": comments,
}
