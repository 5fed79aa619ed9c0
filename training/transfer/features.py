"""The features of photos, computed once by a pretrained backbone and kept on disk.

    data/.cache/features-<backbone>-<side>-<key>/
        backbone.tflite  the backbone from pixels to features
        <name>.npz       up to 1,024 photos: the SHA-256 of their files, and their features

The key depends on the weights and on the decoder. A photo is found by the checksum of its file, so
a data set that grew or changed needs only the new photos. The folder can be deleted at any time.
"""

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.cli import CommandError, progress
from app.imaging import decode, errors
from training.atomic import atomic_folder
from training.data.cache import DECODER
from training.data.photo_map import PhotoMap, map_on_threads
from training.data.samples import Sample, reason_left_out
from training.networks.backbone_weights import BACKBONES, weights_path

_CHUNK = 1024  # photos in a file
_LITERT = "backbone.tflite"


@dataclass(frozen=True)
class Extractor:
    """Which features: those of a backbone for photos of `side` pixels; `weights` is a file."""

    backbone: str
    side: int
    weights: str | None = None

    def folder(self, cache: Path) -> Path:
        """Return the folder of the features in the folder of all caches."""
        backbone = BACKBONES[self.backbone]
        digest = backbone.sha256
        if self.weights:
            digest = hashlib.sha256(Path(self.weights).read_bytes()).hexdigest()
        key = hashlib.sha256(f"{digest}/{DECODER}".encode()).hexdigest()[:8]
        return cache / f"features-{self.backbone}-{self.side}-{key}"


@dataclass(frozen=True)
class Features:
    """The features of the readable photos.

    Attributes:
        values: float32 (photos, features).
        samples: the photos, in the same order.
        unreadable: the photos that could not be decoded, class/name -> reason.
    """

    values: np.ndarray
    samples: list[Sample]
    unreadable: dict[str, str]

    @property
    def labels(self) -> np.ndarray:
        """The labels, int64 (photos,)."""
        return np.array([sample.label for sample in self.samples], np.int64)


def compute_features(
    samples: Sequence[Sample],
    extractor: Extractor,
    cache: Path,
    what: str = "features",
    map_photos: PhotoMap = map_on_threads,
) -> Features:
    """Return the features of photos; compute those that are not on disk yet.

    Args:
        samples: the photos.
        extractor: which features.
        cache: the folder of all caches.
        what: for the progress bar.
        map_photos: computes; by default on all cores of this machine.

    Raises:
        CommandError: the weights are missing, or the backbone cannot be converted.
    """
    folder = extractor.folder(cache)
    known = _read_chunks(folder, {sample.sha256 for sample in samples})
    missing = list({s.sha256: s for s in samples if s.sha256 not in known}.values())
    unreadable: dict[str, str] = {}
    if missing:
        unreadable = _compute_missing(missing, extractor, folder, known, what, map_photos)
    kept = [sample for sample in samples if sample.sha256 in known]
    values = np.array([known[sample.sha256] for sample in kept], np.float32)
    left_out = {s.display_name: unreadable[s.sha256] for s in samples if s.sha256 in unreadable}
    return Features(values, kept, left_out)


def _read_chunks(folder: Path, wanted: set[str]) -> dict[str, np.ndarray]:
    """Return the stored features of the wanted photos by checksum."""
    known: dict[str, np.ndarray] = {}
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as chunk:
            digests = [digest.tobytes().hex() for digest in chunk["sha256"]]
            rows = [row for row, digest in enumerate(digests) if digest in wanted]
            if rows:
                known |= dict(zip((digests[r] for r in rows), chunk["features"][rows], strict=True))
    return known


def _compute_missing(
    samples: list[Sample],
    extractor: Extractor,
    folder: Path,
    known: dict[str, np.ndarray],
    what: str,
    map_photos: PhotoMap,
) -> dict[str, str]:
    """Add features to `known` and to the folder; return the unreadable photos by checksum."""
    interpreters = _Interpreters(_exported(extractor, folder).read_bytes(), extractor.side)
    unreadable: dict[str, str] = {}
    found: dict[str, np.ndarray] = {}

    def keep() -> None:
        if found:
            _write_chunk(folder, found)
        known.update(found)
        found.clear()

    results = map_photos(interpreters.compute, samples)
    for index, result in progress(results, what, "photo", total=len(samples)):
        if isinstance(result, str):
            unreadable[samples[index].sha256] = result
        else:
            found[samples[index].sha256] = result
        if len(found) == _CHUNK:
            keep()
    keep()
    return unreadable


def _write_chunk(folder: Path, found: dict[str, np.ndarray]) -> None:
    digests = np.array([list(bytes.fromhex(digest)) for digest in found], np.uint8)
    name = hashlib.sha256(digests.tobytes()).hexdigest()[:16]
    partial = folder / f".{name}.{os.getpid()}"
    with partial.open("wb") as file:
        np.savez(file, sha256=digests, features=np.stack(list(found.values())))
    partial.replace(folder / f"{name}.npz")


class _Interpreters:
    """One LiteRT interpreter for each thread."""

    def __init__(self, content: bytes, side: int) -> None:
        self._content = content
        self._side = side
        self._local = threading.local()

    def __reduce__(self) -> tuple[type["_Interpreters"], tuple[bytes, int]]:
        return _Interpreters, (self._content, self._side)

    def compute(self, sample: Sample) -> np.ndarray | str:
        """Return the features of a photo, float32 (features,), or why it cannot be decoded."""
        try:
            pixels = decode.decode(sample.read(), self._side, self._side, 3)
        except errors.PhotoError as error:
            return reason_left_out(error)
        interpreter = self._of_thread()
        interpreter.set_tensor(
            interpreter.get_input_details()[0]["index"], pixels[np.newaxis].astype(np.float32)
        )
        interpreter.invoke()
        return np.array(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])

    def _of_thread(self) -> Any:
        from ai_edge_litert.interpreter import Interpreter

        if not hasattr(self._local, "interpreter"):
            self._local.interpreter = Interpreter(model_content=self._content, num_threads=1)
            self._local.interpreter.allocate_tensors()
        return self._local.interpreter


def _exported(extractor: Extractor, folder: Path) -> Path:
    """Return the backbone's LiteRT file, which is made for the first photos."""
    if not (folder / _LITERT).is_file():
        if BACKBONES[extractor.backbone].package:
            weights_path(BACKBONES[extractor.backbone])  # raises an error of one line
        with atomic_folder(folder, replace=folder.exists()) as temporary:
            _run_export(extractor, temporary / _LITERT)
    return folder / _LITERT


def _run_export(extractor: Extractor, destination: Path) -> None:
    environment = os.environ | {
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    words = [extractor.backbone, str(extractor.side), extractor.weights or "", str(destination)]
    # The command is this interpreter with a module of this package, without a shell.
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "training.transfer.export_features", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode or not destination.is_file():
        last = (done.stderr.strip() or "no output").splitlines()[-1]
        raise CommandError(f"the backbone {extractor.backbone} cannot be converted: {last}")
