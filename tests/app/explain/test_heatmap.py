"""The drawings: evidence over a photo, and strips of feature maps."""

import io

import numpy as np
import pytest
from PIL import Image

from app.explain import feature_maps, heatmap
from app.explain.attribution import Evidence, Explanation
from app.explain.colormap import colours, normalised
from app.explain.heatmap import spread
from app.imaging.decode import preview
from app.imaging.errors import BrokenPhoto
from app.model.classifier import Classifier
from app.model.prediction import Prediction
from tests import pictures
from tests.conftest import ROOT

TILED = [0.25, 0.75]


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load(ROOT / "models" / "cats-vs-dogs" / "1")


def test_a_smooth_map_has_each_places_value_at_its_place() -> None:
    values = np.array([[1.0, 0.0], [0.0, -1.0]])
    smooth = spread(values, TILED, TILED, 40, 80)
    assert smooth.shape == (40, 80)
    assert smooth[10, 20] > 0.5
    assert smooth[30, 60] < -0.5
    assert abs(smooth[20, 40]) < 0.05
    assert np.abs(smooth).max() <= 1
    steps = np.abs(np.diff(smooth, axis=0)).max()
    assert steps < 0.15


def test_it_fades_out_beyond_the_outermost_places() -> None:
    smooth = spread(np.ones((2, 2)), [0.4, 0.5], [0.4, 0.5], 100, 100)
    assert smooth[40, 40] > 0.75
    assert smooth[36, 40] > 0.75
    assert abs(smooth[5, 40]) < 0.01
    assert abs(smooth[95, 95]) < 0.01


def test_a_single_place_covers_the_photo() -> None:
    assert spread(np.ones((1, 1)), [0.5], [0.5], 10, 10).min() > 0.6


def test_the_colours_are_signed_and_grow_lighter() -> None:
    ramp = colours(np.linspace(-1, 1, 101))
    light = ramp.astype(float) @ (0.299, 0.587, 0.114)
    assert (np.diff(light[:51]) <= 1).all()
    assert (np.diff(light[50:]) >= -1).all()
    assert ramp[20, 2] > ramp[20, 0]  # below zero: blue
    assert ramp[80, 0] > ramp[80, 2]  # above: orange


def test_scaling_keeps_zero_and_stands_zeros() -> None:
    assert normalised(np.array([-2.0, 0, 1])).tolist() == [-1, 0, 0.5]
    assert normalised(np.zeros(3)).tolist() == [0, 0, 0]
    assert normalised(np.array([0.0] * 99 + [5]), 0.5).max() == 1


def test_orange_lies_where_the_evidence_is_for_the_answer(classifier: Classifier) -> None:
    grey = pictures.encode(Image.new("RGB", (400, 400), (128, 128, 128)))
    maps = np.zeros((2, 2), np.float32)
    maps[0, 0], maps[1, 1] = 1, -1
    explanation = Explanation(
        Prediction("dog", 0.75, {"cat": 0.25, "dog": 0.75}), TILED, TILED,
        {"cat": Evidence(-maps, 0, 0), "dog": Evidence(maps, 0, 0)},
    )  # fmt: skip
    png = heatmap.draw(classifier, grey, explanation)
    image = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    orange, blue, nothing = image[160, 160], image[480, 480], image[160, 480]
    assert orange[0] > orange[2] + 100
    assert blue[2] > blue[0] + 100
    assert np.ptp(nothing) < 30


def test_a_preview_keeps_the_proportions_and_is_upright() -> None:
    sideways = pictures.with_orientation(pictures.gradient(200, 100), 6)
    assert preview(sideways, 50).size == (25, 50)
    assert preview(pictures.encode(pictures.noise(1, 1, 900)), 90).size == (1, 90)
    with pytest.raises(BrokenPhoto):
        preview(b"\xff\xd8\xff\xe0", 90)


def test_the_most_active_channels_come_first() -> None:
    values = np.zeros((4, 4, 5))
    values[..., 3], values[..., 1], values[..., 4] = 2, 1, -9
    assert feature_maps.most_active(values, 2) == [3, 1]


def test_relu_and_pooling_show_the_channels_of_their_convolution(classifier: Classifier) -> None:
    data = pictures.encode(pictures.noise(4, 200, 200))
    strips = feature_maps.strips(classifier, data)
    assert strips[0].channels == strips[1].channels == strips[2].channels
    assert strips[0].low < 0 <= strips[1].low
    assert strips[0].high == strips[1].high
    picture = Image.open(io.BytesIO(strips[0].png))
    assert picture.size == (8 * 96 + 7 * 4, 96)
    assert len(strips[0].png) < 80_000  # a byte a pixel, before compression
