"""Metrics for Prometheus. Clients cannot add values to a label, whatever they send."""

import functools
from collections.abc import Callable
from typing import get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from app.model.decision import Decision, Verdict
from app.serving.admission import Admission
from app.serving.drift import DriftGauges
from app.serving.served_model import Answer, ServedModel

# Seconds, from a small network's time to the default deadline.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_PROBABILITIES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
_BATCHES = (1, 2, 4, 8, 16, 32)


class Metrics:
    """The service's metrics, in a registry of its own for each service in a process."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        requests = Counter(
            "http_requests", "Requests answered", ("method", "route", "status"), registry=registry
        )
        seconds = Histogram(
            "http_request_duration_seconds", "From the request's head to the answer's end",
            ("route",), buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        # The children for each set of labels, of which there are few, are looked up once.
        self._request = functools.cache(
            lambda method, route, status: (
                requests.labels(method, route, str(status)),
                seconds.labels(route),
            )
        )
        self._stages = Histogram(
            "photo_stage_seconds", "Time of a photo in a stage: queue, decode, infer",
            ("stage",), buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self._batch = Histogram(
            "engine_batch_size", "Photos in a run of the engine", buckets=_BATCHES,
            registry=registry,
        )  # fmt: skip
        self._waiting = Gauge("photo_queue_depth", "Photos that wait", registry=registry)
        self._inside = Gauge(
            "photos_inside", "Photos that wait or are worked on", registry=registry
        )
        self._probability = Histogram(
            "prediction_probability", "Predictions, by label and by its probability",
            ("label",), buckets=_PROBABILITIES, registry=registry,
        )  # fmt: skip
        self._decisions = Counter(
            "decisions", "Predictions, by the decision on them: accept, unsure or unknown",
            ("decision",), registry=registry,
        )  # fmt: skip
        for verdict in get_args(Verdict):
            self._decisions.labels(verdict)  # a rate needs its first value, 0
        self._ends = Counter(
            "worker_ends", "Workers that ended and were replaced",
            ("reason",), registry=registry,
        )  # fmt: skip
        self._model = Gauge(
            "model_info", "The served model", ("name", "version", "engine"), registry=registry
        )
        self._drift = DriftGauges()
        registry.register(self._drift)
        self.swaps = Counter("model_swaps", "New versions taken over", registry=registry)
        self.refusals = Counter("model_refusals", "New versions refused", registry=registry)
        self.refused = Gauge(
            "model_refused", "1 for a version on disk that was refused", ("version",),
            registry=registry,
        )  # fmt: skip
        # Every photo needs these children: they are looked up once.
        self._queue, self._decode, self._infer = map(
            self._stages.labels, ("queue", "decode", "infer")
        )

    def watch_queue(self, waiting: Callable[[], int], admission: Admission) -> None:
        """Read the depth of the queue and the photos inside on request."""
        self._waiting.set_function(waiting)
        self._inside.set_function(lambda: admission.admitted)

    def set_model(self, model: ServedModel) -> None:
        """`model` is served from now on."""
        self._model.clear()
        self._drift.window = model.drift
        card = model.card
        self._model.labels(card.name, str(card.version), model.engine_name).set(1)

    def count_end(self, reason: str) -> None:
        """Count a worker that ended and was not told to; `reason` is of a small, fixed set."""
        self._ends.labels(reason).inc()

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answered request; the arguments must come from small, fixed sets."""
        count, duration = self._request(method, route, status)
        count.inc()
        duration.observe(seconds)

    def count_batch(self, photos: int) -> None:
        """Count a batch that the engine has run."""
        self._batch.observe(photos)

    def count_answer(self, answer: Answer, decision: Decision | None) -> None:
        """Count a prediction, the decision on it, and the seconds of its stages."""
        self._queue.observe(answer.queue)
        self._decode.observe(answer.decode)
        self._infer.observe(answer.infer)
        if decision:
            self._decisions.labels(decision.verdict).inc()
        self._probability.labels(answer.prediction.label).observe(answer.prediction.probability)

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self._registry)
