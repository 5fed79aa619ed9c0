"""The feature maps of one photo, layer by layer, each drawn as a strip of pictures."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from app.explain.colormap import GAP, PALETTE, indices, normalised
from app.model.card import Card, Layer
from app.model.classifier import Classifier
from app.model.explainer import linear

CHANNELS = 8  # in a strip
_TILE = 96  # largest side of a channel's picture, in pixels
_GAP = 4

# The step that a layer performs, by its kind. Other kinds have no feature map of their own.
_STEPS = {
    "Conv2D": "convolution",
    "BatchNormalization": "convolution",  # it is folded into the convolution before it
    "ReLU": "ReLU",
    "MaxPooling2D": "pooling",
    "AveragePooling2D": "pooling",
}
_JOINS = {"Add", "Concatenate"}


@dataclass(frozen=True)
class Strip:
    """One step of a layer, drawn.

    `shape` is the whole map's (height, width, channels); `channels` are the numbers of those
    in the picture, from left to right; `low` and `high` are the map's extremes; `png` is the
    file's bytes. Zero is dark, above it is orange, below it blue.
    """

    layer: str
    step: str
    shape: tuple[int, int, int]
    channels: list[int]
    low: float
    high: float
    png: bytes


def strips(classifier: Classifier, data: bytes) -> list[Strip]:
    """A strip for every convolution, ReLU and pooling of the network, in the network's order.

    A strip shows the most active channels, by the mean of their positive part. A ReLU and a
    pooling show the same channels as the convolution before them, so that a channel can be
    followed; that is the last convolution with as many channels. All channels of a strip share
    one scale.

    Raises:
        app.imaging.errors.PhotoError: the bytes are not a usable photo.
        app.model.explainer.NotExplainable: the model was published without its feature maps.
    """
    maps = classifier.explainer.feature_maps(classifier.pixels(data))
    drawn: list[Strip] = []
    shown: dict[int, list[int]] = {}
    for layer, step, values in _steps(classifier.card, maps):
        count = values.shape[-1]
        if step == "join":  # the next layer continues two paths, not one
            shown.clear()
            continue
        if step == "convolution" or count not in shown:
            shown[count] = most_active(values)
        drawn.append(_draw(layer, step, values, shown[count]))
    return drawn


def most_active(values: np.ndarray, count: int = CHANNELS) -> list[int]:
    """The `count` channels of (h, w, channels) whose positive part has the highest mean."""
    activity = np.maximum(values, 0).mean((0, 1))
    return [int(channel) for channel in np.argsort(-activity, kind="stable")[:count]]


def _steps(card: Card, maps: dict[str, np.ndarray]) -> list[tuple[str, str, np.ndarray]]:
    """(layer, step, map) in the network's order, with a "join" where two paths meet."""
    steps = []
    for layer in card.layers:
        if layer.kind in _JOINS:
            steps.append((layer.name, "join", np.empty((0, 0, 0))))
        if before := maps.get(linear(layer.name)) is not None:
            steps.append((layer.name, "convolution", maps[linear(layer.name)]))
        if layer.name in maps:
            steps.append((layer.name, _step(layer, before), maps[layer.name]))
    return steps


def _step(layer: Layer, after_linear: bool) -> str:
    if not after_linear:
        return _STEPS.get(layer.kind, layer.kind)
    name = str(layer.settings.get("activation", "activation"))
    return "ReLU" if name == "relu" else name


def _draw(layer: str, step: str, values: np.ndarray, channels: list[int]) -> Strip:
    height, width, count = values.shape
    shown = normalised(values[..., channels], 0.99)
    tiles = [_tile(shown[..., place]) for place in range(len(channels))]
    gap = np.full((len(tiles[0]), _GAP), GAP, np.uint8)
    row = np.hstack([part for tile in tiles for part in (tile, gap)][:-1])
    strip = Image.fromarray(row).convert("P")
    strip.putpalette(PALETTE)
    buffer = io.BytesIO()
    strip.save(buffer, "PNG", transparency=GAP, compress_level=3)
    low, high = float(values.min()), float(values.max())
    return Strip(layer, step, (height, width, count), channels, low, high, buffer.getvalue())


def _tile(values: np.ndarray) -> np.ndarray:
    """A channel as indices of the palette, reduced or enlarged to about one size."""
    longest = max(values.shape)
    if longest > _TILE:
        height, width = (max(1, round(side * _TILE / longest)) for side in values.shape)
        picture = Image.fromarray(values.astype(np.float32))
        return indices(np.asarray(picture.resize((width, height), Image.Resampling.BOX)))
    square = np.ones((max(1, _TILE // longest),) * 2, np.uint8)
    return np.kron(indices(values), square)
