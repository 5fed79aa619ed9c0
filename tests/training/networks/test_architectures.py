"""The lecture's networks, layer for layer, and ours by its properties."""

import keras
import numpy as np
import pytest

from training.networks import architectures
from training.networks.flops import multiply_adds


def table(network: keras.Model) -> list[tuple[str, tuple[int, ...], int]]:
    return [
        (type(layer).__name__, tuple(layer.output.shape[1:]), layer.count_params())
        for layer in network.layers
    ]


def test_cats_vs_dogs_has_the_lectures_layers() -> None:
    network = architectures.cats_vs_dogs()
    assert table(network) == [
        ("InputLayer", (180, 180, 3), 0),
        ("Rescaling", (180, 180, 3), 0),
        ("Conv2D", (178, 178, 32), 896),
        ("MaxPooling2D", (89, 89, 32), 0),
        ("Conv2D", (87, 87, 64), 18_496),
        ("MaxPooling2D", (43, 43, 64), 0),
        ("Conv2D", (41, 41, 128), 73_856),
        ("MaxPooling2D", (20, 20, 128), 0),
        ("Conv2D", (18, 18, 256), 295_168),
        ("MaxPooling2D", (9, 9, 256), 0),
        ("Conv2D", (7, 7, 256), 590_080),
        ("Flatten", (12_544,), 0),
        ("Dense", (1,), 12_545),
    ]
    assert network.count_params() == 991_041
    assert network.layers[-1].activation is keras.activations.sigmoid
    assert all(
        layer.activation is keras.activations.relu
        for layer in network.layers
        if isinstance(layer, keras.layers.Conv2D)
    )


def test_digits_has_the_lectures_layers() -> None:
    network = architectures.digits()
    assert table(network) == [
        ("InputLayer", (28, 28, 1), 0),
        ("Rescaling", (28, 28, 1), 0),
        ("Conv2D", (26, 26, 32), 320),
        ("MaxPooling2D", (13, 13, 32), 0),
        ("Conv2D", (11, 11, 64), 18_496),
        ("MaxPooling2D", (5, 5, 64), 0),
        ("Conv2D", (3, 3, 128), 73_856),
        ("Flatten", (1_152,), 0),
        ("Dense", (10,), 11_530),
    ]
    assert network.count_params() == 104_202
    assert network.layers[-1].activation is keras.activations.softmax


@pytest.mark.parametrize(
    "build", [architectures.cats_vs_dogs, architectures.digits, architectures.residual]
)
@pytest.mark.parametrize(("classes", "outputs"), [(2, 1), (3, 3), (10, 10)])
def test_two_classes_end_in_a_sigmoid_more_in_a_softmax(
    build: type[keras.Model], classes: int, outputs: int
) -> None:
    network = build(classes)
    kind = "sigmoid" if outputs == 1 else "softmax"
    assert network.output_shape == (None, outputs)
    assert network.layers[-1].activation.__name__ == kind


def test_the_network_itself_divides_by_255() -> None:
    network = architectures.digits()
    scaled = keras.Model(network.input, network.get_layer("rescaling").output)
    pixels = np.full((1, 28, 28, 1), 255, np.uint8)
    assert np.allclose(keras.ops.convert_to_numpy(scaled(pixels)), 1.0)


def test_dropout_is_before_the_last_layer_without_parameters() -> None:
    plain, dropping = architectures.cats_vs_dogs(), architectures.cats_vs_dogs(dropout=0.5)
    assert [layer.name for layer in dropping.layers[-3:]] == ["flatten", "dropout", "probability"]
    assert dropping.count_params() == plain.count_params()


def test_multiply_adds_of_the_lectures_network() -> None:
    # Its convolutions by hand: places x kernel x channels in x channels out.
    places = (178**2 * 3 * 32, 87**2 * 32 * 64, 41**2 * 64 * 128, 18**2 * 128 * 256, 49 * 256 * 256)
    assert multiply_adds(architectures.cats_vs_dogs()) == 9 * sum(places) + 12_544


def test_the_residual_network_needs_less_than_half_of_the_lectures_multiply_adds() -> None:
    assert (
        multiply_adds(architectures.residual())
        < 200e6
        < multiply_adds(architectures.cats_vs_dogs()) / 2
    )


def test_a_residual_block_initially_equals_its_shortcut() -> None:
    network = architectures.residual(side=64)
    block = keras.Model(
        network.input,
        [network.get_layer(f"stage_2_1_{part}").output for part in ("shortcut_norm", "relu")],
    )
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    shortcut, result = map(keras.ops.convert_to_numpy, block(pixels))
    assert np.allclose(np.maximum(shortcut, 0), result)


def test_the_residual_network_takes_any_side_when_it_is_trained() -> None:
    fixed, any_side = architectures.residual(side=96), architectures.residual(side=None)
    any_side.set_weights(fixed.get_weights())
    pixels = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), np.uint8)
    one, two = (keras.ops.convert_to_numpy(net(pixels)) for net in (fixed, any_side))
    assert np.allclose(one, two, atol=1e-6)
    assert any_side(np.zeros((1, 64, 64, 3), np.uint8)).shape == (1, 1)
