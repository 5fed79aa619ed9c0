"""What workers do with photos, and which of those that wait go together."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.imaging.errors import PhotoError
from app.model.classifier import Classifier


@dataclass(frozen=True)
class PhotoJob:
    """A photo to classify; `arrived` is when."""

    classifier: Classifier
    data: bytes
    arrived: float


@dataclass(frozen=True)
class Decoded:
    """What the network sees of a photo, and the times at which decoding began and ended."""

    pixels: np.ndarray
    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began

    def queued(self, arrived: float, taken: float) -> float:
        """How long a photo waited that the engine took at `taken`, before and after decoding."""
        return self.began - arrived + taken - self.ended


Job = PhotoJob | Callable[[], Any]

# Bytes. The time to decode a photo grows with them: up to here, a few milliseconds for a JPEG.
_HEAVY = 512 * 1024


def can_batch(jobs: list[Job], job: Job) -> bool:
    """Whether the worker that takes `jobs` should take this one, too.

    A heavy photo goes by itself: all of a batch are answered when the last is decoded.
    """
    first = jobs[0]
    return (
        isinstance(first, PhotoJob)
        and isinstance(job, PhotoJob)
        and job.classifier is first.classifier
        and len(jobs) < first.classifier.engine.largest
        and max(len(first.data), len(job.data)) <= _HEAVY
    )


def fits(batch: list[tuple[Classifier, np.ndarray]], photo: tuple[Classifier, np.ndarray]) -> bool:
    """Whether it goes through the engine with the others: not while a new model takes over."""
    classifier = batch[0][0]
    return photo[0] is classifier and len(batch) < classifier.engine.largest


def decode_or_error(photo: PhotoJob) -> Decoded | Exception:
    """A photo of several: what is wrong with it, or with us, is for its own client alone."""
    try:
        return decode(photo.classifier, photo.data)
    except PhotoError as error:
        # It knows the frames that it came through, and one of them is going to know it.
        error.__traceback__ = error.__cause__ = error.__context__ = None
        return error
    except Exception as error:  # a defect of ours: the log needs its frames
        return error


def decode(classifier: Classifier, data: bytes) -> Decoded:
    """What the network sees of a photo.

    Raises:
        PhotoError: the bytes are not a usable photo.
    """
    began = time.perf_counter()
    pixels = classifier.pixels(data)
    return Decoded(pixels, began, time.perf_counter())
