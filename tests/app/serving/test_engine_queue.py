"""Batches for an engine that runs one at a time."""

import asyncio
import threading

import numpy as np
import pytest

from app.model.forward import Forward
from app.model.network import Network
from app.serving.engine_queue import EngineQueue
from tests.app.serving.pools import run, until


class Adding:
    """An engine that answers with the sum of a photo's pixels, behind a gate."""

    name = "adding"
    max_batch = 4
    features = 0

    def __init__(self) -> None:
        self.go = threading.Event()
        self.sizes: list[int] = []
        self.error: Exception | None = None

    def run(self, batch: np.ndarray, alone: bool = False) -> np.ndarray:  # noqa: ARG002
        assert self.go.wait(10)
        self.sizes.append(len(batch))
        if self.error:
            raise self.error
        return np.asarray(batch.sum((1, 2, 3), np.float32))[:, np.newaxis]

    def forward(self, batch: np.ndarray, alone: bool = False) -> Forward:
        return Forward(self.run(batch, alone), None)

    def warm(self) -> None:
        pass


def photo(value: int) -> np.ndarray:
    return np.full((2, 3, 1), value, np.uint8)


def test_whatever_waits_goes_together_and_gets_its_own_answer() -> None:
    async def ask() -> None:
        engine, counted = Adding(), list[int]()
        queue = EngineQueue(Network(engine, None), counted.append)
        first = asyncio.create_task(queue.run(photo(10)))
        await asyncio.sleep(0.05)  # it is at work, behind the gate
        others = [asyncio.create_task(queue.run(photo(value))) for value in range(7)]
        await until(lambda: len(queue) == 7)
        others[2].cancel()
        engine.go.set()
        answers = await asyncio.gather(first, *others, return_exceptions=True)
        found = [None if isinstance(a, BaseException) else a[0].values for a in answers]
        assert found == [[60.0], [0.0], [6.0], None, [18.0], [24.0], [30.0], [36.0]]
        assert engine.sizes == counted == [1, 4, 2]
        assert all(a[1] > 0 for a in answers if not isinstance(a, BaseException))
        assert len(queue) == 0

    run(ask)


def test_an_engine_that_fails_fails_its_batch_alone() -> None:
    async def ask() -> None:
        engine = Adding()
        engine.go.set()
        engine.error = RuntimeError("no memory")
        queue = EngineQueue(Network(engine, None))
        with pytest.raises(RuntimeError, match="no memory"):
            await queue.run(photo(1))
        engine.error = None
        assert (await queue.run(photo(2)))[0].values == [12.0]

    run(ask)
