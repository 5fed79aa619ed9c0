"""Shortcuts: properties that tell the class, and those that do not."""

from functools import partial

import numpy as np

from tests import pictures
from training.data.samples import Sample
from training.inspection.shortcuts import find_shortcuts


def photos(sides: tuple[int, int], darkness: tuple[int, int]) -> list[Sample]:
    found = []
    for number in range(60):
        label = number % 2
        random = np.random.default_rng(number)
        side, low = sides[label], darkness[label]
        grey = random.integers(low, low + 60, (40, side)).astype(np.uint8)
        data = pictures.encode(pictures.grey(grey))
        read = partial(bytes, data)
        found.append(Sample(f"{number}.png", label, f"{number:064x}", read, "c"))
    return found


def suspicious(samples: list[Sample]) -> set[str]:
    return {each.source for each in find_shortcuts(samples) if each.suspicious}


def test_shape_and_size_of_the_file_are_found() -> None:
    assert {"shape", "file size"} <= suspicious(photos((40, 60), (100, 100)))


def test_a_dark_border_is_found() -> None:
    assert "border" in suspicious(photos((40, 40), (20, 150)))


def test_photos_of_one_source_are_not_suspicious() -> None:
    samples = photos((40, 40), (100, 100))
    assert suspicious(samples) == set()
    assert [each.chance for each in find_shortcuts(samples)] == [0.5] * 3


def test_broken_photos_are_left_out() -> None:
    samples = [*photos((40, 60), (100, 100)), Sample("x", 0, "0", lambda: b"GIF89a", "c")]
    assert {"shape", "file size"} <= suspicious(samples)
