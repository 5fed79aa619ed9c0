"""The centres of any chain of layers, against the pixels that each place is traced back to."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.explain.receptive_field import centres
from app.model.card import Card, Input, Layer
from app.model.version_folder import load_card
from tests.versions import DIGITS

HEIGHT, WIDTH = 61, 83
WINDOWS = {"Conv2D": "kernel_size", "MaxPooling2D": "pool_size", "AveragePooling2D": "pool_size"}
POINTWISE = ("InputLayer", "Rescaling", "BatchNormalization", "ReLU", "Activation", "Dropout")


def layer(kind: str, **options: Any) -> Layer:
    return Layer(name=kind, kind=kind, output_shape=(), parameters=0, settings=options)


def chain(*layers: Layer) -> Card:
    size = Input(height=HEIGHT, width=WIDTH, channels=1)
    return load_card(DIGITS).model_copy(update={"input": size, "layers": layers})


def traced(layers: tuple[Layer, ...], axis: int) -> list[float]:
    """The middle of the pixels that each place depends on, as a fraction of the side."""
    side = (HEIGHT, WIDTH)[axis]
    fields = [(place, place) for place in range(side)]  # the first and the last pixel of each
    for each in layers:
        if each.kind not in WINDOWS:
            continue
        options: dict[str, Any] = dict(each.settings)
        window, stride = options[WINDOWS[each.kind]][axis], options["strides"][axis]
        before = 0
        places = range(0, len(fields) - window + 1, stride)
        if options["padding"] == "same":
            places = range(0, len(fields), stride)
            before = max(places[-1] + window - len(fields), 0) // 2
        step = fields[1][0] - fields[0][0]
        first, last = fields[0]
        fields = [
            (first + (at - before) * step, last + (at - before + window - 1) * step)
            for at in places
        ]
    return [((first + last) / 2 + 0.5) / side for first, last in fields]


WINDOWED = st.builds(
    lambda kind, window, stride, padding: layer(
        kind, **{WINDOWS[kind]: window, "strides": stride, "padding": padding}
    ),
    st.sampled_from(sorted(WINDOWS)),
    st.lists(st.integers(1, 4), min_size=2, max_size=2),
    st.lists(st.integers(1, 2), min_size=2, max_size=2),
    st.sampled_from(["same", "valid"]),
)


@given(st.lists(WINDOWED | st.sampled_from(POINTWISE).map(layer), max_size=4))
@settings(max_examples=80, derandomize=True, deadline=None)
def test_any_chain_of_layers_has_the_centres_that_it_is_traced_to(layers: list[Layer]) -> None:
    after = layer("Dense"), layer("Conv2D", kernel_size=[9, 9])
    card = chain(*layers, layer("Flatten"), *after)
    for axis in (0, 1):
        expected = traced(tuple(layers), axis)
        assert centres(card, len(expected), axis) == pytest.approx(expected)


@pytest.mark.parametrize("window", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("axis", [0, 1])
def test_padding_depends_on_the_places_of_the_layer_before(window: int, axis: int) -> None:
    layers = (
        layer("Conv2D", kernel_size=[window, window], strides=[2, 2], padding="valid"),
        layer("Conv2D", kernel_size=[5, 5], strides=[3, 3], padding="same"),
    )
    expected = traced(layers, axis)
    found = centres(chain(*layers, layer("Flatten")), len(expected), axis)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("end", ["Flatten", "GlobalAveragePooling2D"])
def test_a_side_may_be_one_number_and_is_one_by_default(end: str) -> None:
    card = chain(layer("Conv2D", kernel_size=5, strides=3), layer("MaxPooling2D"), layer(end))
    expected = [(2.5 + 3 * place) / HEIGHT for place in range(19)]
    assert centres(card, 19, 0) == pytest.approx(expected)


@pytest.mark.parametrize(
    "layers",
    [
        (layer("Conv2D", kernel_size=5, strides=3), layer("Add"), layer("Flatten")),
        (layer("Conv2D", kernel_size=5, strides=3),),
        (),
    ],
)
def test_what_is_no_chain_is_divided_evenly(layers: tuple[Layer, ...]) -> None:
    assert centres(chain(*layers), 5, 1) == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9])
    assert math.isclose(centres(chain(*layers), 4, 0)[0], 0.125)
