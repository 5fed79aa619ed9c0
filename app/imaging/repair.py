"""Files that every viewer opens and Pillow refuses, because of damage outside of the picture."""

import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

JPEG_END = b"\xff\xd9"

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# The ancillary chunks that decide the picture; the others are metadata, or an animation's frames.
_PNG_USED = {b"tRNS", b"eXIf"}
_PNG_ANCILLARY = 0x20  # this bit of the first letter marks chunks that a decoder may skip
_JPEG_GREY = (127, 128)  # of the blocks for which a JPEG has no data; 127 where it is inverted


def png_without_metadata(data: bytes) -> bytes:
    """A PNG without its metadata, and without chunks that may be skipped and are damaged."""
    return b"".join(_needed_parts(memoryview(data)))


def is_complete(image: Image.Image) -> bool:
    """Whether a JPEG that was decoded with an end marker added lacked nothing else.

    The decoder fills missing rows with grey. Missing scans of a progressive file cannot be told
    from a smooth picture, so such a file never counts as complete.
    """
    last = (image.width - 1, image.height - 1, image.width, image.height)
    grey = np.isin(np.asarray(image.crop(last)), _JPEG_GREY).all()
    return not grey and "progressive" not in image.info


def _needed_parts(data: memoryview) -> Iterator[memoryview]:
    start = len(_PNG_SIGNATURE)
    yield data[:start]
    while len(data) - start >= 12:
        end = start + 12 + int.from_bytes(data[start : start + 4], "big")
        kind, chunk = bytes(data[start + 4 : start + 8]), data[start:end]
        ancillary = kind[0] & _PNG_ANCILLARY
        if not ancillary or (kind in _PNG_USED and _is_sound(chunk)):
            yield chunk
        start = end
    yield data[start:]


def _is_sound(chunk: memoryview) -> bool:
    return zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")
