"""Files that the header refuses: a gigabyte of pixels, or the claim of it."""

from collections.abc import Callable
from functools import partial

from tests.fuzz.hostile.bmp import RLE8, bmp
from tests.fuzz.hostile.gif import gif
from tests.fuzz.hostile.jpeg import largest_frame
from tests.fuzz.hostile.packing import deflated_zeros
from tests.fuzz.hostile.png import png, text
from tests.fuzz.hostile.tiff import DEFLATE, one_strip
from tests.fuzz.hostile.webp import still

SIDE = 32_768  # 2**30 pixels

FILES: dict[str, Callable[[], bytes]] = {
    "png-gigabyte": partial(png, SIDE, SIDE),
    "png-text": partial(text, SIDE * SIDE),
    "gif-gigabyte": partial(gif, SIDE),
    "tiff-gigabyte": lambda: one_strip(DEFLATE, deflated_zeros(SIDE * SIDE), SIDE, SIDE),
    "webp-gigabyte": partial(still, 16_384),  # the maximum; four bytes for each pixel
    "jpeg-claim": partial(largest_frame, 65_500),
    "bmp-claim": lambda: bmp(SIDE, SIDE, RLE8, bytes(100)),
}
