"""Hostile WebP files: a few bytes of a large transparent picture, chunks by the million."""

import struct
from collections.abc import Callable
from functools import partial

from tests.fuzz.hostile.packing import MOST_BYTES, SIDE

ANIMATION, ALPHA = 0x02, 0x10  # flags of the extended header


def still(side: int) -> bytes:
    """A transparent picture of one colour, which needs no bit for a pixel and four canvases."""
    return _file(_lossless(side))


def animation(side: int, count: int) -> bytes:
    """A transparent animation: the first frame alone is used, but all are listed."""
    size = (side - 1).to_bytes(3, "little")
    head = bytes(6) + size + size + (100).to_bytes(3, "little") + b"\2"  # at 0, 0 for 100 ms
    frame = _chunk(b"ANMF", head + _lossless(side))
    return _file(_extended(side, ANIMATION | ALPHA), _chunk(b"ANIM", bytes(6)), frame * count)


def many_chunks() -> bytes:
    """A small picture before chunks by the million, which the decoder lists."""
    one = _chunk(b"none", b"")
    return _file(_extended(8, ALPHA), _lossless(8), one * ((MOST_BYTES - 1_000) // len(one)))


def _file(*chunks: bytes) -> bytes:
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _extended(side: int, flags: int) -> bytes:
    size = (side - 1).to_bytes(3, "little")
    return _chunk(b"VP8X", struct.pack("<I", flags) + size + size)


def _lossless(side: int) -> bytes:
    """One colour: five Huffman codes with one symbol each."""
    bits = (side - 1) | (side - 1) << 14 | 1 << 28  # it has transparency; version 0
    position = 32
    position += 3  # no transform, no colour cache, no meta codes
    for _ in range(5):
        bits |= 1 << position  # a simple code with one symbol, which has one bit and is 0
        position += 4
    return _chunk(b"VP8L", b"\x2f" + bits.to_bytes((position + 7) // 8, "little"))


FILES: dict[str, Callable[[], bytes]] = {
    "webp-7071": partial(still, 7_071),
    "webp-transparent": partial(still, SIDE),
    "webp-animation": partial(animation, SIDE, 400_000),
    "webp-chunks": many_chunks,
}
