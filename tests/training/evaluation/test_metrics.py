"""The figures of an evaluation, against values worked out by hand and by other means."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from training.evaluation.metrics import Evaluation, wilson_interval


def evaluation(truths: list[int], probabilities: list[list[float]]) -> Evaluation:
    labels = tuple("abc"[: len(probabilities[0])])
    names = tuple(str(number) for number in range(len(truths)))
    return Evaluation(labels, names, np.array(truths), np.array(probabilities), {})


def binary(truths: list[int], second: list[float]) -> Evaluation:
    return evaluation(truths, [[1 - value, value] for value in second])


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_wilson_interval(right: int, total: int, low: float, high: float) -> None:
    assert wilson_interval(right, total) == pytest.approx((low, high), abs=5e-5)


def test_two_labels() -> None:
    result = binary([0, 0, 1, 1], [0.1, 0.8, 0.6, 0.85])
    assert result.confusion.tolist() == [[1, 1], [0, 2]]
    assert result.accuracy.value == 0.75
    assert result.log_loss == pytest.approx(-sum(map(math.log, (0.9, 0.2, 0.6, 0.85))) / 4)
    assert result.brier == pytest.approx((0.01 + 0.64 + 0.16 + 0.0225) / 4)
    assert result.auroc == 0.75  # of the four pairs, only 0.6 and 0.8 are in the wrong order
    figures = result.by_class()
    assert (figures["a"].precision, figures["a"].recall) == (1.0, 0.5)
    assert figures["b"].precision == pytest.approx(2 / 3)
    assert figures["b"].support == 2


def test_three_labels() -> None:
    result = evaluation([0, 1, 2], [[0.7, 0.2, 0.1], [0.5, 0.3, 0.2], [0.0, 0.0, 1.0]])
    assert result.confusion.tolist() == [[1, 0, 0], [1, 0, 0], [0, 0, 1]]
    assert result.brier == pytest.approx((0.09 + 0.04 + 0.01 + 0.25 + 0.49 + 0.04) / 3)


def test_the_auroc_of_three_labels_is_the_mean_over_all_of_them() -> None:
    truths = [0, 0, 1, 1, 2, 2, 2]
    probabilities = [
        [0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.2, 0.5, 0.3], [0.3, 0.3, 0.4],
        [0.0, 0.1, 0.9], [0.4, 0.25, 0.35], [0.05, 0.15, 0.8],
    ]  # fmt: skip
    areas = []
    for label in range(3):
        scores = [row[label] for row in probabilities]
        own, rest = (
            [score for score, truth in zip(scores, truths, strict=True) if (truth == label) is its]
            for its in (True, False)
        )
        areas.append(np.mean([(a > b) + 0.5 * (a == b) for a, b in product(own, rest)]))
    assert len({round(area, 6) for area in areas}) == 3
    assert evaluation(truths, probabilities).auroc == pytest.approx(np.mean(areas))


def test_a_label_without_photos_has_no_auroc_and_does_not_fail() -> None:
    result = evaluation([0, 1], [[0.7, 0.2, 0.1], [0.5, 0.3, 0.2]])
    assert result.auroc is None
    assert result.by_class()["c"].support == 0


def test_the_log_loss_of_a_certain_mistake_is_finite() -> None:
    assert binary([1], [0.0]).log_loss == pytest.approx(24 * math.log(2))


def test_calibration_error_of_calibrated_probabilities() -> None:
    random = np.random.default_rng(0)
    second = random.uniform(0, 1, 200_000)
    truths = (random.uniform(0, 1, len(second)) < second).astype(int)
    assert binary(list(truths), list(second)).calibration_error < 0.01


def test_calibration_error_of_overconfident_probabilities() -> None:
    # Says 0.9 and is right three times of four: off by 0.15 in every bin.
    second = [0.9] * 400
    truths = [1, 1, 1, 0] * 100
    assert binary(truths, second).calibration_error == pytest.approx(0.15, abs=0.02)


def test_too_much_and_too_little_confidence_do_not_cancel() -> None:
    # Says 0.6 and is always right, for 40 % of the photos; says 0.9 and is never right.
    result = binary([1] * 120 + [0] * 180, [0.6] * 120 + [0.9] * 180)
    assert result.calibration_error == pytest.approx(0.4 * 0.4 + 0.6 * 0.9)


def test_bins_have_equal_sizes_and_are_ordered() -> None:
    random = np.random.default_rng(1)
    bins = binary([1] * 100, list(random.uniform(0.5, 1, 100))).reliability()
    assert len(bins) == 15
    assert sum(row.samples for row in bins) == 100
    assert {row.samples for row in bins} == {6, 7}
    levels = [row.confidence for row in bins]
    assert levels == sorted(levels)


def test_coverage_and_accuracy_at_a_confidence() -> None:
    result = binary([1, 1, 0, 1], [0.99, 0.9, 0.95, 0.6])
    row = result.coverage_at(0.9)
    assert row.coverage == 0.75
    assert row.accuracy == pytest.approx(2 / 3)
    assert result.coverage_at(0.999).accuracy is None


@given(labels=st.integers(2, 4), photos=st.integers(1, 60), seed=st.integers(0, 999))
@settings(max_examples=60, derandomize=True, deadline=None)
def test_any_evaluation_has_the_figures_of_scikit_learn(
    labels: int, photos: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.full(labels, 0.7), photos)
    truths = random.integers(0, labels, photos)
    result = Evaluation(tuple("abcd"[:labels]), ("",) * photos, truths, probabilities, {})
    every, answers = range(labels), probabilities.argmax(axis=1)
    assert result.log_loss == pytest.approx(
        metrics.log_loss(truths, probabilities, labels=every), rel=1e-5
    )
    hot = np.eye(labels)[truths]
    squares = ((hot - probabilities) ** 2).sum() / photos
    assert result.brier == pytest.approx(squares / 2 if labels == 2 else squares)
    assert result.accuracy.value == metrics.accuracy_score(truths, answers)
    if len(set(truths)) < labels:
        assert result.auroc is None
    else:
        areas = [metrics.roc_auc_score(truths == each, probabilities[:, each]) for each in every]
        assert result.auroc == pytest.approx(np.mean(areas))
    by_class = result.by_class()
    for name, score in (("precision", metrics.precision_score), ("recall", metrics.recall_score)):
        expected = score(truths, answers, labels=every, average=None, zero_division=0)
        assert [getattr(each, name) for each in by_class.values()] == pytest.approx(list(expected))
    for bound in (0.3, 0.6, 0.9):
        sure = probabilities.max(axis=1) >= bound
        row = result.coverage_at(bound)
        assert row.coverage == pytest.approx(sure.sum() / photos)
        right = int((answers == truths)[sure].sum())
        assert row.accuracy == (pytest.approx(right / sure.sum()) if sure.any() else None)


@given(photos=st.integers(1, 70), seed=st.integers(0, 999))
@settings(max_examples=60, derandomize=True, deadline=None)
def test_any_calibration_error_is_that_of_the_formula(photos: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    second, truths = random.uniform(0, 1, photos), random.integers(0, 2, photos)
    confidences = np.maximum(second, 1 - second)
    right = (second > 0.5) == truths
    gaps, start, order = 0.0, 0, np.argsort(confidences)
    bins = min(15, photos)
    for number in range(bins):
        size = photos // bins + (number < photos % bins)
        rows = order[start : start + size]
        gaps += abs(confidences[rows].sum() - right[rows].sum())
        start += size
    assert binary(list(truths), list(second)).calibration_error == pytest.approx(gaps / photos)


def test_a_photo_exactly_at_a_confidence_is_covered() -> None:
    row = binary([1, 0, 0], [0.75, 0.625, 1.0]).coverage_at(0.75)
    assert (row.confidence, row.accuracy) == (0.75, 0.5)
    assert row.coverage == pytest.approx(2 / 3)


def test_each_bin_has_its_confidence_and_accuracy() -> None:
    result = binary([1, 0, 1], [0.75, 0.875, 0.375])
    bins = [(row.samples, row.confidence, row.accuracy) for row in result.reliability(2)]
    assert bins == [(2, (0.625 + 0.75) / 2, 0.5), (1, 0.875, 0.0)]
    assert len(result.reliability()) == 3


def test_photos_of_one_confidence_are_put_into_bins_in_their_order() -> None:
    random = np.random.default_rng(2)
    second, truths = random.choice([0.625, 0.75, 0.875], 600), random.integers(0, 2, 600)
    order = sorted(range(600), key=second.__getitem__)
    expected = [truths[order[start : start + 40]].mean() for start in range(0, 600, 40)]
    result = binary(list(truths), list(second))
    assert [row.accuracy for row in result.reliability()] == pytest.approx(expected)


def test_every_label_counts_alike_in_the_balanced_accuracy() -> None:
    truths = np.array([0] * 90 + [1] * 10)
    answers = np.array([0] * 90 + [1] * 5 + [0] * 5)
    result = Evaluation(("a", "b", "c"), ("x",) * 100, truths, np.eye(3)[answers], {})
    assert result.accuracy.value == pytest.approx(0.95)
    assert result.balanced_accuracy == pytest.approx(0.75), "the label without photos is left out"


def test_the_most_frequent_confusion_comes_first() -> None:
    truths = np.array([0, 0, 0, 1, 2, 2])
    answers = np.array([1, 2, 1, 1, 0, 2])
    result = Evaluation(("a", "b", "c"), ("x",) * 6, truths, np.eye(3)[answers], {})
    assert result.confusions() == [("a", "b", 2), ("a", "c", 1), ("c", "a", 1)]
