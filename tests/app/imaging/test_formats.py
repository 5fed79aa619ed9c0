"""Which format the first bytes of a file claim."""

import struct

import pytest

from app.imaging.formats import FORMATS, format_of
from tests import pictures


def heif(major: bytes, *compatible: bytes, claimed: int | None = None, rest: bytes = b"") -> bytes:
    """The first box of a HEIF or AVIF file, and `rest`. The length may be `claimed` wrongly."""
    box = b"ftyp" + major + bytes(4) + b"".join(compatible)
    return struct.pack(">I", len(box) + 4 if claimed is None else claimed) + box + rest


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_is_known_by_its_first_256_bytes(name: str) -> None:
    assert format_of(pictures.encode(pictures.noise(1), name)[:256]) == name


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (heif(b"avif"), "AVIF"),
        (heif(b"heis"), "HEIC"),
        (heif(b"avis", b"heic"), "AVIF"),  # the major brand before the others
        (heif(b"mif1", b"miaf", b"hevm", b"avif"), "HEIC"),  # the first known brand
        (heif(b"mif1", b"miaf", b"miaf"), None),
        (heif(b"mif1", rest=b"avif"), None),  # this is in the next box
        (heif(b"mif1", b"miaf", rest=b"heicheicheicheic"), None),
        (heif(b"mif1", b"miaf", b"heic", claimed=0), None),
        (heif(b"heic", claimed=0), "HEIC"),
        (heif(b"avif", claimed=0x01000010), "AVIF"),
        (heif(b"mif1", *[b"miaf"] * 59, b"heic"), "HEIC"),  # the last of 256 bytes
        (heif(b"mif1", *[b"miaf"] * 60, b"heic"), None),
        (heif(b"heif"), None),
        (b"\0\0\0\x10ftyq" + b"avif" + bytes(4), None),
        (b"", None),
    ],
)
def test_the_brand_of_a_heif_decides(data: bytes, name: str | None) -> None:
    assert format_of(data) == name
