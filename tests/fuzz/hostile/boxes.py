"""Files of boxes (ISO/IEC 14496-12) with items (23008-12), which AVIF and HEIC are."""

import io
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import pillow_heif
from PIL import Image

pillow_heif.register_heif_opener()

ESSENTIAL = 0x80  # added to a property's number: a decoder has to know it
_BRANDS = {"AVIF": (b"avif", b"av01", b"av1C"), "HEIF": (b"heic", b"hvc1", b"hvcC")}


@dataclass(frozen=True)
class Item:
    """An item: its type, its properties' numbers from 1 on, and its place in the file's data."""

    kind: bytes
    properties: Sequence[int]
    start: int
    length: int


@dataclass(frozen=True)
class Coded:
    """A square picture of one colour, as the encoder of Pillow's format `name` wrote it."""

    name: str
    side: int
    data: bytes
    configuration: bytes  # the property that the decoder needs

    @property
    def brand(self) -> bytes:
        """The brand of a file with it."""
        return _BRANDS[self.name][0]

    @property
    def kind(self) -> bytes:
        """The type of its item."""
        return _BRANDS[self.name][1]

    @property
    def properties(self) -> list[bytes]:
        """Its size, depth and configuration: what `CODED` numbers."""
        return [size_property(self.side, self.side), PIXELS, self.configuration]


def box(kind: bytes, body: bytes = b"") -> bytes:
    """A box."""
    return struct.pack(">I", 8 + len(body)) + kind + body


def full_box(kind: bytes, body: bytes, version: int = 0) -> bytes:
    """A box with a version, and flags of 0."""
    return box(kind, bytes([version, 0, 0, 0]) + body)


def reference(kind: bytes, source: int, targets: Sequence[int]) -> bytes:
    """A reference between items, by their numbers."""
    return box(kind, struct.pack(f">HH{len(targets)}H", source, len(targets), *targets))


def size_property(width: int, height: int) -> bytes:
    """The size that the container declares."""
    return full_box(b"ispe", struct.pack(">II", width, height))


PIXELS = full_box(b"pixi", b"\3\x08\x08\x08")
CODED = (1, 2, ESSENTIAL | 3)
"""The numbers of a coded picture's own properties, where they are the file's first ones."""


@cache
def coded(name: str, side: int, mode: str = "RGB") -> Coded:
    """Encode a square picture of one colour with Pillow's plugin `name`."""
    file = io.BytesIO()
    picture = Image.new("RGB", (side, side), (128, 128, 128)).convert(mode)
    picture.save(file, name, **({"speed": 10} if name == "AVIF" else {}))
    outer = dict(_boxes(file.getvalue()))
    inner = dict(_boxes(dict(_boxes(outer[b"meta"][4:]))[b"iprp"]))
    kind = _BRANDS[name][2]
    return Coded(name, side, outer[b"mdat"], box(kind, dict(_boxes(inner[b"ipco"]))[kind]))


def container(
    brand: bytes,
    items: Sequence[Item],
    properties: Sequence[bytes],
    data: bytes,
    references: Sequence[bytes] = (),
) -> bytes:
    """A file whose first item is the picture; items are numbered from 1 on."""
    head = box(b"ftyp", brand + bytes(4) + brand + b"mif1miaf")
    kinds = [
        full_box(b"infe", struct.pack(">HH4sB", number, 0, item.kind, 0), 2)
        for number, item in enumerate(items, 1)
    ]
    owners = [
        struct.pack(">HB", number, len(item.properties)) + bytes(item.properties)
        for number, item in enumerate(items, 1)
    ]
    association = full_box(b"ipma", struct.pack(">I", len(items)) + b"".join(owners))

    def metadata(place: int) -> bytes:
        places = [
            struct.pack(">HHHII", number, 0, 1, place + item.start, item.length)
            for number, item in enumerate(items, 1)
        ]
        parts = [
            full_box(b"hdlr", bytes(4) + b"pict" + bytes(13)),
            full_box(b"pitm", struct.pack(">H", 1)),
            full_box(b"iloc", struct.pack(">HH", 0x4400, len(items)) + b"".join(places)),
            full_box(b"iinf", struct.pack(">H", len(items)) + b"".join(kinds)),
            box(b"iprp", box(b"ipco", b"".join(properties)) + association),
            full_box(b"iref", b"".join(references)) if references else b"",
        ]
        return full_box(b"meta", b"".join(parts))

    place = len(head) + len(metadata(0)) + 8
    return head + metadata(place) + box(b"mdat", data)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 8], data[at + 8 : at + size]
        at += size
