"""The part of every batch that one process computes, if several train one network together."""

from typing import Any

import keras
import numpy as np


class Share:
    """The part of worker `worker` of `workers`, counted from 0.

    All workers go through the same batches, and each computes the photos of its own part. A
    subclass joins the processes: `deploy/ray/tensorflow_share.py`.
    """

    def __init__(self, worker: int, workers: int) -> None:
        self.worker = worker
        self.workers = workers

    def of_batch(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return this worker's rows of the pixels, the targets and the weights of a batch.

        A batch can have fewer photos than there are workers. Then a worker without a photo gets the
        first one with the weight 0, as not every layer accepts an empty batch.
        """
        pixels, targets, weights = arrays
        count = len(pixels)
        start, end = (count * n // self.workers for n in (self.worker, self.worker + 1))
        if start == end:
            return pixels[:1], targets[:1], np.zeros(1, np.float32)
        return pixels[start:end], targets[start:end], weights[start:end]

    def prepare(self, network: keras.Model) -> None:
        """Make each step of the compiled network use the photos of all workers."""
        raise NotImplementedError

    def mean(self, value: float) -> float:
        """Return the mean of a value over all workers; each must call it."""
        raise NotImplementedError

    @property
    def callbacks(self) -> list[Any]:
        """Keras callbacks that come before those of the training, and `prepare` was called."""
        raise NotImplementedError
