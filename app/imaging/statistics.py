"""Cheap statistics of a photo, by which the photos of one time can be compared with others."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Statistics:
    """Statistics of one photo.

    Attributes:
        brightness: the mean of the network's input pixels, 0..255.
        sharpness: the mean absolute difference of neighbouring input pixels, 0..255.
        megapixels: millions of pixels of the photo as it was uploaded.
    """

    brightness: float
    sharpness: float
    megapixels: float


def statistics(pixels: np.ndarray, whole: int) -> Statistics:
    """The statistics of a decoded photo.

    Args:
        pixels: the network's input, uint8 (height, width, channels). The sharpness is that of the
            middle channel: green, which is close to the luminance, or grey.
        whole: width times height of the uploaded photo.
    """
    middle = np.ascontiguousarray(pixels[..., pixels.shape[-1] // 2])
    differences = _distance(middle[1:], middle[:-1]), _distance(middle[:, 1:], middle[:, :-1])
    count = sum(each.size for each in differences) or 1  # a single pixel has no neighbours
    return Statistics(
        brightness=_total(pixels) / pixels.size,
        sharpness=sum(map(_total, differences)) / count,
        megapixels=whole / 1e6,
    )


def _distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """|first - second| of uint8 arrays as uint8, without wider numbers in between."""
    return np.asarray(np.maximum(first, second) - np.minimum(first, second))


def _total(values: np.ndarray) -> int:
    """The sum of uint8 values; uint32 is faster than NumPy's default, and holds 16 million."""
    return int(values.sum(dtype=np.uint32))
