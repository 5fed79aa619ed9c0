"""What a worker makes of a photo: members that the answers are made of, as JSON takes them."""

import base64
import io
import json
from typing import Any

import pytest
from PIL import Image

from app.api.schemas import ExplanationBody, LayersBody, model_name
from app.explain import attribution, feature_maps, heatmap
from app.explain.jobs import JOBS
from app.imaging.errors import BrokenPhoto, EmptyPhoto, TooManyPixels
from app.model.classifier import Classifier
from app.model.explainer import NotExplainable
from tests import pictures
from tests.versions import DIGITS

PHOTO = pictures.encode(pictures.gradient(), "PNG")


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load(DIGITS)


def members(classifier: Classifier, job: str) -> dict[str, Any]:
    """What the service gets: JSON has no numbers of NumPy, and no infinite ones."""
    made = JOBS[job](classifier, PHOTO)
    text = json.dumps(made, allow_nan=False)
    read: dict[str, Any] = json.loads(text)
    return read


def test_the_evidence_is_that_of_the_attribution(classifier: Classifier) -> None:
    named = members(classifier, "evidence") | {"model": model_name(classifier.card)}
    body = ExplanationBody.model_validate(named)
    found = attribution.explain(classifier, PHOTO)
    assert (body.label, body.probability) == (found.prediction.label, found.prediction.probability)
    assert body.probabilities == found.prediction.probabilities
    assert (body.rows, body.columns) == (found.rows, found.columns)
    assert list(body.evidence) == list(classifier.card.labels)
    for label, one in body.evidence.items():
        expected = found.evidence[label]
        assert (one.logit, one.bias, one.map) == (
            expected.logit, expected.bias, expected.map.tolist(),
        )  # fmt: skip


def test_the_drawing_is_that_of_the_heatmap(classifier: Classifier) -> None:
    drawn = JOBS["drawn"](classifier, PHOTO)
    assert isinstance(drawn, bytes)
    assert drawn == heatmap.draw(classifier, PHOTO, attribution.explain(classifier, PHOTO))
    assert Image.open(io.BytesIO(drawn)).format == "PNG"


def test_the_layers_are_the_strips_of_the_feature_maps(classifier: Classifier) -> None:
    named = members(classifier, "layers") | {"model": model_name(classifier.card)}
    body = LayersBody.model_validate(named)
    expected = feature_maps.strips(classifier, PHOTO)
    assert len(body.strips) == len(expected) > 3
    for one, strip in zip(body.strips, expected, strict=True):
        assert (one.layer, one.step, one.shape) == (strip.layer, strip.step, strip.shape)
        assert (one.channels, one.low, one.high) == (strip.channels, strip.low, strip.high)
        head, _, text = one.png.partition(",")
        assert (head, base64.b64decode(text)) == ("data:image/png;base64", strip.png)


@pytest.mark.parametrize("job", JOBS)
def test_what_is_wrong_with_a_photo_is_told_as_in_decoding(
    classifier: Classifier, job: str
) -> None:
    small = Classifier(classifier.card, classifier.network, 9, explainer=classifier.explainer)
    for who, data, error in (
        (classifier, b"", EmptyPhoto),
        (classifier, PHOTO[:100], BrokenPhoto),
        (small, PHOTO, TooManyPixels),
    ):
        with pytest.raises(error):
            JOBS[job](who, data)


@pytest.mark.parametrize("job", JOBS)
def test_a_version_without_explanations_says_so(classifier: Classifier, job: str) -> None:
    with pytest.raises(NotExplainable):
        JOBS[job](Classifier(classifier.card, classifier.network), PHOTO)
