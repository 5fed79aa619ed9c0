"""The network that is served against the one that was trained, through LiteRT."""

from pathlib import Path

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from keras import layers

from tests.conftest import shaken
from training.networks.architectures import cats_vs_dogs, digits, residual
from training.publishing.optimize import optimize
from training.publishing.winograd import Winograd


def served(network: keras.Model, pixels: np.ndarray, folder: Path) -> np.ndarray:
    """What a converted network makes of photos, one after the other."""
    network.export(folder / "model.tflite", format="litert", verbose=False)
    interpreter = Interpreter(model_path=str(folder / "model.tflite"))
    interpreter.allocate_tensors()
    answers = []
    for photo in pixels:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], photo[np.newaxis])
        interpreter.invoke()
        answers.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
    return np.array(answers)


def replaced(network: keras.Model) -> set[str]:
    return {layer.name for layer in optimize(network).layers if isinstance(layer, Winograd)}


def compare(network: keras.Model, folder: Path, count: int = 2) -> None:
    shape = (count, *network.input_shape[1:])
    pixels = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    expected = np.asarray(network(pixels, training=False))
    got = served(optimize(network), pixels, folder)
    assert got.shape == expected.shape
    assert np.ptp(expected, axis=0).max() > 0, "the photos make a difference"
    assert np.abs(got - expected).max() <= 3e-5 * np.abs(expected).max()


def one_convolution(height: int, width: int, **options: object) -> keras.Model:
    """Few rows are done in tiles of 2 of them, many in tiles of 4."""
    inputs = keras.Input((height, width, 24))
    return shaken(keras.Model(inputs, layers.Conv2D(40, 3, name="conv", **options)(inputs)))


@pytest.mark.parametrize(
    ("height", "padding"),
    [(9, "valid"), (10, "same"), (11, "same"), (35, "valid"), (36, "valid"), (37, "same")],
)
def test_a_convolution_of_any_size(height: int, padding: str, tmp_path: Path) -> None:
    network = one_convolution(height, height + 1, padding=padding, use_bias=height % 2)
    assert replaced(network) == {"conv"}
    compare(network, tmp_path)


@pytest.mark.parametrize("height", [9, 41])
def test_following_layers_are_fused(height: int, tmp_path: Path) -> None:
    inputs = keras.Input((height, 12, 32))
    x = layers.Conv2D(32, 3, padding="same", use_bias=False, name="conv")(inputs)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(name="relu")(x)
    network = shaken(keras.Model(inputs, layers.MaxPooling2D(2, name="pool")(x)))
    assert [type(layer).__name__ for layer in optimize(network).layers] == [
        "InputLayer",
        "Winograd",
    ]
    compare(network, tmp_path)


def test_a_layer_with_two_consumers_is_not_fused(tmp_path: Path) -> None:
    inputs = keras.Input((8, 8, 32))
    x = layers.Conv2D(32, 3, padding="same", activation="relu", name="conv")(inputs)
    pooled = layers.MaxPooling2D(2, name="pool")(x)
    features = [layers.GlobalAveragePooling2D()(maps) for maps in (x, pooled)]
    network = shaken(keras.Model(inputs, layers.Concatenate()(features)))
    assert replaced(network) == {"conv"}
    assert "pool" in {layer.name for layer in optimize(network).layers}
    compare(network, tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        {"strides": 2},
        {"dilation_rate": 2},
        {"groups": 2},
        {"activation": "tanh"},
        {"activation": layers.ReLU()},
    ],
    ids=["strides", "dilation", "groups", "tanh", "layer as activation"],
)
def test_other_convolutions_are_not_replaced(options: dict[str, object]) -> None:
    assert not replaced(one_convolution(12, 12, **options))


def test_a_shared_layer_is_not_replaced(tmp_path: Path) -> None:
    inputs = keras.Input((8, 8, 32))
    shared = layers.Conv2D(32, 3, padding="same", activation="relu")
    network = shaken(keras.Model(inputs, shared(shared(inputs))))
    assert not replaced(network)
    compare(network, tmp_path)


@pytest.mark.parametrize(
    ("network", "names"),
    [
        (shaken(cats_vs_dogs()), {"conv_2", "conv_3", "conv_4", "conv_5"}),
        (shaken(digits()), {"conv_2"}),
        (
            shaken(residual(3, side=32, stem=16, widths=(24, 40), depths=(1, 1), strides=(1, 2))),
            {"stage_1_1_b", "stage_2_1_a", "stage_2_1_b"},
        ),
    ],
    ids=["cats-vs-dogs", "digits", "residual"],
)
def test_whole_networks(network: keras.Model, names: set[str], tmp_path: Path) -> None:
    assert replaced(network) == names
    compare(network, tmp_path)


def test_a_sequential_network(tmp_path: Path) -> None:
    stack = [keras.Input((10, 10, 32)), layers.Conv2D(32, 3, name="conv"), layers.ReLU()]
    network = shaken(keras.Sequential([*stack, layers.Flatten(), layers.Dense(3)]))
    assert replaced(network) == {"conv"}
    compare(network, tmp_path)
