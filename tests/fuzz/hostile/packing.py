"""Parts that the makers of hostile files share: limits, deflate streams and TIFF directories."""

import struct
import zlib
from collections.abc import Iterable

SIDE = 8_000
"""The side in pixels of the largest square that the service's default limit lets in."""

MOST_PIXELS = SIDE * SIDE
MOST_BYTES = 20 * 2**20 - 4096
"""The largest file: the default limit of a request's body, less room for headers."""

BYTE, SHORT, LONG = 1, 3, 4
"""Types of TIFF values."""

Tag = tuple[int, int, int, int]
"""An entry of a TIFF directory: tag, type, number of values, and the value or its offset."""

_BLOCK = 2**20


def deflated_zeros(count: int) -> bytes:
    """A zlib stream of `count` zero bytes of a thousandth of their size, made of equal blocks."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(bytes(_BLOCK)) + packer.flush(zlib.Z_FULL_FLUSH)
    blocks, rest = divmod(count, _BLOCK)
    last = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    end = last.compress(bytes(rest)) + last.flush()
    checksum = (count % 65_521) << 16 | 1  # Adler-32 of zeros
    return b"\x78\xda" + block * blocks + end + struct.pack(">I", checksum)


def tiff(tags: Iterable[Tag], rest: bytes = b"") -> bytes:
    """A little-endian TIFF file: one directory at byte 8, followed by `rest`."""
    entries = [struct.pack("<HHII", *tag) for tag in sorted(tags)]
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8) + directory + rest


def after_directory(entries: int) -> int:
    """The offset of `rest` in a file that `tiff` makes with so many entries."""
    return 8 + 2 + 12 * entries + 4
