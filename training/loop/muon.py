"""Muon for convolutions: each kernel moves by an orthogonal matrix, all directions alike.

Sources: K. Jordan et al., Muon: an optimizer for hidden layers in neural networks (2024), which
flattens kernels as here; J. Liu et al., Muon is scalable for LLM training (2025), for the step's
size, with which learning rate and weight decay are those of AdamW.
"""

from math import prod
from typing import Any

import keras
from keras import ops

from training.networks.symmetry import MirrorSymmetric

_FIRST = 3  # input channels up to which a kernel sees a photo's colours: no hidden layer


@keras.saving.register_keras_serializable(package="training")
class Muon(keras.optimizers.Muon):  # type: ignore[misc]  # Keras has no types
    """Keras's Muon, which knows dense layers only, with the kernels of convolutions as well.

    A kernel (height, width, inputs, outputs) is a matrix of height x width x inputs rows. The
    first convolution, the last dense layer, scales and biases are AdamW's, as Muon's authors
    advise. The matrices are made orthogonal in bfloat16: five steps need no more than that.
    """

    def _should_use_adamw(self, variable: Any) -> bool:
        return len(variable.shape) != 4 or variable.shape[2] <= _FIRST

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """A step along the gradients, after these were made as symmetric as their weights.

        The constraint undoes what of a step is not symmetric, but only once that has had its
        share of the step's size, which orthogonality makes the same for all directions.
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
        """See `keras.optimizers.Muon`: the root mean square of a step is that of AdamW's."""
        rows, columns = prod(x.shape[:-1]), x.shape[-1]
        return x * (self.rms_rate * max(rows, columns) ** 0.5)

    def zeropower_via_newtonschulz5(self, x: Any, steps: int) -> Any:
        """The orthogonal matrix next to a kernel, about: its singular values are near 1."""
        matrix = ops.reshape(x, (-1, x.shape[-1]))
        upright = matrix.shape[0] > matrix.shape[1]
        if upright:
            matrix = ops.transpose(matrix)
        matrix = ops.cast(matrix / (ops.norm(matrix) + 1e-7), "bfloat16")
        for _ in range(steps):
            square = ops.matmul(matrix, ops.transpose(matrix))
            bend = self.muon_b * square + self.muon_c * ops.matmul(square, square)
            matrix = self.muon_a * matrix + ops.matmul(bend, matrix)
        if upright:
            matrix = ops.transpose(matrix)
        return ops.reshape(ops.cast(matrix, x.dtype), x.shape)
