"""Hostile JPEG files: scans by the thousand, segments by the million, the largest frames."""

import struct
from collections.abc import Callable
from functools import partial

from tests.fuzz.hostile.packing import MOST_BYTES, SIDE

PROGRESSIVE, ARITHMETIC = 0xC2, 0xCA  # kinds of frames; both are progressive
APP0, APP1 = 0xE0, 0xE1
_START, _END = b"\xff\xd8", b"\xff\xd9"
_LONGEST_RUN = 32_767  # of blocks without a coefficient


def many_scans(
    count: int, *, arithmetic: bool = False, side: int = SIDE, end: bytes = _END
) -> bytes:
    """A grey picture with `count` scans that refine nothing, each of which visits all blocks.

    Without `end`, the service decodes the file a second time, as the marker alone may be missing.
    An arithmetic scan needs no data, because its decoder goes on with zeros.
    """
    data = b"" if arithmetic else _runs((side // 8) ** 2)
    scans = _scan(1, 0, 0, 0) + (_scan(1, 1, 63, 0x10) + data) * count
    return (
        _START
        + _tables()
        + _frame(ARITHMETIC if arithmetic else PROGRESSIVE, side, 1)
        + scans
        + end
    )


def largest_frame(side: int = SIDE) -> bytes:
    """A progressive picture of four colours: all its coefficients are in memory at a time."""
    return _START + _tables() + _frame(PROGRESSIVE, side, 4) + _scan(4, 0, 0, 0) + _END


def many_segments(kind: int, body: bytes, size: int = MOST_BYTES) -> bytes:
    """A small picture after `size` bytes of equal segments, which are parsed in Python."""
    one = segment(kind, body)
    return _before_picture(one * (size // len(one)))


def padding() -> bytes:
    """A small picture after a padding between two segments, which is skipped byte by byte."""
    return _before_picture(b"\xff" * MOST_BYTES)


def segment(kind: int, body: bytes = b"") -> bytes:
    """A marker and its segment."""
    return struct.pack(">BBH", 0xFF, kind, len(body) + 2) + body


def _before_picture(segments: bytes) -> bytes:
    return _START + segments + many_scans(0, side=64).removeprefix(_START)


def _tables() -> bytes:
    """Quantisation by 1, and Huffman tables whose only code is one bit, 0."""
    only = b"\1" + bytes(15)
    huffman = b"\0" + only + b"\0" + b"\x10" + only + b"\xe0"  # no difference; a run of blocks
    return segment(0xDB, b"\0" + b"\1" * 64) + segment(0xC4, huffman)


def _frame(kind: int, side: int, components: int) -> bytes:
    each = b"".join(bytes([number, 0x11, 0]) for number in range(components))
    return segment(kind, struct.pack(">BHHB", 8, side, side, components) + each)


def _scan(components: int, first: int, last: int, approximation: int) -> bytes:
    each = b"".join(bytes([number, 0]) for number in range(components))
    return segment(0xDA, bytes([components]) + each + bytes([first, last, approximation]))


def _runs(blocks: int) -> bytes:
    """The longest runs of blocks without a coefficient: the code, and fourteen bits for more."""
    bits = ("0" + "1" * 14) * -(-blocks // _LONGEST_RUN)
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")


FILES: dict[str, Callable[[], bytes]] = {
    "jpeg-scans": partial(many_scans, 3_350),  # 324 kB
    "jpeg-scans-cut-off": partial(many_scans, 5_700, end=b""),  # 552 kB
    "jpeg-arithmetic-scans": partial(many_scans, 1_000, arithmetic=True),
    "jpeg-four-colours": largest_frame,
    "jpeg-segments": partial(many_segments, APP0, b""),
    "jpeg-exif-pieces": partial(many_segments, APP1, b"Exif\0\0" + bytes(8), 2**22),
    "jpeg-padding": padding,
}
