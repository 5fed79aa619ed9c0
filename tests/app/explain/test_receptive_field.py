"""Where the places of a feature map lie, against convolutions that are really computed."""

import json

import keras
import numpy as np
import pytest

from app.explain.receptive_field import centres
from app.model.card import Card, Layer
from app.model.version_folder import load_card
from tests.conftest import ROOT
from training.publishing.publish import _layer


@pytest.fixture
def card() -> Card:
    return load_card(ROOT / "models" / "cats-vs-dogs" / "1")


def with_layers(card: Card, side: int, *layers: Layer) -> Card:
    size = card.input.model_copy(update={"height": side, "width": side})
    return card.model_copy(update={"input": size, "layers": layers})


def test_the_shipped_network_looks_away_from_the_edges(card: Card) -> None:
    """By hand: the first centre is at pixel 38.5, and they are 16 pixels apart."""
    expected = [(38.5 + 0.5 + 16 * place) / 180 for place in range(7)]
    assert centres(card, 7, 0) == pytest.approx(expected)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(
    ("kernel", "strides", "pool"), [(3, 1, 2), (5, 2, 3), (1, 1, 2), (3, 3, 1)]
)
def test_the_centre_is_where_a_place_has_its_input_from(
    card: Card, padding: str, kernel: int, strides: int, pool: int
) -> None:
    """Each place of an all-ones chain sums a patch of the photo; its mean row is the centre."""
    side = 41
    inputs = keras.Input((side, side, 1))
    x = keras.layers.Conv2D(1, kernel, strides=strides, padding=padding)(inputs)
    x = keras.layers.AveragePooling2D(pool, padding=padding)(x)
    x = keras.layers.Conv2D(1, 3)(x)
    network = keras.Model(inputs, keras.layers.Flatten()(x))
    for layer in network.layers:
        layer.set_weights([np.ones_like(weight) for weight in layer.get_weights()])
    places = x.shape[1]
    one_hot = np.eye(side, dtype=np.float32)[:, :, None, None] * np.ones(
        (1, 1, side, 1), np.float32
    )
    bias = np.asarray(network(np.zeros((1, side, side, 1))))
    answers = np.asarray(network(one_hot) - bias).reshape(side, places, places)
    middle = answers[:, places // 2, places // 2]
    expected = (np.average(np.arange(side), weights=middle) + 0.5) / side
    layers = json.loads(json.dumps([_layer(layer).model_dump() for layer in network.layers]))
    chain = with_layers(card, side, *(Layer(**layer) for layer in layers))
    assert centres(chain, places, 0)[places // 2] == pytest.approx(expected, abs=0.001)


def test_paths_that_join_are_tiled(card: Card) -> None:
    add = Layer(name="add", kind="Add", output_shape=(4, 4, 1), parameters=0, settings={})
    assert centres(with_layers(card, 16, add), 4, 1) == [0.125, 0.375, 0.625, 0.875]
    assert centres(with_layers(card, 16), 2, 1) == [0.25, 0.75]
