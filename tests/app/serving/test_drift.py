"""The gauges of the last answers: which photos they are of, and the reference beside them."""

import re
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from app.imaging.statistics import Statistics
from app.model.card import Card, PhotoSummary
from app.model.decision import Decisions
from app.model.engine import Engine
from app.model.forward import Forward
from app.model.network import Network
from app.model.prediction import Prediction
from app.model.version_folder import load_card
from app.serving import drift
from app.serving.drift import Window
from app.serving.engine_queue import EngineQueue
from app.serving.metrics import Metrics
from app.serving.pool import WorkerPool
from app.serving.served_model import ServedModel
from tests import pictures
from tests.app.serving.pools import run, running
from tests.versions import DIGITS

SHARES = {str(digit): 0.0 for digit in range(10)} | {"3": 0.25, "5": 0.75}
REFERENCE = PhotoSummary(
    photos=4, quantiles={"brightness": (50, 70, 90)}, label_shares=SHARES
)  # fmt: skip


def card(**changes: object) -> Card:
    return load_card(DIGITS).model_copy(update=changes)


def model(card: Card) -> ServedModel:
    return ServedModel(
        Path(), card, "litert", Decisions(card, None), {}, cast(WorkerPool, None), None
    )


def answer(window: Window, brightness: float, label: str = "5") -> None:
    window.add(Statistics(brightness, brightness / 10, 0.5), Prediction(label, 1.0, {label: 1.0}))


def gauges(metrics: Metrics) -> dict[str, float]:
    """The gauges for drift, by name and label values: drift_quantile 0.1 brightness."""
    lines = [line for line in metrics.text().decode().splitlines() if line.startswith("drift_")]
    pairs = (re.sub(r'[{,]\w+="([^"]*)"}?', r" \1", line).rsplit(" ", 1) for line in lines)
    return {name: float(value) for name, value in pairs}


def test_the_gauges_are_those_of_the_answers() -> None:
    metrics, served = Metrics(), model(card())
    metrics.set_model(served)
    for brightness, label in ((200, "7"), (10, "5"), (40, "5"), (20, "0")):
        answer(served.drift, brightness, label)
    found = gauges(metrics)
    assert found["drift_photos"] == 4
    quantiles = [found[f"drift_quantile {quantile} brightness"] for quantile in (0.1, 0.5, 0.9)]
    assert quantiles == pytest.approx([13, 30, 152])
    assert found["drift_quantile 0.5 sharpness"] == pytest.approx(3)
    shares = {label: found[f"drift_label_share {label}"] for label in served.card.labels}
    assert shares == {str(digit): 0 for digit in range(10)} | {"0": 0.25, "5": 0.5, "7": 0.25}
    assert not [name for name in found if "reference" in name or "familiarity" in name]


def test_before_the_first_answer_there_is_the_reference_alone() -> None:
    metrics = Metrics()
    assert gauges(metrics) == {"drift_photos": 0}
    metrics.set_model(model(card(reference=REFERENCE)))
    expected = {"drift_photos": 0.0} | {
        f"drift_reference_quantile {quantile} brightness": value
        for quantile, value in (("0.1", 50), ("0.5", 70), ("0.9", 90))
    }
    shares = {f"drift_reference_label_share {label}": share for label, share in SHARES.items()}
    assert gauges(metrics) == expected | shares


def test_only_the_last_answers_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "PHOTOS", 3)
    window = Window(card())
    for brightness, label in ((255, "9"), (1, "5"), (2, "5"), (3, "4")):
        answer(window, brightness, label)
    summary = window.summary()
    assert summary is not None
    assert summary.photos == 3
    assert summary.quantiles["brightness"] == pytest.approx((1.2, 2, 2.8))
    assert summary.label_shares["9"] == 0
    assert summary.label_shares["4"] == pytest.approx(1 / 3)


def test_another_version_begins_anew() -> None:
    """A late answer of the version before does not count for the new one."""
    metrics, before, after = Metrics(), model(card()), model(card(version=2))
    metrics.set_model(before)
    answer(before.drift, 200)
    metrics.set_model(after)
    answer(before.drift, 210)
    assert gauges(metrics)["drift_photos"] == 0
    answer(after.drift, 30)
    assert gauges(metrics)["drift_quantile 0.9 brightness"] == 30


class Sevens(Engine):
    """Answers 7 to every photo."""

    name = "sevens"
    max_batch = 4
    features = 0

    def run(self, batch: np.ndarray, alone: bool = False) -> np.ndarray:  # noqa: ARG002
        return np.eye(10, dtype=np.float32)[[7] * len(batch)]

    def forward(self, batch: np.ndarray, alone: bool = False) -> Forward:
        return Forward(self.run(batch, alone), None)

    def warm(self) -> None:
        raise NotImplementedError


@pytest.mark.parametrize("engine", [None, Sevens()])
def test_a_photo_that_is_answered_counts(engine: Engine | None) -> None:
    """With the network in the worker, and in an engine of its own."""

    async def ask() -> None:
        more: dict[str, Any] = {} if engine is None else {"files": {}}
        async with running(DIGITS, workers=1, **more) as pool:
            queue = None if engine is None else EngineQueue(Network(engine, None))
            served = ServedModel(DIGITS, card(), "", Decisions(card(), None), {}, pool, queue)
            photo = pictures.encode(pictures.grey(np.full((300, 500), 90, np.uint8)))
            found = await served.finish(served.submit(photo), time.perf_counter())
            summary = served.drift.summary()
            assert summary is not None
            assert summary.quantiles["brightness"] == (90, 90, 90)
            assert summary.quantiles["sharpness"] == (0, 0, 0)
            assert summary.quantiles["megapixels"] == (0.15, 0.15, 0.15)
            assert summary.label_shares[found.prediction.label] == 1

    run(ask)
