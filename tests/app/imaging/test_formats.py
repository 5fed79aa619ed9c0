"""Which format the first bytes of a file claim."""

import struct

import pytest
from PIL import Image

from app.imaging.formats import FORMATS, format_of, webp_size
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


@pytest.mark.parametrize("size", [(1, 1), (64, 48), (1, 16_383), (16_383, 1)])
@pytest.mark.parametrize(
    "options",
    [{}, {"lossless": True}, {"exif": b"Exif\0\0"}, {"save_all": True}],
    ids=["VP8", "VP8L", "VP8X", "animation"],
)
def test_the_size_of_a_webp_is_in_its_header(
    size: tuple[int, int], options: dict[str, object]
) -> None:
    picture = Image.new("RGB", size, "red")
    if "save_all" in options:
        options = options | {"append_images": [Image.new("RGB", size, "blue")]}
    data = pictures.encode(picture, "WEBP", method=0, **options)
    assert webp_size(data) == size
    assert webp_size(data[:30]) == size


def test_a_damaged_header_of_a_webp_has_some_size() -> None:
    data = pictures.encode(pictures.noise(1), "WEBP")
    for end in range(31):
        assert all(side >= 0 for side in webp_size(data[:end]))
    assert webp_size(data[:12] + b"VP8?" + data[16:]) == (0, 0)
