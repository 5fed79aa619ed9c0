"""Hostile AVIF files: properties, items, places and tiles by the thousand, and false sizes."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from tests.fuzz.hostile.boxes import CODED, Coded, Item, box, coded, container, full_box
from tests.fuzz.hostile.grids import shared_tiles, transparent_tiles
from tests.fuzz.hostile.packing import MOST_BYTES


def many_properties(size: int) -> bytes:
    """A small picture with `size` bytes of empty properties, each of which takes a structure."""
    tile = coded("AVIF", 64)
    return _small(tile, properties=[*tile.properties, box(b"free") * (size // 8)])


def many_items(count: int) -> bytes:
    """A small picture among `count` items, each of which is looked up in a list of all."""
    tile = coded("AVIF", 64)
    return _small(tile, more=[Item(tile.kind, CODED, 0, 10)] * count)


def many_places(size: int) -> bytes:
    """A small picture, followed by `size` bytes of the places of items without parts."""
    count = 10_000
    one = full_box(b"iloc", struct.pack(">HH", 0, count) + struct.pack(">HHH", 1, 0, 0) * count)
    return _small(coded("AVIF", 64)) + full_box(b"meta", one * (size // len(one)))


def long_numbers() -> bytes:
    """A small picture, followed by tracks whose places all lead to one sequence header.

    The header has a number of variable length that begins with thousands of zeros.
    """
    picture = _small(coded("AVIF", 64))
    timing = bytes([0b00000100]) + bytes(7) + b"\2"  # the number is its last field
    stream = b"\x08" + timing + bytes(4_000) + b"\x80" + bytes(100)

    def tracks(start: int) -> bytes:
        places = full_box(b"stco", struct.pack(">II", 1, start)) * 28
        lengths = full_box(b"stsz", struct.pack(">III", len(stream), 1, 0)) * 28
        table = places + lengths
        for kind in (b"stbl", b"minf", b"mdia", b"trak", b"moov"):
            table = box(kind, table)
        return table

    start = len(picture) + len(tracks(0)) + 8
    return picture + tracks(start) + box(b"free", stream)


def false_size(side: int, claimed: int) -> bytes:
    """A grey picture of side x side, of which the container says that it is smaller."""
    picture = coded("AVIF", side, "L")
    return _small(picture, properties=replace(picture, side=claimed).properties)


def _small(
    tile: Coded, *, properties: Sequence[bytes] | None = None, more: Sequence[Item] = ()
) -> bytes:
    first = Item(tile.kind, CODED, 0, len(tile.data))
    return container(tile.brand, [first, *more], properties or tile.properties, tile.data)


FILES: dict[str, Callable[[], bytes]] = {
    "avif-properties": partial(many_properties, MOST_BYTES - 1_000),
    "avif-items": partial(many_items, 60_000),
    "avif-places": partial(many_places, 4_800_000),
    "avif-long-numbers": long_numbers,
    "avif-false-size": partial(false_size, 10_000, 200),
    "avif-shared-tiles": lambda: shared_tiles(coded("AVIF", 64), 125),
    "avif-transparent-tiles": lambda: transparent_tiles(
        coded("AVIF", 2_000), coded("AVIF", 2_000, "L"), 4
    ),
}
