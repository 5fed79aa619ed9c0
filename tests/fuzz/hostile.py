"""Make decompression bombs: files of up to a megabyte that unpack to a gigabyte.

The PNG, TIFF, GIF and WebP bombs are valid files that contain all their pixels in compressed form.
The JPEG and BMP bombs have a header with a false, large size. The AVIF bomb has a header with a
false, small size.
"""

import io
import struct
import zlib
from collections.abc import Iterator

from PIL import Image

SIDE = 32_768  # 2**30 pixels of one byte each
_WEBP_SIDE = 16_384  # the maximum of WebP; it decodes to four bytes for each pixel
_AVIF_SIDE = 10_000  # twice the service's default limit of pixels
_BLOCK = bytes(2**20)
_GIF_CODES, _GIF_CLEAR, _GIF_END = 4096, 256, 257


def bombs() -> Iterator[tuple[str, str, bytes]]:
    """Yield each bomb's name, media type and bytes."""
    zeros = _zeros(SIDE * (SIDE + 1))
    yield "PNG, 1 GB of pixels", "image/png", png(SIDE, SIDE, zeros)
    yield "GIF, 1 GB of pixels", "image/gif", gif(SIDE)
    yield "TIFF, 1 GB of pixels", "image/tiff", tiff(SIDE, zeros)
    yield "WebP, 1 GB of pixels", "image/webp", webp(_WEBP_SIDE)
    yield "JPEG that claims 4 GP", "image/jpeg", _with_false_size("JPEG", 65_500)
    yield "BMP that claims 1 GP", "image/bmp", _with_false_size("BMP", SIDE)
    yield "AVIF of 100 MP that claims 40,000", "image/avif", avif(_AVIF_SIDE, 200)
    yield "PNG with 1 GB of text", "image/png", png(8, 8, _zeros(8 * 9), _text(zeros))


def png(width: int, height: int, compressed: bytes, extra: bytes = b"") -> bytes:
    """Make a grey PNG from compressed rows, each of which begins with a filter byte."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [_chunk(b"IHDR", header), extra, _chunk(b"IDAT", compressed), _chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def tiff(side: int, compressed: bytes) -> bytes:
    """Make a grey TIFF with one strip of deflated pixels."""
    short, long, entries = 3, 4, 9
    strip = 8 + 2 + 12 * entries + 4
    tags = (
        (256, long, side),
        (257, long, side),
        (258, short, 8),  # bits per sample
        (259, short, 8),  # deflate
        (262, short, 1),  # black is 0
        (273, long, strip),
        (277, short, 1),  # samples per pixel
        (278, long, side),  # rows per strip
        (279, long, len(compressed)),
    )
    directory = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    head = b"II*\0" + struct.pack("<IH", 8, entries)
    return head + directory + struct.pack("<I", 0) + compressed


def avif(side: int, claimed: int) -> bytes:
    """Make a grey AVIF whose container has the false side `claimed` in pixels."""
    file = io.BytesIO()
    Image.new("L", (side, side), 128).save(file, "AVIF", speed=10)
    size = b"ispe" + bytes(4)
    true, false = (size + struct.pack(">II", each, each) for each in (side, claimed))
    return file.getvalue().replace(true, false)


def gif(side: int) -> bytes:
    """Make a black GIF; the number of pixels is even.

    Each LZW code adds a run to the table that is one pixel longer. When the table is full, a clear
    code resets it and the same bits are repeated.
    """
    cycle, run = _gif_cycle(_GIF_CODES - 259)
    count, rest = divmod(side * side, run)
    bits = f"{_GIF_CLEAR:09b}"[::-1] + cycle * count
    while rest:
        codes = int((2 * rest + 0.25) ** 0.5 - 0.5)  # the longest cycle that fits
        cycle, run = _gif_cycle(codes)
        bits, rest = bits + cycle, rest - run
    bits += f"{_GIF_END:09b}"[::-1]
    data = int(bits[::-1], 2).to_bytes((len(bits) + 7) // 8, "little")
    blocks = [data[start : start + 255] for start in range(0, len(data), 255)]
    size = struct.pack("<HH", side, side)
    head = b"GIF89a" + size + b"\xf7\0\0" + bytes(3 * 256)
    picture = b"\x2c\0\0\0\0" + size + b"\0\x08"
    return head + picture + b"".join(bytes([len(b)]) + b for b in blocks) + b"\0\x3b"


def _gif_cycle(codes: int) -> tuple[str, int]:
    """Return the bits of `codes` codes and a clear code, lowest first, and their pixel count."""
    words = [0, *range(_GIF_END + 1, _GIF_END + codes)]  # each code stands for the run that it adds
    widths = [max(9, word.bit_length()) for word in words]
    words.append(_GIF_CLEAR)
    widths.append(max(9, (_GIF_END + codes).bit_length()))
    bits = "".join(f"{word:0{width}b}"[::-1] for word, width in zip(words, widths, strict=True))
    return bits, codes * (codes + 1) // 2


def webp(side: int) -> bytes:
    """Make a lossless WebP of one colour: five Huffman codes with one symbol need no pixel bits."""
    bits = (side - 1) | (side - 1) << 14  # followed by no alpha and version 0
    position = 32
    position += 3  # no transform, no colour cache, no meta codes
    for _ in range(5):
        bits |= 1 << position  # a simple code with one symbol, which has one bit and is 0
        position += 4
    data = b"\x2f" + bits.to_bytes((position + 7) // 8, "little")
    body = b"WEBPVP8L" + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _zeros(count: int) -> bytes:
    packer = zlib.compressobj(6)
    blocks, rest = divmod(count, len(_BLOCK))
    packed = [packer.compress(_BLOCK) for _ in range(blocks)]
    return b"".join([*packed, packer.compress(bytes(rest)), packer.flush()])


def _text(compressed: bytes) -> bytes:
    return _chunk(b"zTXt", b"Comment\0\0" + compressed)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _with_false_size(name: str, side: int) -> bytes:
    """Make a small JPEG or BMP file whose header has a false size."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, name)
    data = bytearray(buffer.getvalue())
    if name == "BMP":
        data[18:26] = struct.pack("<ii", side, side)
    else:
        frame = data.index(b"\xff\xc0")
        data[frame + 5 : frame + 9] = struct.pack(">HH", side, side)
    return bytes(data)
