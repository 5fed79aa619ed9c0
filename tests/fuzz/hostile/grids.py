"""Pictures of many tiles, which AVIF and HEIC have in common."""

import struct

from tests.fuzz.hostile.boxes import (
    ESSENTIAL,
    PIXELS,
    Coded,
    Item,
    container,
    full_box,
    reference,
    size_property,
)

_ALPHA = full_box(b"auxC", b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0")


def shared_tiles(tile: Coded, across: int) -> bytes:
    """A picture of across x across tiles, each of which is the same bytes of the file."""
    plan = _plan(tile, across)
    tiles = [Item(tile.kind, (2, 3, ESSENTIAL | 4), len(plan), len(tile.data))] * across**2
    items = [Item(b"grid", (1, 3), 0, len(plan)), *tiles]
    references = [reference(b"dimg", 1, range(2, len(items) + 1))]
    return container(tile.brand, items, _properties(tile, across), plan + tile.data, references)


def transparent_tiles(tile: Coded, clear: Coded, across: int) -> bytes:
    """A picture of tiles, and its transparency in as many; each tile has bytes of its own."""
    plan, count = _plan(tile, across), across**2
    items = [Item(b"grid", (1, 3), 0, len(plan))]
    at = len(plan)
    items += [
        Item(tile.kind, (2, 3, ESSENTIAL | 4), at + number * len(tile.data), len(tile.data))
        for number in range(count)
    ]
    at += count * len(tile.data)
    items.append(Item(b"grid", (1, 5, 6), 0, len(plan)))
    items += [
        Item(clear.kind, (2, 5, 6, ESSENTIAL | 7), at + number * len(clear.data), len(clear.data))
        for number in range(count)
    ]
    properties = _properties(tile, across)
    properties += [_ALPHA, full_box(b"pixi", b"\1\x08"), clear.configuration]
    alpha = count + 2
    references = [
        reference(b"dimg", 1, range(2, alpha)),
        reference(b"dimg", alpha, range(alpha + 1, len(items) + 1)),
        reference(b"auxl", alpha, [1]),
    ]
    data = plan + tile.data * count + clear.data * count
    return container(tile.brand, items, properties, data, references)


def _plan(tile: Coded, across: int) -> bytes:
    side = across * tile.side
    return struct.pack(">BBBBHH", 0, 0, across - 1, across - 1, side, side)


def _properties(tile: Coded, across: int) -> list[bytes]:
    side = across * tile.side
    own = [size_property(tile.side, tile.side), PIXELS, tile.configuration]
    return [size_property(side, side), *own]
