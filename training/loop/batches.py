"""Decoded photos in shuffled batches, in an order that seed and epoch alone decide."""

import os
from typing import Any

import keras
import numpy as np

from training.data.augmentation import Augmentation, augment, cutmix

_WORKERS = 4  # threads at most; the work inside them is outside Python's lock


class Batches(keras.utils.PyDataset):
    """Batches of (pixels, targets), reshuffled and changed anew in every epoch.

    Everything random about batch i of epoch n is a function of (seed, n, i), so a training
    that is resumed at epoch n sees the very batches that an uninterrupted one sees.
    """

    def __init__(
        self,
        pixels: np.ndarray,
        targets: np.ndarray,
        batch_size: int,
        *,
        seed: int | None = None,
        epoch: int = 0,
        augmentation: Augmentation | None = None,
        side: int | None = None,
    ) -> None:
        """Take the photos of a subset.

        Args:
            pixels: uint8 (photos, height, width, channels), in memory or memory-mapped.
            targets: float32 (photos, outputs).
            batch_size: photos in a batch; the last batch may be smaller.
            seed: shuffle by it; None keeps the order of the arrays in every epoch.
            epoch: the number of the first epoch.
            augmentation: change each photo, at random; needs a seed and a `side`.
            side: height and width of the changed photos, in pixels.
        """
        workers = min(_WORKERS, os.cpu_count() or 1) if augmentation else 1
        super().__init__(workers=workers)
        self._pixels = pixels
        self._targets = targets
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = epoch
        self._augmentation = augmentation
        self._side = side
        self._order = self._shuffled()

    def __len__(self) -> int:
        """The number of batches; the last one may be smaller."""
        return -(-len(self._pixels) // self._batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Batch number `index` of this epoch."""
        rows = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        pixels, targets = self._pixels[rows], self._targets[rows]
        if self._augmentation is None or self._seed is None or self._side is None:
            return pixels, targets
        random = np.random.default_rng((self._seed, self._epoch, index))
        pixels = augment(pixels, self._side, self._augmentation, random)
        if random.random() < self._augmentation.cutmix:
            pixels, targets = cutmix(pixels, targets, random)
        return pixels, targets

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


def targets_for(labels: np.ndarray, classes: int, smoothing: float = 0.0) -> np.ndarray:
    """Labels (photos,) as the loss wants them: float32 (photos, 1) for a sigmoid, else one-hot.

    `smoothing` is the share of certainty given to all classes alike (C. Szegedy et al.,
    Rethinking the Inception architecture, 2016).
    """
    hot = labels[:, np.newaxis] if classes == 2 else np.eye(classes)[labels]
    outcomes = 2 if classes == 2 else classes
    return (hot * (1 - smoothing) + smoothing / outcomes).astype(np.float32)
