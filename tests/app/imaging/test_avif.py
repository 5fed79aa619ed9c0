"""The sizes in an AVIF's frames, against what its container claims."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from app.imaging import decode, errors
from app.imaging.avif import frame_sizes
from tests import pictures

WIDTH, HEIGHT = 457, 123


def photo(mode: str = "RGB") -> Image.Image:
    image = pictures.noise(0, WIDTH, HEIGHT)
    if mode == "RGBA":
        image.putalpha(image.convert("L"))
    return image.convert(mode)


def avif(image: Image.Image, **options: object) -> bytes:
    return pictures.encode(image, "AVIF", speed=10, **options)


def said_to_be(data: bytes, width: int, height: int) -> bytes:
    """The same frames in a container that gives them another size."""
    true, false = (struct.pack(">II", *size) for size in ((WIDTH, HEIGHT), (width, height)))
    return data.replace(b"ispe" + bytes(4) + true, b"ispe" + bytes(4) + false)


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_photo_is_one_frame(mode: str) -> None:
    assert frame_sizes(avif(photo(mode))) == [(WIDTH, HEIGHT)]


def test_transparency_is_a_frame_of_its_own() -> None:
    assert frame_sizes(avif(photo("RGBA"))) == [(WIDTH, HEIGHT)] * 2


def test_of_an_animation_the_photo_and_the_first_frame_of_its_track() -> None:
    data = avif(photo(), save_all=True, append_images=[photo(), photo()])
    assert frame_sizes(data) == [(WIDTH, HEIGHT)] * 2


def test_what_the_container_says_does_not_count() -> None:
    forged = said_to_be(avif(photo()), 20, 10)
    assert Image.open(io.BytesIO(forged)).size == (20, 10)
    assert frame_sizes(forged) == [(WIDTH, HEIGHT)]


def test_a_photo_that_says_it_is_small_is_refused() -> None:
    forged = said_to_be(avif(photo()), 20, 10)
    assert decode.decode(forged, 8, 8, 3, WIDTH * HEIGHT).shape == (8, 8, 3)
    with pytest.raises(errors.TooManyPixels, match=f"{WIDTH} x {HEIGHT}"):
        decode.decode(forged, 8, 8, 3, WIDTH * HEIGHT - 1)


def test_more_pictures_than_any_photo_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "frame_sizes", lambda _: [(WIDTH, HEIGHT)] * 4)
    with pytest.raises(errors.TooManyPixels):
        decode.decode(avif(photo()), 8, 8, 3, WIDTH * HEIGHT)


@pytest.mark.parametrize("options", [{}, {"save_all": True, "append_images": [photo()]}])
def test_damage_is_a_value_error(options: dict[str, object]) -> None:
    whole = avif(photo(), **options)
    random = np.random.default_rng(0)
    header = whole.index(b"mdat")
    refused = read = 0
    for _ in range(2_000):
        data = bytearray(whole)
        for place in random.integers(0, header + 40, random.integers(1, 40)):
            data[place] = random.integers(256)
        try:
            sizes = frame_sizes(bytes(data[: random.integers(header, len(data))]))
        except ValueError:
            refused += 1
            continue
        read += bool(sizes)
        assert all(side > 0 for size in sizes for side in size)
    assert min(refused, read) > 100, "the damage must meet what is read"


def test_items_that_overlap_many_times_are_refused() -> None:
    item = struct.pack(">HHHHII", 1, 0, 0, 1, 0, 0)  # one extent: the whole file
    iloc = box(b"iloc", struct.pack(">IBBH", 1 << 24, 0x44, 0, 50) + 50 * item)
    with pytest.raises(ValueError, match="overlap"):
        frame_sizes(box(b"meta", bytes(4) + iloc))


def test_a_crowd_of_boxes_is_refused() -> None:
    with pytest.raises(ValueError, match="more than"):
        frame_sizes(box(b"free", b"") * 20_000)


def sequence_header(*fields: tuple[int, int]) -> bytes:
    """An open bitstream unit of (value, bits) fields, with its length."""
    bits = "".join(f"{value:0{count}b}" for value, count in fields)
    body = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    return bytes([0x0A, len(body)]) + body


# Profile, still, reduced; timing: ticks, equal intervals with a variable-length 2 (011).
# Decoder model: 5 bits for a delay. Display delays; two operating points, of which the first
# has a tier, a decoder model and a display delay. Then the size: 12 and 11 bits.
LONG = sequence_header(
    (0, 3), (0, 1), (0, 1), (1, 1), (1, 32), (30, 32), (1, 1), (0b011, 3),
    (1, 1), (4, 5), (1, 32), (9, 5), (9, 5), (1, 1), (1, 5),
    (0, 12), (8, 5), (1, 1), (1, 1), (3, 5), (3, 5), (0, 1), (1, 1), (9, 4),
    (0, 12), (7, 5), (0, 1), (0, 1),
    (11, 4), (10, 4), (4000 - 1, 12), (2000 - 1, 11), (0, 3),
)  # fmt: skip


def test_the_longest_kind_of_header_in_pieces_inside_the_items_box() -> None:
    # Version 2, offsets, lengths and base of 4 bytes; construction method 1: in `idat`.
    pieces = struct.pack(">IIII", 0, 5, 5, len(LONG) - 5)
    item = struct.pack(">IHHIH", 1, 1, 0, 2, 2) + pieces
    iloc = box(b"iloc", struct.pack(">IBBI", 2 << 24, 0x44, 0x40, 1) + item)
    data = box(b"meta", bytes(4) + iloc + box(b"idat", b"\0\0" + LONG))
    assert frame_sizes(data) == [(4000, 2000)]


@pytest.mark.parametrize("kind", [b"stco", b"co64"])
def test_the_first_frame_of_a_track(kind: bytes) -> None:
    def track(start: int) -> bytes:
        place = struct.pack(">IIQ" if kind == b"co64" else ">III", 0, 1, start)
        inner = box(b"stsz", struct.pack(">IIII", 0, 0, 1, len(LONG))) + box(kind, place)
        for name in (b"stbl", b"minf", b"mdia", b"trak", b"moov"):
            inner = box(name, inner)
        return inner

    start = len(track(0)) + 8
    assert frame_sizes(track(start) + box(b"mdat", LONG)) == [(4000, 2000)]


def test_a_header_that_is_cut_off_is_a_value_error() -> None:
    item = struct.pack(">HHHHII", 1, 1, 0, 1, 0, 6)  # in `idat`
    iloc = box(b"iloc", struct.pack(">IBBH", 1 << 24, 0x44, 0, 1) + item)
    data = box(b"meta", bytes(4) + iloc + box(b"idat", bytes([0x0A, 4]) + LONG[2:6]))
    with pytest.raises(ValueError, match="cut off"):
        frame_sizes(data)
