"""An exponential moving average of a network's weights."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

_UPDATE_EVERY = 4  # batches; the weights change little in between


class WeightAverage(keras.callbacks.Callback):
    """Average all weights, including batch normalisation statistics.

    Keras's `use_ema` does not average these statistics. Validation uses the averaged weights,
    training continues with the original ones.

    Args:
        decay: the decay of the average for each batch.
        batches: the number of batches that the network was trained on before.
        values: the average after these batches; None starts a new one.
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
        """Initialise the average with the network's weights."""
        self._weights = self.model.weights
        if self._average is None:
            self._average = [keras.ops.copy(weight.value) for weight in self._weights]

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Update the average."""
        self._batches += 1
        if self._batches % _UPDATE_EVERY:
            return
        self._synchronise()
        # A lower decay at first lets the average forget the random initial weights quickly.
        updates = self._batches / _UPDATE_EVERY
        decay = min(self._decay**_UPDATE_EVERY, (1 + updates) / (10 + updates))
        assert self._average is not None
        self._average = [
            mean + (1 - decay) * (weight.value - mean)
            for mean, weight in zip(self._average, self._weights, strict=True)
        ]

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Load the averaged weights into the network."""
        self._swap()

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Load the original weights into the network again."""
        self._swap()

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the network the averaged weights inside the block."""
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
        # On JAX, Keras keeps the current weights outside of the model during training.
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()
