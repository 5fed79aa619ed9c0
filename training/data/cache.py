"""A cache of decoded photos on disk, with one memory-mapped array for each subset.

    data/.cache/<subset>-<fingerprint>-<height>x<width>x<channels>/
        pixels.npy       uint8 (photos, height, width, channels)
        labels.npy       int64 (photos,)
        unreadable.json  the photos that were left out, class/name -> reason

The fingerprint of a subset depends on the checksums and labels of its photos: a changed photo leads
to a new entry, and trainings on the same photos share one. Entries never change. They can be
deleted at any time.
"""

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from app.cli import CommandError, progress, shortened
from app.imaging import decode, errors
from app.model.card import Input
from training.atomic import atomic_folder, write_text
from training.data.photo_map import PhotoMap, map_on_threads
from training.data.samples import SUBSETS, Dataset, Sample, fingerprint_of, reason_left_out

DECODER = 2  # increase it when app.imaging.decode.decode returns other pixels for the same file


@dataclass(frozen=True)
class DecodedSubset:
    """The decoded photos of a subset.

    Attributes:
        pixels: uint8 (photos, height, width, channels), memory-mapped, read-only.
        labels: int64 (photos,).
        unreadable: the photos that could not be decoded and were left out, class/name -> reason.
    """

    pixels: np.ndarray
    labels: np.ndarray
    unreadable: dict[str, str]


def decode_samples(
    samples: Sequence[Sample],
    shape: Input,
    subset: str,
    cache: Path,
    map_photos: PhotoMap = map_on_threads,
) -> DecodedSubset:
    """Decode photos, or read them from the cache.

    Args:
        samples: the photos.
        shape: the size to stretch them to.
        subset: the name of the subset, for the entry's folder and the progress bar.
        cache: the folder of all entries.
        map_photos: decodes; by default on all cores of this machine.

    Raises:
        CommandError: none of the photos could be decoded.
    """
    digest = fingerprint_of((f"{DECODER}/{s.label}/{s.name}", s.sha256) for s in samples)
    size = f"{shape.height}x{shape.width}x{shape.channels}"
    entry = cache / f"{subset}-{digest[:16]}-{size}"
    if not entry.is_dir():
        with atomic_folder(entry) as folder:
            _write_entry(folder, samples, shape, f"decoding {subset}", map_photos)
    unreadable = json.loads((entry / "unreadable.json").read_text(encoding="utf-8"))
    pixels = np.load(entry / "pixels.npy", mmap_mode="r")
    return DecodedSubset(pixels, np.load(entry / "labels.npy"), unreadable)


def require_readable(dataset: Dataset) -> None:
    """Check that a photo of each class can be decoded in train, validation and test.

    Raises:
        CommandError: none of a class can be decoded.
    """

    def has_readable(samples: list[Sample]) -> bool:
        return any(_is_readable(sample) for sample in samples)

    for subset in SUBSETS:
        by_class: dict[int, list[Sample]] = {}
        for sample in getattr(dataset, subset):
            by_class.setdefault(sample.label, []).append(sample)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            readable = list(pool.map(has_readable, by_class.values()))
        missing = [dataset.labels[n] for n, ok in zip(by_class, readable, strict=True) if not ok]
        if missing:
            raise CommandError(
                f"no photo of {subset} could be decoded of the classes {shortened(missing)}. "
                "Each class needs one at least in train, validation and test."
            )


def require_every_label(decoded: DecodedSubset, labels: Sequence[str], subset: str) -> None:
    """Raise CommandError if no photo of a label was decoded."""
    missing = [label for n, label in enumerate(labels) if n not in decoded.labels]
    if missing:
        raise CommandError(f"no photo of {subset} is left of the classes {shortened(missing)}.")


def _is_readable(sample: Sample) -> bool:
    try:
        decode.decode(sample.read(), 32, 32, 3)
    except errors.PhotoError:
        return False
    return True


def _decode(shape: Input, sample: Sample) -> np.ndarray | str:
    try:
        return decode.decode(sample.read(), shape.height, shape.width, shape.channels)
    except errors.PhotoError as error:
        return reason_left_out(error)


def _write_entry(
    folder: Path,
    samples: Sequence[Sample],
    shape: Input,
    description: str,
    map_photos: PhotoMap,
) -> None:
    unreadable: dict[str, str] = {}
    pixels = _create_pixels_file(folder / "all.npy", len(samples), shape)
    usable = np.ones(len(samples), bool)
    results = map_photos(partial(_decode, shape), samples)
    for index, result in progress(results, description, "photo", total=len(samples)):
        if isinstance(result, str):
            unreadable[samples[index].display_name] = result
            usable[index] = False
        else:
            pixels[index] = result
    if not usable.any():
        raise CommandError(f"{description}: none of {len(samples)} photos could be decoded.")
    _write_usable_rows(folder, pixels, usable, shape)
    np.save(folder / "labels.npy", np.array([s.label for s in samples], np.int64)[usable])
    write_text(folder / "unreadable.json", json.dumps(unreadable, indent=2, sort_keys=True) + "\n")


def _create_pixels_file(path: Path, photos: int, shape: Input) -> np.memmap:
    size = (photos, shape.height, shape.width, shape.channels)
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=size)


def _write_usable_rows(folder: Path, pixels: np.memmap, usable: np.ndarray, shape: Input) -> None:
    """Copy the usable rows of `all.npy` to `pixels.npy` one by one, to save memory."""
    pixels.flush()
    if usable.all():
        (folder / "all.npy").rename(folder / "pixels.npy")
        return
    rows = np.flatnonzero(usable)
    remaining = _create_pixels_file(folder / "pixels.npy", len(rows), shape)
    for target, source in enumerate(rows):
        remaining[target] = pixels[source]
    remaining.flush()
    (folder / "all.npy").unlink()
