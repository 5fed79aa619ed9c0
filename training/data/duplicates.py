"""Photos of the training set that are, or look like, photos to validate or test on.

Such a photo would be counted as understood where it was only remembered.
"""

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image

from app.imaging import decode, errors
from training.atomic import write_text
from training.cli import progress
from training.data.samples import Dataset, Sample, fingerprint_of

# Of 64 bits. Among 13,000 photos of cats and dogs against 3,000, looked at by eye: the pairs at 0
# are the same picture, the nearest others are at 8 and 10 and show different animals.
NEAR = 4
_SIDE = 64  # pixels that the hash is taken from; it looks at 32 itself
_CHUNK = 1024  # rows compared at a time


@dataclass(frozen=True)
class Duplicate:
    """A training photo, the held-out photo that it repeats, and how many bits differ.

    `distance` is -1 where the files are the same to the byte, else that of their 64-bit
    perceptual hashes.
    """

    train: Sample
    held_out: Sample
    distance: int


def find_duplicates(dataset: Dataset, cache: Path) -> list[Duplicate]:
    """The training photos that validation or test has too, each with its nearest there.

    Source of the hash: C. Zauner, Implementation and benchmarking of perceptual image hash
    functions (2010); the library is ImageHash.
    """
    held_out = [*dataset.validation, *dataset.test]
    ours = photo_hashes(dataset.train, "train", cache)
    theirs = photo_hashes(held_out, "held out", cache)
    nearest, distances = _nearest(ours, theirs)
    same = {sample.sha256: sample for sample in held_out}
    found = []
    for sample, index, distance in zip(dataset.train, nearest, distances, strict=True):
        if sample.sha256 in same:
            found.append(Duplicate(sample, same[sample.sha256], -1))
        elif distance <= NEAR:
            found.append(Duplicate(sample, held_out[index], int(distance)))
    return found


def photo_hashes(samples: Sequence[Sample], subset: str, cache: Path) -> list[int | None]:
    """The perceptual hash of each photo as 64 bits; None where it cannot be decoded.

    Kept in `cache`, under the fingerprint of the photos and their order.
    """
    ordered = fingerprint_of((f"{place:09}", s.sha256) for place, s in enumerate(samples))
    path = cache / f"hashes-{ordered[:16]}.json"
    if path.is_file():
        known: list[int | None] = json.loads(path.read_text(encoding="utf-8"))
        return known
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = pool.map(_hash, samples)
        hashes = list(progress(jobs, f"comparing {subset}", "photo", total=len(samples)))
    cache.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(hashes))
    return hashes


def _hash(sample: Sample) -> int | None:
    try:
        pixels = decode.decode(sample.read(), _SIDE, _SIDE, 3)
    except errors.PhotoError:
        return None
    if pixels.min() == pixels.max():
        return None  # without any structure all photos are alike
    return int(str(imagehash.phash(Image.fromarray(pixels))), 16)


def _nearest(
    ours: Sequence[int | None], theirs: Sequence[int | None]
) -> tuple[np.ndarray, np.ndarray]:
    """For each of `ours`: the index of the nearest of `theirs`, and their distance in bits."""
    others = np.array([value or 0 for value in theirs], np.uint64)
    missing = np.array([value is None for value in theirs])
    nearest = np.zeros(len(ours), np.int64)
    distances = np.full(len(ours), 65, np.int64)
    for start in range(0, len(ours), _CHUNK):
        rows = ours[start : start + _CHUNK]
        values = np.array([value or 0 for value in rows], np.uint64)
        bits = np.bitwise_count(values[:, np.newaxis] ^ others).astype(np.int64)
        bits[:, missing] = 65
        bits[[value is None for value in rows]] = 65
        nearest[start : start + _CHUNK] = bits.argmin(axis=1)
        distances[start : start + _CHUNK] = bits.min(axis=1)
    return nearest, distances
