"""Gauges for drift: the last photos that a version answered, and the validation photos."""

from collections import deque
from collections.abc import Iterator

from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from app.imaging.statistics import Statistics
from app.model.card import QUANTILES, Card, PhotoSummary
from app.model.prediction import Prediction
from app.model.summary import Values, photo_values, summarize

PHOTOS = 1000


class Window:
    """The last `PHOTOS` answers of one version."""

    def __init__(self, card: Card) -> None:
        self.reference = card.reference
        self._labels = card.labels
        self._answers: deque[tuple[str, Values]] = deque(maxlen=PHOTOS)

    def add(self, statistics: Statistics, prediction: Prediction) -> None:
        """Note the answer for a photo; the oldest one is forgotten."""
        self._answers.append((prediction.label, photo_values(statistics, prediction)))

    def summary(self) -> PhotoSummary | None:
        """The summary of the noted answers; None if there is none."""
        if not self._answers:
            return None
        answers, photos = zip(*self._answers, strict=True)
        return summarize(self._labels, answers, photos)


class DriftGauges(Collector):
    """The gauges of the served version's window; they are computed when they are read."""

    def __init__(self) -> None:
        self.window: Window | None = None

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges: those of the last answers, and those of the card's reference."""
        live = self.window.summary() if self.window is not None else None
        reference = self.window.reference if self.window is not None else None
        yield GaugeMetricFamily(
            "drift_photos", "The last answered photos, which the drift gauges describe",
            value=live.photos if live is not None else 0,
        )  # fmt: skip
        yield from _gauges("drift", "the last answered photos", live)
        yield from _gauges("drift_reference", "the validation photos of the model", reference)


def _gauges(prefix: str, photos: str, summary: PhotoSummary | None) -> Iterator[GaugeMetricFamily]:
    quantiles = GaugeMetricFamily(
        f"{prefix}_quantile", f"Quantiles of {photos}", labels=("statistic", "quantile")
    )
    shares = GaugeMetricFamily(
        f"{prefix}_label_share", f"Share of {photos} with this answer", labels=("label",)
    )
    if summary is not None:
        for statistic, values in summary.quantiles.items():
            for quantile, value in zip(QUANTILES, values, strict=True):
                quantiles.add_metric((statistic, str(quantile)), value)
        for label, share in summary.label_shares.items():
            shares.add_metric((label,), share)
    yield quantiles
    yield shares
