"""Where the places of the last feature map are in the photo, computed from the card's layers.

A place depends on a patch of the photo, its receptive field. Without padding, the centres of the
patches stay away from the edges, so that a map cannot simply be stretched over the photo. Source
of the arithmetic: A. Araujo, W. Norris and J. Sim, Computing receptive fields of convolutional
neural networks (Distill, 2019).
"""

import math
from collections.abc import Iterable

from app.model.card import Card, Layer

_WINDOWS = {"Conv2D": "kernel_size", "MaxPooling2D": "pool_size", "AveragePooling2D": "pool_size"}
_POINTWISE = {"InputLayer", "Rescaling", "BatchNormalization", "ReLU", "Activation", "Dropout"}
_END = {"Flatten", "GlobalAveragePooling2D"}


def centres(card: Card, places: int, axis: int) -> list[float]:
    """The centres of a map's places along one axis, as fractions of the photo's side.

    The result is exact for a chain of layers. For a network with joining paths (a residual
    network), the places divide the photo evenly; its padding makes that right to a pixel.

    Args:
        card: the card of the model.
        places: the number of places of the last feature map along the axis.
        axis: 0 for rows, from the top; 1 for columns, from the left.

    Returns:
        `places` numbers in 0..1, ascending.
    """
    side = (card.input.height, card.input.width)[axis]
    grid = _grid(card.layers, side, axis)
    if grid is None:
        return [(place + 0.5) / places for place in range(places)]
    start, step = grid
    return [(start + 0.5 + step * place) / side for place in range(places)]


def _grid(layers: Iterable[Layer], size: int, axis: int) -> tuple[float, int] | None:
    """The first place's centre and the distance between two, in pixels of the input."""
    start, step = 0.0, 1
    for layer in layers:
        if layer.kind in _END:
            return start, step
        if layer.kind in _POINTWISE:
            continue
        if layer.kind not in _WINDOWS:
            return None
        window = _side(layer, _WINDOWS[layer.kind], axis)
        stride = _side(layer, "strides", axis)
        size, padding = _output(size, window, stride, layer.settings.get("padding") == "same")
        start += ((window - 1) / 2 - padding) * step
        step *= stride
    return None


def _side(layer: Layer, name: str, axis: int) -> int:
    value = layer.settings.get(name, 1)
    return int(value[axis] if isinstance(value, list) else value)


def _output(size: int, window: int, stride: int, same: bool) -> tuple[int, int]:
    """The number of places, and the padding before the first."""
    if not same:
        return (size - window) // stride + 1, 0
    places = math.ceil(size / stride)
    return places, max((places - 1) * stride + window - size, 0) // 2
