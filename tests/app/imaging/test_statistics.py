"""Brightness, sharpness and size of a photo, against values worked out by hand."""

import numpy as np
import pytest

from app.imaging.decode import decode_photo
from app.imaging.statistics import Statistics, statistics
from tests import pictures


def test_the_statistics_are_those_worked_out_by_hand() -> None:
    green = np.array([[250, 10, 30], [255, 0, 35]])
    pixels = np.stack([green * 0 + 7, green, green * 0 + 100], axis=-1).astype(np.uint8)
    found = statistics(pixels, 12_500_000)
    assert found.brightness == pytest.approx((6 * 107 + 580) / 18)
    across, down = 240 + 20 + 255 + 35, 5 + 10 + 5
    assert found.sharpness == pytest.approx((across + down) / 7)
    assert found.megapixels == 12.5


def test_grey_pixels_have_statistics_too() -> None:
    grey = np.array([[[9], [4], [4]]], np.uint8)
    assert statistics(grey, 3) == Statistics(17 / 3, 2.5, 3e-6)


def test_a_single_pixel_has_no_sharpness() -> None:
    assert statistics(np.full((1, 1, 3), 200, np.uint8), 1) == Statistics(200, 0, 1e-6)


def test_white_does_not_overflow() -> None:
    white = np.full((600, 800, 3), 255, np.uint8)
    white[::2] = 0
    found = statistics(white, 1)
    assert (found.brightness, found.sharpness) == (127.5, 255 * 599 * 800 / (599 * 800 + 600 * 799))


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "HEIC"])
def test_the_size_is_that_of_the_whole_photo(name: str) -> None:
    """Also if it is decoded at a reduced scale, and turned."""
    data = pictures.with_orientation(pictures.gradient(640, 400), 6, name)
    photo = decode_photo(data, 20, 30, 3)
    assert photo.whole == 640 * 400
    assert photo.pixels.shape == (20, 30, 3)
