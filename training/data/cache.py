"""Photos decoded once, kept as one memory-mapped array a subset.

    data/.cache/<subset>-<fingerprint>-<height>x<width>x<channels>/
        pixels.npy       uint8 (photos, height, width, channels)
        labels.npy       int64 (photos,)
        unreadable.json  what was left out, class/name -> reason

A subset's fingerprint is over the files' checksums and labels, so a changed photo makes a
new entry, and the same photos serve every training. Entries are never changed, and may be
deleted at any time.
"""

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.imaging import decode, errors
from app.model.card import Input
from training.atomic import staged, write_text
from training.cli import CommandError, progress
from training.data.samples import Sample, fingerprint_of

_DECODER = 1  # raise it when app.imaging.decode.decode gives other pixels for the same file


@dataclass(frozen=True)
class Decoded:
    """The photos of a subset.

    `pixels`: uint8 (photos, height, width, channels), memory-mapped, read-only. `labels`:
    int64 (photos,). `unreadable`: what could not be decoded and was left out,
    class/name -> reason.
    """

    pixels: np.ndarray
    labels: np.ndarray
    unreadable: dict[str, str]


def decode_samples(samples: Sequence[Sample], shape: Input, subset: str, cache: Path) -> Decoded:
    """Decode photos, on all cores and with a progress bar, unless the cache has them.

    Args:
        samples: the photos.
        shape: the size to stretch them to.
        subset: what to call them.
        cache: the folder of all entries.

    Raises:
        CommandError: not one of them could be decoded.
    """
    digest = fingerprint_of((f"{_DECODER}/{s.label}/{s.name}", s.sha256) for s in samples)
    size = f"{shape.height}x{shape.width}x{shape.channels}"
    entry = cache / f"{subset}-{digest[:16]}-{size}"
    if not entry.is_dir():
        with staged(entry) as folder:
            _fill(folder, samples, shape, f"decoding {subset}")
    unreadable = json.loads((entry / "unreadable.json").read_text(encoding="utf-8"))
    pixels = np.load(entry / "pixels.npy", mmap_mode="r")
    return Decoded(pixels, np.load(entry / "labels.npy"), unreadable)


def _fill(folder: Path, samples: Sequence[Sample], shape: Input, description: str) -> None:
    unreadable: dict[str, str] = {}
    kept = _pixels_file(folder / "all.npy", len(samples), shape)

    def work(index: int) -> bool:
        try:
            data = samples[index].read()
            kept[index] = decode.decode(data, shape.height, shape.width, shape.channels)
        except errors.PhotoError as error:
            unreadable[samples[index].place] = str(error)
            return False
        return True

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = pool.map(work, range(len(samples)))
        usable = np.array(list(progress(jobs, description, "photo", total=len(samples))), bool)
    if not usable.any():
        raise CommandError(f"{description}: none of {len(samples)} photos could be decoded.")
    _drop_rows(folder, kept, usable, shape)
    np.save(folder / "labels.npy", np.array([s.label for s in samples], np.int64)[usable])
    write_text(folder / "unreadable.json", json.dumps(unreadable, indent=2, sort_keys=True) + "\n")


def _pixels_file(path: Path, photos: int, shape: Input) -> np.memmap:
    size = (photos, shape.height, shape.width, shape.channels)
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=size)


def _drop_rows(folder: Path, pixels: np.memmap, usable: np.ndarray, shape: Input) -> None:
    """Keep the usable rows of `all.npy` as `pixels.npy`, without holding them in memory."""
    pixels.flush()
    if usable.all():
        (folder / "all.npy").rename(folder / "pixels.npy")
        return
    rows = np.flatnonzero(usable)
    fewer = _pixels_file(folder / "pixels.npy", len(rows), shape)
    for target, source in enumerate(rows):
        fewer[target] = pixels[source]
    fewer.flush()
    (folder / "all.npy").unlink()
