"""Find training photos that also are in the validation or test set.

Such duplicates would make the measured accuracy too high, as the network has seen their answers.
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

from app.cli import progress
from app.imaging import decode, errors
from training.atomic import write_text
from training.data.samples import Dataset, Sample, fingerprint_of

# Photos whose 64-bit hashes differ in at most this many bits count as the same picture.
MAX_DISTANCE = 4
_SIDE = 64  # side in pixels of the decoded photo; the hash itself shrinks it to 32
_CHUNK = 1024  # rows of the distance matrix that are in memory at a time


@dataclass(frozen=True)
class Duplicate:
    """A training photo and the held-out photo that it duplicates.

    `distance` is the number of different bits of the two 64-bit perceptual hashes, or -1 if the
    files are identical.
    """

    train: Sample
    held_out: Sample
    distance: int


def find_duplicates(dataset: Dataset, cache: Path) -> list[Duplicate]:
    """Find the training photos that validation or test contains too, each with its duplicate.

    The perceptual hash is that of ImageHash. Source: C. Zauner, Implementation and benchmarking of
    perceptual image hash functions (2010). The hashes are kept in the folder `cache`.
    """
    held_out = [*dataset.validation, *dataset.calibration, *dataset.test]
    if not held_out:
        return []
    train_hashes = photo_hashes(dataset.train, "train", cache)
    held_out_hashes = photo_hashes(held_out, "held out", cache)
    nearest, distances = _nearest(train_hashes, held_out_hashes)
    same = {sample.sha256: sample for sample in held_out}
    found = []
    for sample, index, distance in zip(dataset.train, nearest, distances, strict=True):
        if sample.sha256 in same:
            found.append(Duplicate(sample, same[sample.sha256], -1))
        elif distance <= MAX_DISTANCE:
            found.append(Duplicate(sample, held_out[index], int(distance)))
    return found


def photo_hashes(samples: Sequence[Sample], subset: str, cache: Path) -> list[int | None]:
    """Return the 64-bit perceptual hash of each photo, from the cache if possible.

    The hash is None for a photo that cannot be decoded or has only one colour. The name of the
    cache file depends on the photos and their order.
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
        return None  # all photos without structure have the same hash
    return int(str(imagehash.phash(Image.fromarray(pixels))), 16)


def _nearest(
    train_hashes: Sequence[int | None], held_out_hashes: Sequence[int | None]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the index of the nearest held-out photo of each training photo, and the distance.

    Both are int64 (training photos,). The distance is in bits, and 65 if a hash is missing.
    """
    others = np.array([value or 0 for value in held_out_hashes], np.uint64)
    missing = np.array([value is None for value in held_out_hashes])
    nearest = np.zeros(len(train_hashes), np.int64)
    distances = np.full(len(train_hashes), 65, np.int64)
    for start in range(0, len(train_hashes), _CHUNK):
        rows = train_hashes[start : start + _CHUNK]
        values = np.array([value or 0 for value in rows], np.uint64)
        bits = np.bitwise_count(values[:, np.newaxis] ^ others).astype(np.int64)
        bits[:, missing] = 65
        bits[[value is None for value in rows]] = 65
        nearest[start : start + _CHUNK] = bits.argmin(axis=1)
        distances[start : start + _CHUNK] = bits.min(axis=1)
    return nearest, distances
