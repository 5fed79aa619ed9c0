"""A 3x3 convolution with a third or a quarter of its multiplications, for a CPU.

A tile of m neighbouring results shares its m + 2 inputs: sums and differences of them, times
sums and differences of the kernel, which are known beforehand, give m + 2 products, and sums and
differences of these the m results. In one direction that takes m + 2 multiplications instead of
3 m, and the directions multiply: 6 x 6 for 16 results instead of 144. What is left is one matrix
product over all channels for each place in a tile, and cheap additions.

Sources: S. Winograd, Arithmetic complexity of computations (1980); A. Lavin and S. Gray, Fast
algorithms for convolutional neural networks (2015), whose F(2, 3) and F(4, 3) these are.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import layers, ops

# For tiles of 2 and of 4 results: input (m + 2, m + 2), to be multiplied with a row of inputs,
# and kernel (m + 2, 3). `_results` is what follows.
_INPUT = {
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
_KERNEL = {
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
_ONE = 1  # the product that every result of a tile contains once: a bias there is in them all
_ROWS, _COLUMNS = 1, 2  # axes
_TALL = 32  # rows from which a tile of 4 of them pays; below, its larger weights cost more


@dataclass(frozen=True)
class Convolution:
    """A 3x3 convolution with stride 1, and what directly follows it.

    Attributes:
        kernel: (3, 3, inputs, outputs).
        bias: (outputs,).
        same: padded by a place on each side; else the result is 2 smaller.
        relu: negative results become 0.
        pooled: then 2x2 max pooling with stride 2, which drops an odd last row or column.
    """

    kernel: np.ndarray
    bias: np.ndarray
    same: bool = False
    relu: bool = False
    pooled: bool = False


class Winograd(layers.Layer):
    """Computes a `Convolution`: (photos, height, width, inputs) -> (photos, ..., outputs).

    To be exported, not trained: the weights are constants. (TensorFlow itself cannot run the
    sums of inputs, whose strides are not the same in both directions; LiteRT can.)
    """

    def __init__(self, convolution: Convolution, name: str) -> None:
        super().__init__(name=name)
        self._convolution = convolution

    def call(self, inputs: Any) -> Any:
        """See `Convolution`."""
        what = self._convolution
        lost = 0 if what.same else 2
        height, width = (side - lost for side in inputs.shape[1:3])
        tile = (4 if height >= _TALL else 2, 4)
        results = self._tiles(self._padded(inputs, (height, width), tile), tile)
        if what.pooled:
            results = _pooled(results)
            height, width = height // 2, width // 2
        if what.relu:
            results = [[ops.relu(result) for result in row] for row in results]
        return _joined(results)[:, :height, :width]

    def _padded(self, inputs: Any, result: tuple[int, int], tile: tuple[int, int]) -> Any:
        """With the border of a "same" convolution, and up to whole tiles."""
        before = int(self._convolution.same)
        margins = [
            (before, -(-out // step) * step + 2 - side - before)
            for side, out, step in zip(inputs.shape[1:3], result, tile, strict=True)
        ]
        return ops.pad(inputs, [(0, 0), *margins, (0, 0)]) if np.any(margins) else inputs

    def _tiles(self, x: Any, tile: tuple[int, int]) -> list[list[Any]]:
        """The results by their row and column in a tile, each (photos, tiles, tiles, outputs)."""
        tall, wide = tile
        kernels = np.einsum(
            "rh,cw,hwio->rcio", _KERNEL[tall], _KERNEL[wide], self._convolution.kernel
        ).astype(np.float32)
        columns = []
        for column, across in enumerate(_INPUT[wide]):
            sums = _sums(x, across, _COLUMNS, wide)
            products = []
            for row, down in enumerate(_INPUT[tall]):
                kernel = kernels[row, column][np.newaxis, np.newaxis]
                product = ops.conv(_sums(sums, down, _ROWS, tall), kernel)
                if row == column == _ONE:
                    product = product + self._convolution.bias.astype(np.float32)
                products.append(product)
            columns.append(_results(products))
        return [_results(list(row)) for row in zip(*columns, strict=True)]


def _sums(x: Any, weights: tuple[float, ...], axis: int, stride: int) -> Any:
    """Weighted sums of neighbouring places along an axis, one for each tile."""
    shape = [1, 1, x.shape[3], 1]
    shape[axis - 1] = len(weights)
    along = np.array(weights, np.float32).reshape([-1 if i == axis - 1 else 1 for i in range(4)])
    strides = tuple(stride if i == axis else 1 for i in (_ROWS, _COLUMNS))
    return ops.depthwise_conv(x, np.broadcast_to(along, shape), strides, "valid")


def _results(products: list[Any]) -> list[Any]:
    """The m results that m + 2 products add up to. What several need is computed once."""
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


def _pooled(results: list[list[Any]]) -> list[list[Any]]:
    """The largest of each 2x2 results of a tile, whose sides are even."""
    halved = [
        [ops.maximum(*pair) for pair in zip(row[::2], row[1::2], strict=True)] for row in results
    ]
    return [
        [ops.maximum(*pair) for pair in zip(*rows, strict=True)]
        for rows in zip(halved[::2], halved[1::2], strict=True)
    ]


def _joined(results: list[list[Any]]) -> Any:
    """Tiles back in their places: (photos, rows of tiles, columns of tiles, outputs) each."""
    _, tall, wide, outputs = results[0][0].shape
    rows = [
        ops.reshape(ops.concatenate(row, axis=3), (-1, tall, wide * len(row), outputs))
        for row in results
    ]
    whole = ops.concatenate(rows, axis=2)
    return ops.reshape(whole, (-1, tall * len(rows), wide * len(results[0]), outputs))
