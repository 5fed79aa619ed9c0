"""Decoded photos that wait for an engine in this process, which runs one batch at a time."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

import numpy as np

from app.model.network import Network, Output

# What the network says of a photo, and the seconds of its run.
Result = tuple[Output, float]


class EngineQueue:
    """Batches for a GPU: whatever waits when the engine is free goes together.

    Args:
        network: its engine runs in a thread.
        on_batch: called with the size of every batch.
    """

    def __init__(self, network: Network, on_batch: Callable[[int], None] = lambda _: None) -> None:
        self._network = network
        self._on_batch = on_batch
        self._waiting: deque[tuple[np.ndarray, asyncio.Future[Result]]] = deque()
        self._running: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """How many photos wait."""
        return len(self._waiting)

    async def run(self, pixels: np.ndarray) -> Result:
        """Run the network on one photo: uint8 (height, width, channels)."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((pixels, future))
        if self._running is None:
            self._running = asyncio.create_task(self._run_all())
        return await future

    async def _run_all(self) -> None:
        try:
            while self._waiting:
                await self._run_batch()
        finally:
            self._running = None

    async def _run_batch(self) -> None:
        batch: list[tuple[np.ndarray, asyncio.Future[Result]]] = []
        while self._waiting and len(batch) < self._network.engine.max_batch:
            pixels, future = self._waiting.popleft()
            if not future.done():  # else nobody waits for it any more
                batch.append((pixels, future))
        if not batch:
            return
        began = time.perf_counter()
        try:
            pixels_of_all = np.stack([pixels for pixels, _ in batch])
            outputs = await asyncio.to_thread(self._network.run, pixels_of_all)
        except Exception as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        self._on_batch(len(batch))
        seconds = time.perf_counter() - began
        for (_, future), output in zip(batch, outputs, strict=True):
            if not future.done():
                future.set_result((output, seconds))
