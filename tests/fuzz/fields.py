"""Find the fields of image files that contain a length or the size of the picture."""

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

_PNG_START = 8
_CONTAINER_BOXES = (b"meta", b"iprp", b"ipco", b"moov", b"dinf")


@dataclass(frozen=True)
class Field:
    """An integer field of a file, which contains a part's length or the picture's size."""

    offset: int
    size: int
    order: Literal["big", "little"]
    kind: Literal["length", "size"]


def fields(name: str, data: bytes) -> list[Field]:
    """Return the fields of a valid file; `name` is Pillow's name of the format."""
    parser = _PARSERS.get(name)
    if parser is None:
        return []
    return [field for field in parser(data) if field.offset + field.size <= len(data)]


def fix_checksums(data: bytes) -> bytes:
    """Correct the checksums of a damaged PNG file's chunks, as far as their lengths are valid."""
    fixed = bytearray(data)
    for offset, length in _chunks(data):
        end = offset + 8 + length
        if end + 4 <= len(data):
            fixed[end : end + 4] = struct.pack(">I", zlib.crc32(data[offset + 4 : end]))
    return bytes(fixed)


def _chunks(data: bytes) -> Iterator[tuple[int, int]]:
    offset = _PNG_START
    while offset + 12 <= len(data):
        length = int.from_bytes(data[offset : offset + 4], "big")
        yield offset, length
        offset += 12 + length


def _png(data: bytes) -> Iterator[Field]:
    for offset, _ in _chunks(data):
        yield Field(offset, 4, "big", "length")
    yield Field(16, 4, "big", "size")
    yield Field(20, 4, "big", "size")


def _jpeg(data: bytes) -> Iterator[Field]:
    """Yield the fields of the segments up to the first scan."""
    offset = 2
    while offset + 9 <= len(data) and data[offset] == 0xFF:
        marker = data[offset + 1]
        yield Field(offset + 2, 2, "big", "length")
        if marker in (0xC0, 0xC1, 0xC2):
            yield Field(offset + 5, 2, "big", "size")
            yield Field(offset + 7, 2, "big", "size")
        if marker == 0xDA:
            return
        offset += 2 + int.from_bytes(data[offset + 2 : offset + 4], "big")


def _webp(data: bytes) -> Iterator[Field]:
    yield Field(4, 4, "little", "length")
    offset = 12
    while offset + 8 <= len(data):
        yield Field(offset + 4, 4, "little", "length")
        sizes = {b"VP8X": ((12, 3), (15, 3)), b"VP8 ": ((14, 2), (16, 2)), b"VP8L": ((9, 4),)}
        for place, size in sizes.get(data[offset : offset + 4], ()):
            yield Field(offset + place, size, "little", "size")
        length = int.from_bytes(data[offset + 4 : offset + 8], "little")
        offset += 8 + length + length % 2


def _gif(data: bytes) -> Iterator[Field]:
    yield Field(6, 2, "little", "size")
    yield Field(8, 2, "little", "size")
    offset = 13 + _colour_table_bytes(data[10])
    while offset + 10 < len(data) and data[offset] in (0x21, 0x2C):
        if data[offset] == 0x2C:
            yield Field(offset + 5, 2, "little", "size")
            yield Field(offset + 7, 2, "little", "size")
            offset += 11 + _colour_table_bytes(data[offset + 9])
        else:
            offset += 2
        while offset < len(data) and data[offset]:
            yield Field(offset, 1, "little", "length")
            offset += 1 + data[offset]
        offset += 1


def _colour_table_bytes(flags: int) -> int:
    """Return the size in bytes of the colour table, from the flags of a GIF."""
    return 3 * 2 ** (flags % 8 + 1) if flags & 0x80 else 0


def _bmp(_: bytes) -> Iterator[Field]:
    for offset in (2, 10, 14, 34, 46):
        yield Field(offset, 4, "little", "length")
    yield Field(18, 4, "little", "size")
    yield Field(22, 4, "little", "size")


def _tiff(data: bytes) -> Iterator[Field]:
    """Yield the count and the value (or its offset) of each entry of the first directory."""
    order: Literal["big", "little"] = "little" if data[:2] == b"II" else "big"
    yield Field(4, 4, order, "length")
    start = int.from_bytes(data[4:8], order)
    yield Field(start, 2, order, "length")
    for number in range(int.from_bytes(data[start : start + 2], order)):
        entry = start + 2 + 12 * number
        tag = int.from_bytes(data[entry : entry + 2], order)
        yield Field(entry + 4, 4, order, "length")
        yield Field(entry + 8, 4, order, "size" if tag in (256, 257) else "length")


def _iso_boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Field]:
    """Yield the fields of the boxes of an ISO base media file (HEIF, AVIF)."""
    end = len(data) if end is None else end
    while start + 8 <= end:
        yield Field(start, 4, "big", "length")
        kind = data[start + 4 : start + 8]
        length = int.from_bytes(data[start : start + 4], "big")
        if kind == b"ispe":
            yield Field(start + 12, 4, "big", "size")
            yield Field(start + 16, 4, "big", "size")
        if kind in _CONTAINER_BOXES:
            inside = start + (12 if kind == b"meta" else 8)  # meta also has a version and flags
            yield from _iso_boxes(data, inside, min(end, start + length))
        if length < 8:
            return
        start += length


_PARSERS: dict[str, Callable[[bytes], Iterator[Field]]] = {
    "PNG": _png,
    "JPEG": _jpeg,
    "WEBP": _webp,
    "GIF": _gif,
    "BMP": _bmp,
    "TIFF": _tiff,
    **dict.fromkeys(("AVIF", "HEIF", "HEIC"), _iso_boxes),
}
