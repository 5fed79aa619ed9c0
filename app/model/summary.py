"""Summarize answered photos: the quantiles of their statistics, and the share of each label."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np

from app.imaging.statistics import Statistics
from app.model.card import QUANTILES, STATISTICS, PhotoSummary
from app.model.prediction import Prediction

Values = Mapping[str, float | None]
"""One photo's value of each of `STATISTICS`; None for one that the version does not have."""


def photo_values(statistics: Statistics, prediction: Prediction) -> Values:
    """The values of one photo that `summarize` takes."""
    return asdict(statistics) | {"familiarity": prediction.familiarity}


def summarize(
    labels: Sequence[str], answers: Sequence[str], photos: Sequence[Values]
) -> PhotoSummary:
    """Summarize one or more photos.

    Args:
        labels: all labels of the version.
        answers: the label that each photo was answered with.
        photos: the values of each photo.
    """
    counts = Counter(answers)
    columns = {
        name: [value for photo in photos if (value := photo.get(name)) is not None]
        for name in STATISTICS
    }
    return PhotoSummary(
        photos=len(answers),
        quantiles={
            name: tuple(np.quantile(values, QUANTILES).tolist())
            for name, values in columns.items()
            if values
        },
        label_shares={label: counts[label] / len(answers) for label in labels},
    )
