"""The service's metrics, passed on to Ray's, which has them for each replica."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from prometheus_client.parser import text_string_to_metric_families
from ray.serve.metrics import Gauge

from app.serving.metrics import Metrics

logger = logging.getLogger(__name__)

SECONDS = 5.0  # between two copies
_LEFT_OUT = ("process_",)  # Ray measures its processes itself

Series = tuple[str, tuple[tuple[str, str], ...]]  # a name and its labels


class Forwarder:
    """Copies every sample into a gauge of Ray with the same name and labels.

    Ray adds the labels `application`, `deployment` and `replica`, and puts `ray_` before the name.
    A gauge serves for a counter and for the parts of a histogram, too: Prometheus's functions do
    not look at the type. A series that has ended is set to 0, because Ray keeps it.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._gauges: dict[str, Gauge] = {}
        self._series: set[Series] = set()

    def copy(self) -> None:
        """Copy the values of now."""
        values = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(self._metrics.text().decode())
            for sample in family.samples
            if not sample.name.startswith(_LEFT_OUT) and not sample.name.endswith("_created")
        }
        for series in self._series | values.keys():
            self._set(series, values.get(series, 0.0))
        self._series |= values.keys()

    def _set(self, series: Series, value: float) -> None:
        name, labels = series
        tags = dict(labels)
        if name not in self._gauges:
            self._gauges[name] = Gauge(name, "Of the service", tuple(tags))
        self._gauges[name].set(value, tags)


@asynccontextmanager
async def forwarding(metrics: Metrics) -> AsyncIterator[None]:
    """Within the block, copy the metrics to Ray's every few seconds."""
    task = asyncio.create_task(_forward(Forwarder(metrics)))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _forward(forwarder: Forwarder) -> None:
    while True:
        try:
            forwarder.copy()
        except Exception:  # the next copy may succeed
            logger.exception("the metrics could not be passed on to Ray")
        await asyncio.sleep(SECONDS)
