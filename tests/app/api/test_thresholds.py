"""Decisions over HTTP: of the digits with thresholds, and of a version without them."""

import re
from collections.abc import Iterator

import httpx
import numpy as np
import pytest

from app.model.classifier import Classifier
from app.settings import Settings
from tests import pictures
from tests.conftest import ROOT, serving
from tests.versions import DIGITS

NEW = ROOT / "models" / "digits" / "2"
NOISE = pictures.encode(pictures.noise(5, 90, 60))


@pytest.fixture(scope="module")
def digits() -> Iterator[httpx.Client]:
    with serving(Settings(model=NEW, workers=1)) as client:
        yield client


def one(width: int) -> bytes:
    """A vertical line, which is a one."""
    pixels = np.zeros((28, 28), np.uint8)
    pixels[5:23, 13 : 13 + width] = 230
    return pictures.encode(pictures.grey(pixels))


def post(client: httpx.Client, photo: bytes, query: str = "") -> httpx.Response:
    return client.post(f"/predict{query}", files={"file": photo})


def test_a_digit_is_accepted_and_noise_is_unknown(digits: httpx.Client) -> None:
    found = post(digits, one(2)).json()
    assert (found["decision"], found["known"], found["labels"]) == ("accept", True, ["1"])
    assert found["nearest"]["label"] == found["label"] == "1"
    assert found["familiarity"] > 0.01
    assert 0.8 < found["nearest"]["similarity"] <= 1
    found = post(digits, NOISE).json()
    assert (found["decision"], found["known"], found["familiarity"]) == ("unknown", False, 0)
    assert found["labels"][0] == found["label"]


def test_http_answers_as_the_classifier_does(digits: httpx.Client) -> None:
    classifier = Classifier.load(NEW, engine=digits.get("/model").json()["engine"])
    for photo in (NOISE, one(3)):
        expected, found = classifier.predict(photo), post(digits, photo).json()
        assert expected.nearest is not None
        assert found["familiarity"] == expected.familiarity
        assert found["nearest"] == {
            "label": expected.nearest.label,
            "similarity": pytest.approx(expected.nearest.similarity),
        }


def test_a_batch_has_the_decision_for_each_photo(digits: httpx.Client) -> None:
    files = [("files", photo) for photo in (NOISE, b"no photo", one(2))]
    found = digits.post("/predict/batch?min_familiarity=0", files=files).json()["predictions"]
    assert [each.get("known") for each in found] == [True, None, True]
    assert found[1]["type"] == "urn:problem:unsupported-format"
    found = digits.post("/predict/batch", files=files).json()["predictions"]
    assert [each.get("decision") for each in found] == ["unknown", None, "accept"]


def test_a_request_chooses_its_thresholds(digits: httpx.Client) -> None:
    assert post(digits, NOISE, "?min_familiarity=0").json()["known"]
    assert post(digits, one(2), "?min_familiarity=1").json()["decision"] == "unknown"
    smallest = digits.get("/model").json()["decisions"]["smallest_error"]
    strict = post(digits, NOISE, f"?error={smallest}").json()["labels"]
    assert set(post(digits, NOISE, "?error=0.5").json()["labels"]) <= set(strict)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("error=-0.004", "error is '-0.004'; expected a number from 0 to 0.5."),
        ("error=0.51", "error is '0.51'; expected a number from 0 to 0.5."),
        ("error=", "error is ''; expected a number from 0 to 0.5."),
        ("error=nan", "error is 'nan'; expected a number from 0 to 0.5."),
        ("error=inf", "error is 'inf'; expected a number from 0 to 0.5."),
        ("min_familiarity=-1", "min_familiarity is '-1'; expected a number from 0 to 1."),
        ("min_familiarity=2&error=0.1", "min_familiarity is '2'; expected a number from 0 to 1."),
    ],
)
@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
def test_a_threshold_out_of_range_is_refused(
    digits: httpx.Client, path: str, query: str, message: str
) -> None:
    field = "file" if path == "/predict" else "files"
    answer = digits.post(f"{path}?{query}", files={field: one(2)})
    assert (answer.status_code, answer.json()["detail"]) == (422, f"The value of {message}")
    assert answer.json()["type"] == "urn:problem:threshold-out-of-range"


@pytest.mark.parametrize("error", ["0", "0.001"])
def test_below_the_smallest_error_every_label_is_possible(digits: httpx.Client, error: str) -> None:
    found = post(digits, one(2), f"?error={error}").json()
    assert found["decision"] == "unsure"
    assert sorted(found["labels"]) == list("0123456789")
    assert found["labels"][0] == "1"


def test_the_model_tells_its_thresholds_and_the_metrics_count(digits: httpx.Client) -> None:
    found = digits.get("/model").json()
    assert found["decisions"] == {
        "error": 0.05,
        "smallest_error": 1 / (min(found["thresholds"]["photos"].values()) + 1),
        "min_familiarity": 0.01,
    }

    def counts() -> dict[str, float]:
        text = digits.get("/metrics").text
        pairs = re.findall(r'^decisions_total{decision="(\w+)"} (\S+)$', text, re.MULTILINE)
        return {name: float(value) for name, value in pairs}

    before = counts()
    assert before.keys() == {"accept", "unsure", "unknown"}
    for photo in (NOISE, one(2), one(2)):
        post(digits, photo)
    after = counts()
    assert [after[name] - before[name] for name in ("accept", "unsure", "unknown")] == [2, 0, 1]


def test_the_settings_come_before_the_card() -> None:
    with serving(Settings(model=NEW, workers=1, error=0.25, min_familiarity=0)) as client:
        found = client.get("/model").json()["decisions"]
        assert (found["error"], found["min_familiarity"]) == (0.25, 0)
        assert post(client, NOISE).json()["known"]


def test_a_version_without_thresholds_has_none_and_refuses_to_promise() -> None:
    with serving(Settings(model=DIGITS, workers=1, error=0.01)) as client:
        found = post(client, one(2)).json()
        names = ("decision", "known", "familiarity", "nearest", "labels")
        assert [found[name] for name in names] == [None] * 5
        assert client.get("/model").json()["decisions"] is None
        answer = post(client, one(2), "?error=0.1")
        assert answer.status_code == 422
        assert answer.json()["detail"] == (
            "The model digits 1 has no thresholds, so it cannot decide. Leave error out, or serve "
            "a version that has them."
        )
