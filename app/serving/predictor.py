"""Admits photos, gives them to the workers of a model, and keeps the deadline."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from app.imaging.errors import PhotoError, TooExpensive
from app.serving.admission import Admission
from app.serving.photo_queue import Reply, Task
from app.serving.served_model import Answer, ServedModel

T = TypeVar("T")
WaitForDisconnect = Callable[[], Coroutine[Any, Any, None]]


class DeadlinePassed(Exception):
    """The answer was not ready in time; `seconds` is the deadline."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The answer was not ready within {seconds:g} seconds.")
        self.seconds = seconds


class ClientDisconnected(Exception):
    """The client disconnected before it got its answer."""


class Predictor:
    """Admission and the deadline.

    Args:
        places: photos that may be in the service at a time.
        deadline: seconds for waiting and work together.
    """

    def __init__(self, places: int, deadline: float) -> None:
        self.admission = Admission(places)
        self._deadline = deadline

    async def predict(
        self, model: ServedModel, data: bytes, disconnected: WaitForDisconnect
    ) -> Answer:
        """Classify one photo.

        Args:
            model: the model.
            data: the bytes of the photo's file.
            disconnected: returns when the client disconnects; the photo leaves the queue then.

        Raises:
            app.imaging.errors.PhotoError: the bytes are not a usable photo.
            app.serving.admission.QueueFull: too many photos are in the service.
            DeadlinePassed, ClientDisconnected: there is no answer to give.
        """
        with self._admitted(1):
            arrived = time.perf_counter()
            task = model.submit(data)
            return await self._wait([task], model.finish(task, arrived), disconnected)

    async def predict_all(
        self, model: ServedModel, photos: Sequence[bytes], disconnected: WaitForDisconnect
    ) -> list[Answer | PhotoError]:
        """Classify several photos, each for itself; otherwise like `predict`."""
        with self._admitted(len(photos)):
            arrived = time.perf_counter()
            tasks = [model.submit(data) for data in photos]
            work = _all(model.finish(task, arrived) for task in tasks)
            return await self._wait(tasks, work, disconnected)

    async def run(
        self, model: ServedModel, job: str, data: bytes, disconnected: WaitForDisconnect
    ) -> Reply:
        """Run another of the workers' jobs on one photo; otherwise like `predict`."""
        with self._admitted(1):
            task = model.pool.submit(job, data)
            return await self._wait([task], task.future, disconnected)

    @contextmanager
    def _admitted(self, photos: int) -> Iterator[None]:
        self.admission.admit(photos)
        try:
            yield
        finally:
            self.admission.release(photos)

    async def _wait(
        self, tasks: list[Task], work: Awaitable[T], disconnected: WaitForDisconnect
    ) -> T:
        working = asyncio.ensure_future(work)
        watching = asyncio.create_task(disconnected())
        done: set[asyncio.Future[Any]] = set()
        try:
            done, _ = await asyncio.wait(
                (working, watching), timeout=self._deadline, return_when=asyncio.FIRST_COMPLETED
            )
            if working in done:
                return working.result()
            if watching in done:
                raise ClientDisconnected
            if len(tasks) == 1 and tasks[0].slow:
                raise TooExpensive(f"the {self._deadline:g} seconds that an answer may take")
            raise DeadlinePassed(self._deadline)
        finally:
            # Photos that wait leave the queue with this, and so does one that takes long.
            working.cancel()
            watching.cancel()
            _cancel(tasks)
            # An error's traceback has this frame, whose variables would keep the photo in memory.
            del working, watching, done, work, tasks


def _cancel(tasks: list[Task]) -> None:
    for task in tasks:
        task.future.cancel()


async def _all(answers: Iterator[Awaitable[Answer]]) -> list[Answer | PhotoError]:
    found = await asyncio.gather(*answers, return_exceptions=True)
    for answer in found:
        if isinstance(answer, BaseException) and not isinstance(answer, PhotoError):
            raise answer
    return found  # type: ignore[return-value]  # all others have just been raised
