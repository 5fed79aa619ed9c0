"""What inspection finds in features whose faults are known."""

from dataclasses import replace

import numpy as np
import pytest

from training.data.samples import Sample
from training.inspection.suspects import find_mislabels, find_odd, find_pairs


def samples_of(labels: list[int]) -> list[Sample]:
    return [
        Sample(f"{number}.jpg", label, f"{number:064x}", lambda: b"", f"class{label}")
        for number, label in enumerate(labels)
    ]


def clouds(counts: tuple[int, ...], seed: int = 0) -> tuple[np.ndarray, list[Sample]]:
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    features = random.normal(size=(len(labels), 40))
    features[np.arange(len(labels)), labels] += 6
    return features.astype(np.float32), samples_of(labels.tolist())


@pytest.mark.parametrize("counts", [(80, 80), (60, 60, 60)])
def test_swapped_labels_come_first(counts: tuple[int, ...]) -> None:
    features, samples = clouds(counts)
    swapped = [3, 40, 90, 110]
    for row in swapped:
        samples[row] = replace(samples[row], label=(samples[row].label + 1) % len(counts))
    found = find_mislabels(features, samples)
    assert {each.sample.name for each in found[:4]} == {f"{row}.jpg" for row in swapped}
    first = found[0]
    assert first.other > 0.5 > first.own
    assert first.answer != first.sample.label


def test_right_labels_are_not_suspected() -> None:
    features, samples = clouds((80, 80))
    assert len(find_mislabels(features, samples)) <= 2


def test_near_duplicates_are_paired_once() -> None:
    features, samples = clouds((30, 30))
    features[50] = features[5] * 1.001
    features[7] = features[6]
    pairs = {(pair.first.name, pair.second.name) for pair in find_pairs(features, samples)}
    assert pairs == {("5.jpg", "50.jpg"), ("6.jpg", "7.jpg")}


def test_a_photo_unlike_its_class_is_odd() -> None:
    features, samples = clouds((40, 40))
    features[12] = np.random.default_rng(9).normal(size=40) * 5
    [odd] = find_odd(features, samples, 1)
    assert odd.sample.name == "12.jpg"
    assert len(find_odd(features, samples, 5)) == 5


def test_a_class_of_one_photo_has_no_odd_one() -> None:
    features, samples = clouds((1, 10))
    assert find_odd(features, samples, 1)[0].sample.label == 1
