"""The optimizer Muon for convolutions: the update of each kernel is an orthogonal matrix.

Sources: K. Jordan et al., Muon: an optimizer for hidden layers in neural networks (2024), which
flattens kernels in the same way; J. Liu et al., Muon is scalable for LLM training (2025), for the
size of the update, with which AdamW's learning rate and weight decay can be used.
"""

from math import prod
from typing import Any

import keras
from keras import ops

from training.networks.symmetry import MirrorSymmetric

_COLOUR_CHANNELS = 3  # a kernel with at most this many input channels belongs to the first layer


@keras.saving.register_keras_serializable(package="training")
class Muon(keras.optimizers.Muon):  # type: ignore[misc]  # Keras has no types
    """Keras's Muon, extended from dense layers to convolutions.

    A kernel (height, width, inputs, outputs) is used as a matrix (height x width x inputs,
    outputs). AdamW updates the first convolution, the last dense layer, scales and biases, as the
    authors of Muon recommend. The orthogonalisation runs in bfloat16, which is precise enough.
    """

    def _should_use_adamw(self, variable: Any) -> bool:
        return len(variable.shape) != 4 or variable.shape[2] <= _COLOUR_CHANNELS

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Update the weights; the gradients of symmetric weights are made symmetric first.

        Otherwise the orthogonal update would spend part of its fixed size on asymmetric directions,
        which the constraint removes afterwards.
        """
        weights = self._trainable_variables if trainable_variables is None else trainable_variables
        symmetric = [
            weight.constraint(gradient)
            if isinstance(weight.constraint, MirrorSymmetric)
            else gradient
            for gradient, weight in zip(grads, weights, strict=True)
        ]
        super().apply(symmetric, trainable_variables)

    def lr_adjust(self, x: Any) -> Any:
        """Scale an update so that its root mean square is that of AdamW."""
        rows, columns = prod(x.shape[:-1]), x.shape[-1]
        return x * (self.rms_rate * max(rows, columns) ** 0.5)

    def zeropower_via_newtonschulz5(self, x: Any, steps: int) -> Any:
        """Return an approximation of the nearest orthogonal matrix, in the shape of the kernel."""
        matrix = ops.reshape(x, (-1, x.shape[-1]))
        transposed = matrix.shape[0] > matrix.shape[1]
        if transposed:
            matrix = ops.transpose(matrix)
        matrix = ops.cast(matrix / (ops.norm(matrix) + 1e-7), "bfloat16")
        for _ in range(steps):
            gram = ops.matmul(matrix, ops.transpose(matrix))
            polynomial = self.muon_b * gram + self.muon_c * ops.matmul(gram, gram)
            matrix = self.muon_a * matrix + ops.matmul(polynomial, matrix)
        if transposed:
            matrix = ops.transpose(matrix)
        return ops.reshape(ops.cast(matrix, x.dtype), x.shape)
