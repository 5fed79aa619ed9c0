"""The quantiles of photos' statistics and the shares of their labels."""

import json
from dataclasses import replace

import pytest

from app.imaging.statistics import Statistics
from app.model.card import PhotoSummary
from app.model.prediction import Prediction
from app.model.summary import Values, photo_values, summarize

ANSWERS = ["dog", "cat", "dog", "dog"]
# The odd one first; the quantiles of four values lie 0.3, 1.5 and 2.7 steps from the lowest.
BRIGHTNESS = [200.0, 10.0, 40.0, 20.0]


def values(number: int, **more: float) -> Values:
    return {"brightness": BRIGHTNESS[number], "sharpness": 1.0, "megapixels": number / 2} | more


def test_quantiles_and_shares_are_those_worked_out_by_hand() -> None:
    found = summarize(("cat", "dog", "owl"), ANSWERS, [values(number) for number in range(4)])
    assert found.photos == 4
    assert found.quantiles["brightness"] == pytest.approx((13, 30, 152))
    assert found.quantiles["megapixels"] == pytest.approx((0.15, 0.75, 1.35))
    assert found.label_shares == {"cat": 0.25, "dog": 0.75, "owl": 0}


def test_a_statistic_that_no_photo_has_is_left_out() -> None:
    found = summarize(("cat", "dog"), ANSWERS, [values(number) for number in range(4)])
    assert set(found.quantiles) == {"brightness", "sharpness", "megapixels"}


def test_familiarity_is_summarized_where_there_is_one() -> None:
    photos = [values(number, familiarity=number**2 / 10) for number in range(4)]
    found = summarize(("cat", "dog"), ANSWERS, photos)
    assert found.quantiles["familiarity"] == pytest.approx((0.03, 0.25, 0.75))


def test_the_values_of_a_photo_are_its_statistics_and_its_familiarity() -> None:
    statistics = Statistics(brightness=5, sharpness=3, megapixels=2)
    prediction = Prediction("dog", 0.75, {"cat": 0.25, "dog": 0.75})
    expected = {"brightness": 5, "sharpness": 3, "megapixels": 2, "familiarity": None}
    assert photo_values(statistics, prediction) == expected
    known = replace(prediction, familiarity=0.375)
    assert photo_values(statistics, known) == expected | {"familiarity": 0.375}
    assert photo_values(replace(statistics, megapixels=7), prediction)["megapixels"] == 7


def test_a_summary_is_the_same_after_json() -> None:
    found = summarize(("cat", "dog"), ANSWERS, [values(number) for number in range(4)])
    assert PhotoSummary.model_validate(json.loads(found.model_dump_json())) == found
