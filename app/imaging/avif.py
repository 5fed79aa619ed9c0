"""How large the frames in an AVIF file really are.

The decoder allocates a frame of the size in its AV1 sequence header, and scales it to the size in
the container afterwards. So a small file whose container claims a small picture can take any
amount of memory.

Sources: ISO/IEC 14496-12 (boxes, tracks), ISO/IEC 23008-12 (items), and the AV1 Bitstream &
Decoding Process Specification, sections 5.3 and 5.5.
"""

from collections.abc import Iterable, Iterator
from itertools import product
from typing import TypeVar

T = TypeVar("T")

_MOST = 10_000  # boxes, items, extents or units; ordinary files have tens
_OVERLAP = 4  # times the file's length that its items may have in all
_SEQUENCE_HEADER = 1
_FIRST_SAMPLE = (b"trak", b"mdia", b"minf", b"stbl")


def frame_sizes(data: bytes) -> list[tuple[int, int]]:
    """Width and height in pixels of every AV1 sequence that would be decoded.

    These are the items (the photo or its tiles, transparency, gain maps) and the first frame of
    each track. The size that the container declares is ignored.

    Raises:
        ValueError: the file is damaged, or has far more parts than any ordinary file.
    """
    file = memoryview(data)
    streams: list[memoryview] = []
    for kind, body in _boxes(file):
        if kind == b"meta":
            streams += _items(file, body[4:])
        elif kind == b"moov":
            streams += _first_samples(file, body)
    units = (unit for stream in streams for unit in _units(stream))
    return [_size(body) for kind, body in _at_most(units) if kind == _SEQUENCE_HEADER]


def _at_most(things: Iterable[T]) -> Iterator[T]:
    for count, thing in enumerate(things):
        if count == _MOST:
            raise ValueError(f"more than {_MOST} parts")
        yield thing


class _Reader:
    """Reads numbers of any number of bits, the highest bit first."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0  # in bits

    def bits(self, count: int) -> int:
        first, end = self._at // 8, (self._at + count + 7) // 8
        if end > len(self._data):
            raise ValueError("cut off")
        self._at += count
        value = int.from_bytes(self._data[first:end], "big")
        return (value >> (8 * end - self._at)) & ((1 << count) - 1)

    def bytes(self, count: int) -> int:
        return self.bits(8 * count)


def _boxes(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """The type and content of each box; the last box may be cut off."""

    def each() -> Iterator[tuple[bytes, memoryview]]:
        at = 0
        while len(data) - at >= 8:
            size, head = int.from_bytes(data[at : at + 4], "big"), 8
            if size == 1:
                size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
            end = at + size if size else len(data)
            if end < at + head:
                raise ValueError("a box is smaller than its head")
            yield bytes(data[at + 4 : at + 8]), data[at + head : end]
            at = end

    return _at_most(each())


def _items(file: memoryview, meta: memoryview) -> list[memoryview]:
    """The bytes of each item of a `meta` box."""
    boxes = list(_boxes(meta))
    inside = next((body for kind, body in boxes if kind == b"idat"), memoryview(b""))
    found = []
    room = _OVERLAP * len(file)
    for places in (places for kind, body in boxes if kind == b"iloc" for places in _places(body)):
        # Construction method 0 is an offset in the file, 1 one in `idat`; no other is decoded.
        parts = [
            (inside if where else file)[start : start + length if length else None]
            for where, start, length in places
        ]
        room -= sum(map(len, parts))
        if room < 0:
            raise ValueError("its items overlap")
        found.append(parts[0] if len(parts) == 1 else memoryview(b"".join(parts)))
    return found


def _places(iloc: memoryview) -> Iterator[list[tuple[int, int, int]]]:
    """For each item: (construction method, start, length) of its extents."""
    reader = _Reader(iloc)
    version = reader.bits(32) >> 24
    offset_size, length_size, base_size, index_size = (reader.bits(4) for _ in range(4))
    for _ in _at_most(range(reader.bytes(4 if version == 2 else 2))):
        reader.bytes(4 if version == 2 else 2)  # its number
        method = reader.bytes(2) & 15 if version else 0
        reader.bytes(2)  # the number of another file, which is never opened
        base = reader.bytes(base_size)
        extents = []
        for _ in _at_most(range(reader.bytes(2))):
            if version:
                reader.bytes(index_size)
            start = base + reader.bytes(offset_size)
            extents.append((method, start, reader.bytes(length_size)))
        yield extents


def _first_samples(file: memoryview, moov: memoryview) -> Iterator[memoryview]:
    """The bytes of the first frame of each track of a `moov` box."""
    for table in _inside(moov, _FIRST_SAMPLE):
        starts, lengths = [], []
        for kind, body in _boxes(table):
            reader = _Reader(body)
            if kind in (b"stco", b"co64"):
                reader.bytes(8)  # version, flags, count
                starts.append(reader.bytes(8 if kind == b"co64" else 4))
            elif kind == b"stsz":
                reader.bytes(4)
                same, _ = reader.bytes(4), reader.bytes(4)
                lengths.append(same or reader.bytes(4))
        for start, length in _at_most(product(starts, lengths)):
            yield file[start : start + length]


def _inside(data: memoryview, path: tuple[bytes, ...]) -> Iterator[memoryview]:
    if not path:
        yield data
        return
    for kind, body in _boxes(data):
        if kind == path[0]:
            yield from _inside(body, path[1:])


def _units(stream: memoryview) -> Iterator[tuple[int, memoryview]]:
    """The type and content of each open bitstream unit, up to the first invalid one."""
    at = 0
    while at < len(stream):
        head = stream[at]
        if head & 0x80:
            return
        at += 2 if head & 4 else 1
        length = len(stream) - at
        if head & 2:
            length = 0
            for shift in range(0, 56, 7):
                if at >= len(stream):
                    return
                byte = stream[at]
                at += 1
                length |= (byte & 0x7F) << shift
                if byte < 0x80:
                    break
        yield head >> 3, stream[at : at + length]
        at += length


def _size(header: memoryview) -> tuple[int, int]:
    """The width and height of the largest frame that a sequence header allows."""
    reader = _Reader(header)
    reader.bits(4)  # profile, still picture
    if reader.bits(1):  # reduced still picture header
        reader.bits(5)
    else:
        _skip_operating_points(reader)
    width_bits, height_bits = reader.bits(4) + 1, reader.bits(4) + 1
    return reader.bits(width_bits) + 1, reader.bits(height_bits) + 1


def _skip_operating_points(reader: _Reader) -> None:
    delay_bits = 0
    if reader.bits(1):  # timing information
        reader.bits(64)
        if reader.bits(1):
            _skip_variable_length(reader)
        if reader.bits(1):  # decoder model
            delay_bits = reader.bits(5) + 1
            reader.bits(42)
    has_display_delay = reader.bits(1)
    for _ in range(reader.bits(5) + 1):
        reader.bits(12)
        if reader.bits(5) > 7:  # level; a tier only from 4.0 on
            reader.bits(1)
        if delay_bits and reader.bits(1):
            reader.bits(2 * delay_bits + 1)
        if has_display_delay and reader.bits(1):
            reader.bits(4)


def _skip_variable_length(reader: _Reader) -> None:
    zeros = 0
    while not reader.bits(1):
        zeros += 1
    if zeros < 32:
        reader.bits(zeros)
