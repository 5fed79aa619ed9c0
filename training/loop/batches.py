"""Shuffled and augmented batches that depend on the seed, the epoch and the batch number only."""

import os
from typing import Any

import keras
import numpy as np

from training.data.augmentation import Augmentation, augment, cutmix
from training.loop.share import Share

_WORKERS = 4  # the most threads; augmentation releases Python's global interpreter lock


class Batches(keras.utils.PyDataset):
    """Batches of (pixels, targets) that are shuffled and augmented anew in every epoch.

    Batch i of epoch n is a function of (seed, n, i), so a resumed training gets the same batches as
    an uninterrupted one.
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
        weights: np.ndarray | None = None,
        share: Share | None = None,
    ) -> None:
        """Store the photos of a subset.

        Args:
            pixels: uint8 (photos, height, width, channels), in memory or memory-mapped.
            targets: float32 (photos, outputs).
            batch_size: the number of photos in a batch; the last batch may be smaller.
            seed: of the order and augmentation; None never shuffles.
            epoch: the number of the first epoch.
            augmentation: the random changes; needs `seed` and `side`.
            side: the height and width of the augmented photos in pixels.
            weights: of each photo in the loss, float32 (photos,); None weights all alike.
            share: the part of each batch to return, with weights; None returns whole batches.
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
        self._weights = weights
        self._share = share
        self._order = self._shuffled()

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return -(-len(self._pixels) // self._batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        """Return batch number `index` of this epoch: uint8 pixels, float32 targets and weights."""
        rows = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        batch = self._augmented(rows, index)
        if self._share is None:
            return batch if self._weights is None else (*batch, self._weights[rows])
        # The whole batch is augmented, as its photos share one sequence of random numbers.
        weights = np.ones(len(rows), np.float32) if self._weights is None else self._weights[rows]
        return self._share.of_batch(*batch, weights)

    def _augmented(self, rows: np.ndarray, index: int) -> tuple[np.ndarray, np.ndarray]:
        pixels, targets = self._pixels[rows], self._targets[rows]
        if self._augmentation is None or self._seed is None or self._side is None:
            return pixels, targets
        random = np.random.default_rng((self._seed, self._epoch, index))
        pixels = augment(pixels, self._side, self._augmentation, random)
        if random.random() < self._augmentation.cutmix:
            pixels, targets = cutmix(pixels, targets, random)
        return pixels, targets

    def on_epoch_end(self) -> None:
        """Shuffle for the next epoch; Keras calls this method."""
        self._epoch += 1
        self._order = self._shuffled()

    def _shuffled(self) -> np.ndarray:
        count = len(self._pixels)
        if self._seed is None:
            return np.arange(count)
        order: Any = np.random.default_rng((self._seed, self._epoch)).permutation(count)
        return np.asarray(order)


def encode_targets(labels: np.ndarray, classes: int, smoothing: float = 0.0) -> np.ndarray:
    """Convert labels to the targets of the loss.

    Args:
        labels: integers (photos,).
        classes: the number of classes.
        smoothing: the share of each target that is spread over all classes. Source: C. Szegedy
            et al., Rethinking the Inception architecture (2016).

    Returns:
        float32 (photos, 1) for two classes, else one-hot float32 (photos, classes).
    """
    hot = labels[:, np.newaxis] if classes == 2 else np.eye(classes)[labels]
    outcomes = 2 if classes == 2 else classes
    return (hot * (1 - smoothing) + smoothing / outcomes).astype(np.float32)
