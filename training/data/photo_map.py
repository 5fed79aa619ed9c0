"""Apply a function to many photos: on this machine's cores, or elsewhere (`deploy/ray`)."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from training.data.samples import Sample

_AHEAD = 256  # photos, so that results do not pile up in memory

# A photo -> an array, or why the photo cannot be decoded.
PhotoFunction = Callable[[Sample], np.ndarray | str]


# Yields (index of the photo, result) in any order; the function must be picklable.
PhotoMap = Callable[[PhotoFunction, Sequence[Sample]], Iterator[tuple[int, np.ndarray | str]]]


def map_on_threads(
    function: PhotoFunction, samples: Sequence[Sample]
) -> Iterator[tuple[int, np.ndarray | str]]:
    """Apply the function on all cores of this machine, in the order of the photos."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for start in range(0, len(samples), _AHEAD):
            part = samples[start : start + _AHEAD]
            yield from enumerate(threads.map(function, part), start)
