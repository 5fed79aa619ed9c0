"""The jobs of a worker, the decoding, and which jobs may form a batch."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.imaging.errors import PhotoError
from app.model.classifier import Classifier


@dataclass(frozen=True)
class PhotoJob:
    """A photo to classify; `arrived` is `time.perf_counter()` at its arrival."""

    classifier: Classifier
    data: bytes
    arrived: float


@dataclass(frozen=True)
class Decoded:
    """The network's input for a photo, and the times at which decoding began and ended."""

    pixels: np.ndarray
    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """The seconds that decoding took."""
        return self.ended - self.began

    def queued(self, arrived: float, taken: float) -> float:
        """The seconds a photo waited before and after decoding; the engine began at `taken`."""
        return self.began - arrived + taken - self.ended


Job = PhotoJob | Callable[[], Any]

# Bytes of a file. Decoding a larger one would delay the answers to the rest of its batch.
_MAX_BATCHED_BYTES = 512 * 1024


def can_batch(jobs: list[Job], job: Job) -> bool:
    """Whether `job` can join the batch `jobs`: photos of the same model, none of them heavy."""
    first = jobs[0]
    return (
        isinstance(first, PhotoJob)
        and isinstance(job, PhotoJob)
        and job.classifier is first.classifier
        and len(jobs) < first.classifier.engine.max_batch
        and max(len(first.data), len(job.data)) <= _MAX_BATCHED_BYTES
    )


def can_batch_decoded(
    batch: list[tuple[Classifier, np.ndarray]], photo: tuple[Classifier, np.ndarray]
) -> bool:
    """Whether a decoded photo can join the batch: photos of the same model only."""
    classifier = batch[0][0]
    return photo[0] is classifier and len(batch) < classifier.engine.max_batch


def decode_or_error(photo: PhotoJob) -> Decoded | Exception:
    """Decode one photo of a batch; return its error, so that it fails alone."""
    try:
        return decode(photo.classifier, photo.data)
    except PhotoError as error:
        # The frames of its traceback refer back to it: that cycle would keep the photo in memory.
        error.__traceback__ = error.__cause__ = error.__context__ = None
        return error
    except Exception as error:  # a defect; the log needs the traceback
        return error


def decode(classifier: Classifier, data: bytes) -> Decoded:
    """Decode a photo to the network's input.

    Raises:
        PhotoError: the bytes are not a usable photo.
    """
    began = time.perf_counter()
    pixels = classifier.pixels(data)
    return Decoded(pixels, began, time.perf_counter())
