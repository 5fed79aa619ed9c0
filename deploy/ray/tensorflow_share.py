"""Join TensorFlow processes that train one network: sum their gradients, compare their weights.

Keras's own `fit` does not run under a strategy of several processes (keras issue 20585). Here each
process has a network of its own and runs `fit` on its part of each batch. The strategy computes
sums over the processes and nothing else. All processes begin with the same weights and apply the
same gradient, so the weights stay equal, bit by bit, on machines of one kind; a checksum proves it
at the end of every epoch.
"""

import hashlib
from functools import partial
from typing import Any

import keras
import numpy as np
import ray.train
import tensorflow as tf

from training.loop.share import Share


class TensorFlowShare(Share):
    """The part of this worker; `TF_CONFIG` has the addresses of all, as Ray Train sets it."""

    def __init__(self, worker: int, workers: int) -> None:
        super().__init__(worker, workers)
        self._strategy = tf.distribute.MultiWorkerMirroredStrategy()
        # The strategy looks for the device of the values, which an argument of the graph lacks.
        self._sum = tf.function(
            lambda values: self._strategy.run(lambda: _sum(tf.identity(values)))
        )

    def prepare(self, network: keras.Model) -> None:
        """Make each step of the compiled network use the photos of all workers."""
        network.jit_compile = False  # XLA cannot compile sums over processes
        network.train_step = partial(self._step, network)

    def mean(self, value: float) -> float:
        """Return the mean of a value over all workers; each must call it."""
        return float(self.gather([value]).mean())

    @property
    def callbacks(self) -> list[Any]:
        """Total the metrics, compare the weights and report to Ray at the end of an epoch."""
        return [_EndOfEpoch(self)]

    def gather(self, values: Any) -> np.ndarray:
        """Return the values of all workers, float64 (workers, values); each must call it."""
        own = np.zeros((self.workers, len(values)))
        own[self.worker] = values
        return np.asarray(self._sum(tf.constant(own)))

    def require_equal(self, values: Any, what: str) -> None:
        """Raise RuntimeError if the workers do not have the same values; each must call it."""
        found = self.gather(values)
        if (found != found[0]).any():
            raise RuntimeError(f"the {what} of the workers differ")

    def _step(self, network: keras.Model, batch: tuple[Any, Any, Any]) -> dict[str, Any]:
        """Train on a batch of pixels, targets and weights, of which 0 stands for no photo."""
        computed = self._strategy.run(partial(_gradients, network), args=batch)
        (*gradients, photos), losses, outputs = computed
        mean = [gradient / photos for gradient in gradients]
        network.optimizer.apply(mean, network.trainable_weights)
        _, targets, weights = batch
        real = weights > 0
        mean_loss, others = network.metrics  # of this worker's photos; `_EndOfEpoch` totals them
        mean_loss.update_state(losses[real])
        others.update_state(targets[real], outputs[real])
        metrics: dict[str, Any] = network.get_metrics_result()
        return metrics


def _gradients(network: keras.Model, pixels: Any, targets: Any, weights: Any) -> Any:
    """Return the gradients of the summed loss and the number of photos, both of all workers.

    The losses and the outputs of this worker's photos are returned, too.
    """
    loss_of = keras.losses.get(network.loss)
    with tf.GradientTape() as tape:
        outputs = network(pixels, training=True)
        losses = weights * tf.cast(loss_of(targets, outputs), tf.float32)
        loss = tf.reduce_sum(losses)
    gradients = tape.gradient(loss, network.trainable_weights)
    photos = tf.reduce_sum(tf.cast(weights > 0, tf.float32))
    return _sum([*gradients, photos]), losses, outputs


def _sum(values: Any) -> Any:
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, values)


class _EndOfEpoch(keras.callbacks.Callback):
    def __init__(self, share: TensorFlowShare) -> None:
        super().__init__()
        self._share = share
        self._totals: dict[str, float] = {}

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._totals = {}

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._totals = self._total()  # validation, which follows, uses the same metrics anew

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        assert logs is not None
        self._require_equal_weights()
        logs.update(self._totals or self._total())  # for the callbacks that follow
        ray.train.report({"epoch": epoch + 1, **logs})

    def _require_equal_weights(self) -> None:
        content = b"".join(np.asarray(weight).tobytes() for weight in self.model.get_weights())
        digest = list(hashlib.sha256(content).digest())
        self._share.require_equal(digest, "weights (on machines of different kinds?)")

    def _total(self) -> dict[str, float]:
        """Return the metrics of the photos of all workers."""
        mean_loss, others = self.model.metrics
        found = {"loss": mean_loss, **{metric.name: metric for metric in others.metrics}}
        own = [float(v.value) for metric in found.values() for v in (metric.total, metric.count)]
        sums = self._share.gather(own).sum(axis=0)
        return dict(zip(found, (sums[0::2] / sums[1::2]).tolist(), strict=True))
