"""Winograd's algorithm: a 3x3 convolution with a third or a quarter of the multiplications.

The algorithm computes tiles of m outputs in each direction. A tile depends on m + 2 inputs. Linear
transforms of the inputs and of the kernel are multiplied elementwise to m + 2 products, and a
linear transform of the products gives the m outputs. One direction needs m + 2 multiplications
instead of 3 m, so a tile of 4x4 outputs needs 6x6 multiplications instead of 144. The kernel's
transform is computed in advance; the other transforms consist of additions, which are cheap.

Sources: S. Winograd, Arithmetic complexity of computations (1980); A. Lavin and S. Gray, Fast
algorithms for convolutional neural networks (2015), whose F(2, 3) and F(4, 3) these are.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import layers, ops

# The transforms of inputs (m + 2, m + 2) and kernels (m + 2, 3) for tiles of m = 2 and m = 4
# outputs; `_transform_output` has those of the outputs.
_INPUT_TRANSFORM = {
    2: ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1)),
    4: (
        (4, 0, -5, 0, 1, 0),
        (0, -4, -4, 1, 1, 0),
        (0, 4, -4, -1, 1, 0),
        (0, -2, -1, 2, 1, 0),
        (0, 2, -1, -2, 1, 0),
        (0, 4, 0, -5, 0, 1),
    ),
}
_KERNEL_TRANSFORM = {
    2: ((1, 0, 0), (1 / 2, 1 / 2, 1 / 2), (1 / 2, -1 / 2, 1 / 2), (0, 0, 1)),
    4: (
        (1 / 4, 0, 0),
        (-1 / 6, -1 / 6, -1 / 6),
        (-1 / 6, 1 / 6, -1 / 6),
        (1 / 24, 1 / 12, 1 / 6),
        (1 / 24, -1 / 12, 1 / 6),
        (0, 0, 1),
    ),
}
_BIAS_POSITION = 1  # every output of a tile contains this product once, so the bias is added here
_ROWS, _COLUMNS = 1, 2  # axes
_MIN_ROWS_FOR_4 = 32  # for fewer rows, tiles of 4 rows are slower due to their larger weights


@dataclass(frozen=True)
class Convolution:
    """A 3x3 convolution with stride 1, optionally followed by ReLU and max pooling.

    Attributes:
        kernel: (3, 3, inputs, outputs).
        bias: (outputs,).
        same: padding "same"; otherwise "valid".
        relu: apply ReLU.
        pooled: apply 2x2 max pooling with stride 2 and padding "valid".
    """

    kernel: np.ndarray
    bias: np.ndarray
    same: bool = False
    relu: bool = False
    pooled: bool = False


class Winograd(layers.Layer):
    """Computes a `Convolution`: (photos, height, width, inputs) -> (photos, ..., outputs).

    The layer is for export only, as its weights are constants. LiteRT can run it; TensorFlow cannot
    run its depthwise convolutions with different strides in the two directions.
    """

    def __init__(self, convolution: Convolution, name: str) -> None:
        super().__init__(name=name)
        self._convolution = convolution

    def call(self, inputs: Any) -> Any:
        """Return the convolution of the inputs."""
        convolution = self._convolution
        border = 0 if convolution.same else 2
        height, width = (side - border for side in inputs.shape[1:3])
        tile = (4 if height >= _MIN_ROWS_FOR_4 else 2, 4)
        results = self._tile_outputs(self._pad(inputs, (height, width), tile), tile)
        if convolution.pooled:
            results = _max_pool(results)
            height, width = height // 2, width // 2
        if convolution.relu:
            results = [[ops.relu(result) for result in row] for row in results]
        return _join_tiles(results)[:, :height, :width]

    def _pad(self, inputs: Any, result: tuple[int, int], tile: tuple[int, int]) -> Any:
        """Pad the inputs for "same" padding and to a whole number of tiles."""
        before = int(self._convolution.same)
        margins = [
            (before, -(-out // step) * step + 2 - side - before)
            for side, out, step in zip(inputs.shape[1:3], result, tile, strict=True)
        ]
        return ops.pad(inputs, [(0, 0), *margins, (0, 0)]) if np.any(margins) else inputs

    def _tile_outputs(self, x: Any, tile: tuple[int, int]) -> list[list[Any]]:
        """Return the outputs by row and column in a tile, each (photos, tiles, tiles, outputs)."""
        tall, wide = tile
        kernels = np.einsum(
            "rh,cw,hwio->rcio",
            _KERNEL_TRANSFORM[tall],
            _KERNEL_TRANSFORM[wide],
            self._convolution.kernel,
        ).astype(np.float32)
        columns = []
        for column, column_weights in enumerate(_INPUT_TRANSFORM[wide]):
            sums = _transform_input(x, column_weights, _COLUMNS, wide)
            products = []
            for row, row_weights in enumerate(_INPUT_TRANSFORM[tall]):
                kernel = kernels[row, column][np.newaxis, np.newaxis]
                product = ops.conv(_transform_input(sums, row_weights, _ROWS, tall), kernel)
                if row == column == _BIAS_POSITION:
                    product = product + self._convolution.bias.astype(np.float32)
                products.append(product)
            columns.append(_transform_output(products))
        return [_transform_output(list(row)) for row in zip(*columns, strict=True)]


def _transform_input(x: Any, weights: tuple[float, ...], axis: int, stride: int) -> Any:
    """Return weighted sums of neighbouring inputs along an axis, one for each tile."""
    shape = [1, 1, x.shape[3], 1]
    shape[axis - 1] = len(weights)
    filters = np.array(weights, np.float32).reshape([-1 if i == axis - 1 else 1 for i in range(4)])
    strides = tuple(stride if i == axis else 1 for i in (_ROWS, _COLUMNS))
    return ops.depthwise_conv(x, np.broadcast_to(filters, shape), strides, "valid")


def _transform_output(products: list[Any]) -> list[Any]:
    """Return the m outputs of m + 2 products; common sums are computed once."""
    if len(products) == 4:
        first, plus, minus, last = products
        return [first + (plus + minus), (plus - minus) - last]
    first, plus, minus, double_plus, double_minus, last = products
    even, odd = plus + minus, plus - minus
    double_even, double_odd = double_plus + double_minus, double_plus - double_minus
    return [
        first + even + double_even,
        odd + 2.0 * double_odd,
        even + 4.0 * double_even,
        odd + 8.0 * double_odd + last,
    ]


def _max_pool(results: list[list[Any]]) -> list[list[Any]]:
    """Apply 2x2 max pooling inside the tiles, whose sides are even."""
    halved = [
        [ops.maximum(*pair) for pair in zip(row[::2], row[1::2], strict=True)] for row in results
    ]
    return [
        [ops.maximum(*pair) for pair in zip(*rows, strict=True)]
        for rows in zip(halved[::2], halved[1::2], strict=True)
    ]


def _join_tiles(results: list[list[Any]]) -> Any:
    """Arrange outputs by position in a tile as one feature map (photos, height, width, outputs)."""
    _, tall, wide, outputs = results[0][0].shape
    rows = [
        ops.reshape(ops.concatenate(row, axis=3), (-1, tall, wide * len(row), outputs))
        for row in results
    ]
    joined = ops.concatenate(rows, axis=2)
    return ops.reshape(joined, (-1, tall * len(rows), wide * len(results[0]), outputs))
