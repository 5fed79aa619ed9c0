"""Pictures that the tests make themselves, and their files in many formats."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image, ImageDraw

pillow_heif.register_heif_opener()


def gradient(width: int = 64, height: int = 48) -> Image.Image:
    """An RGB picture with four clearly different corners."""
    rows, columns = np.indices((height, width))
    red = 255 * columns // (width - 1)
    green = 255 * rows // (height - 1)
    return Image.fromarray(np.stack([red, green, 128 + 0 * red], axis=-1).astype(np.uint8))


def noise(seed: int, width: int = 64, height: int = 64) -> Image.Image:
    """Coloured noise, another for each seed."""
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(values)


def drawn(seed: int) -> Image.Image:
    """A picture that no camera took: a plain colour, shapes, text or a window."""
    random = np.random.default_rng((seed, 3))

    def colour() -> tuple[int, ...]:
        return tuple(int(value) for value in random.integers(0, 256, 3))

    image = Image.new("RGB", (200 + 7 * seed, 260), colour() if seed % 4 else "white")
    draw, width = ImageDraw.Draw(image), image.width
    if seed % 4 == 1:  # shapes
        for _ in range(random.integers(3, 20)):
            (left, right), (top, low) = (
                sorted(random.integers(0, side, 2).tolist()) for side in (width, 260)
            )
            shape = random.choice(["rectangle", "ellipse", "line"])
            getattr(draw, shape)((left, top, right, low), fill=colour())
    elif seed % 4 == 2:  # a window with a bar, a picture's frame and lines of text
        draw.rectangle((0, 0, width, 24), fill=colour())
        draw.rectangle((20, 40, width - 40, 120), fill=colour(), outline="black")
    if seed % 4 in (0, 2):
        for row in range(8):
            letters = "".join(map(chr, random.integers(97, 123, 40)))
            draw.text((12, 132 + 15 * row), letters, fill="black")
    return image


def encode(image: Image.Image, name: str = "PNG", **options: Any) -> bytes:
    """The bytes of the picture's file in any of Pillow's formats, or HEIC."""
    buffer = io.BytesIO()
    image.save(buffer, "HEIF" if name == "HEIC" else name, **options)
    return buffer.getvalue()


def with_orientation(image: Image.Image, orientation: int, name: str = "JPEG") -> bytes:
    """A file whose EXIF block says how to turn the picture."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    # As bytes: from them pillow-heif makes the boxes that turn a HEIC, where EXIF does not.
    return encode(image, name, exif=exif.tobytes(), quality=95)


def png_claiming(width: int, height: int) -> bytes:
    """A small PNG file whose header claims a huge size: a decompression bomb's first bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        checksum = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def claiming(name: str, side: int) -> bytes:
    """A small file of any format but JPEG whose header claims a square of `side` pixels."""
    if name == "PNG":
        return png_claiming(side, side)
    data = bytearray(encode(Image.new("RGB", (64, 64), "red"), name))
    if name in ("AVIF", "HEIC"):
        at = data.index(b"ispe") + 8
        data[at : at + 8] = struct.pack(">II", side, side)
    elif name == "TIFF":
        for tag in (256, 257):
            at = data.index(struct.pack("<HHI", tag, 4, 1)) + 8
            data[at : at + 4] = struct.pack("<I", side)
    elif name == "BMP":
        data[18:26] = struct.pack("<ii", side, side)
    else:
        at = {"GIF": 6, "WEBP": 26}[name]
        data[at : at + 4] = struct.pack("<HH", side, side)
    return bytes(data)


def grey(values: np.ndarray) -> Image.Image:
    """uint8 (height, width) as a grey picture."""
    return Image.fromarray(values)
