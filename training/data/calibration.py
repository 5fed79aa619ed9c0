"""Keep validation photos apart for the thresholds of a model's decisions."""

from collections import Counter
from dataclasses import replace

from training.data.samples import Dataset, Sample

# A class needs so many calibration photos; for fewer, cross-validation gives more of them.
LEAST = 20


def hold_out_calibration(dataset: Dataset) -> Dataset:
    """Return the data set with half of the validation photos in `calibration`.

    The photos of each class are ordered by SHA-256, so the choice is the same on every machine. If
    a class has too few validation photos, the data set stays as it is.
    """
    counts = Counter(sample.label for sample in dataset.validation)
    if not counts or min(counts.values()) < 2 * LEAST:
        return dataset
    ordered = sorted(dataset.validation, key=lambda sample: (sample.label, sample.sha256))
    kept: list[Sample] = []
    calibration: list[Sample] = []
    seen: Counter[int] = Counter()
    for sample in ordered:
        seen[sample.label] += 1
        (calibration if seen[sample.label] % 2 else kept).append(sample)
    return replace(dataset, validation=kept, calibration=calibration)
