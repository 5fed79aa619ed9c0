"""Hostile HEIC files: metadata that is copied many times, and large grids."""

from collections.abc import Callable
from functools import partial

from tests.fuzz.hostile.boxes import CODED, Item, coded, container, reference
from tests.fuzz.hostile.grids import transparent_tiles


def shared_metadata(blocks: int, images: int, size: int) -> bytes:
    """`images` small pictures, each of which has `blocks` blocks of the same `size` EXIF bytes.

    The plugin copies each block for each picture. libheif accepts 1,000 items.
    """
    tile = coded("HEIF", 64)
    items = [Item(tile.kind, CODED, 0, len(tile.data))] * images
    items += [Item(b"Exif", (), len(tile.data), size)] * blocks
    pictures = range(1, images + 1)
    references = [reference(b"cdsc", images + 1 + number, pictures) for number in range(blocks)]
    return container(tile.brand, items, tile.properties, tile.data + bytes(size), references)


FILES: dict[str, Callable[[], bytes]] = {
    "heic-metadata": partial(shared_metadata, 900, 1, 2**21),
    "heic-metadata-images": partial(shared_metadata, 100, 800, 2**20),
    "heic-transparent-tiles": lambda: transparent_tiles(
        coded("HEIF", 1_000), coded("HEIF", 1_000, "L"), 8
    ),
}
