"""Decoded photos in shuffled batches, in an order that seed and epoch alone decide."""

from typing import Any

import keras
import numpy as np


class Batches(keras.utils.PyDataset):
    """Batches of (pixels, targets), reshuffled after every epoch.

    The order of epoch n is a function of (seed, n), so a training that is resumed at epoch n
    sees the very batches that an uninterrupted one sees.
    """

    def __init__(
        self,
        pixels: np.ndarray,
        targets: np.ndarray,
        batch_size: int,
        *,
        seed: int | None = None,
        epoch: int = 0,
    ) -> None:
        """Take uint8 pixels (photos, height, width, channels) and targets (photos, ...).

        With `seed` None the order is that of the arrays, in every epoch.
        """
        super().__init__(workers=1)
        self._pixels = pixels
        self._targets = targets
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = epoch
        self._order = self._shuffled()

    def __len__(self) -> int:
        """The number of batches; the last one may be smaller."""
        return -(-len(self._pixels) // self._batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Batch number `index` of this epoch."""
        rows = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        return self._pixels[rows], self._targets[rows]

    def on_epoch_end(self) -> None:
        """Keras calls this between epochs."""
        self._epoch += 1
        self._order = self._shuffled()

    def _shuffled(self) -> np.ndarray:
        count = len(self._pixels)
        if self._seed is None:
            return np.arange(count)
        order: Any = np.random.default_rng((self._seed, self._epoch)).permutation(count)
        return np.asarray(order)


def targets_for(labels: np.ndarray, classes: int) -> np.ndarray:
    """Labels (photos,) as the loss wants them: float (photos, 1) for a sigmoid, else integers."""
    return labels[:, np.newaxis].astype(np.float32) if classes == 2 else labels.astype(np.int64)
