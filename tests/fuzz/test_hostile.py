import io
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from tests.fuzz.hostile import gif, png, tiff, webp

MAKERS: dict[str, Callable[[int], bytes]] = {
    "PNG": lambda side: png(side, side, zlib.compress(bytes(side * (side + 1)))),
    "GIF": gif,
    "TIFF": lambda side: tiff(side, zlib.compress(bytes(side * side))),
    "WEBP": webp,
}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("side", [8, 64, 3000])  # 3000: a GIF's table is full, and cleared
def test_bombs_are_valid_files(name: str, side: int) -> None:
    data = MAKERS[name](side)
    with Image.open(io.BytesIO(data), formats=[name]) as image:
        pixels = np.asarray(image)
    assert pixels.shape[:2] == (side, side)
    assert not pixels.any()
    assert len(data) < 1000 + side * side / 500
