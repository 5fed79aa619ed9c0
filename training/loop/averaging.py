"""The running average of a network's weights: steadier, and mostly better, than the last ones."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

_EVERY = 4  # batches: each weight moves little in between


class WeightAverage(keras.callbacks.Callback):
    """Averages all weights exponentially, batch-normalisation statistics included.

    Keras's own `use_ema` leaves those statistics out, and they belong to the weights. The
    network is validated with the average, and trained on with its own weights.

    Args:
        decay: of the average, per batch; over 0.995, the last 200 batches weigh most.
        batches: how many batches the network has seen.
        values: the average after those; None starts one.
    """

    def __init__(
        self, decay: float, batches: int = 0, values: Sequence[np.ndarray] | None = None
    ) -> None:
        super().__init__()
        self._decay = decay
        self._batches = batches
        self._average = None if values is None else [keras.ops.convert_to_tensor(v) for v in values]
        self._weights: list[Any] = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Begin with the network's first weights."""
        self._weights = self.model.weights
        if self._average is None:
            self._average = [keras.ops.copy(weight.value) for weight in self._weights]

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Move the average towards the weights."""
        self._batches += 1
        if self._batches % _EVERY:
            return
        self._synchronise()
        # The first weights are random: they should not be half of the average for long.
        updates = self._batches / _EVERY
        decay = min(self._decay**_EVERY, (1 + updates) / (10 + updates))
        assert self._average is not None
        self._average = [
            mean + (1 - decay) * (weight.value - mean)
            for mean, weight in zip(self._average, self._weights, strict=True)
        ]

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Validate the average."""
        self._swap()

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Train on with the weights."""
        self._swap()

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within the block, the network has the average for its weights."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        self._synchronise()
        assert self._average is not None
        own = [keras.ops.copy(weight.value) for weight in self._weights]
        for weight, mean in zip(self._weights, self._average, strict=True):
            weight.assign(mean)
        self._average = own

    def _synchronise(self) -> None:
        # Keras keeps the weights outside the model between two batches on JAX.
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()
