"""Admits photos, runs them through the workers and the engine, and keeps the deadline.

On a CPU a worker decodes up to two waiting photos and runs the network on them, so that a photo
changes threads only twice. An engine that runs one batch at a time has a queue of its own, in
which decoded photos wait until it is free.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast

import numpy as np

from app.imaging.errors import PhotoError
from app.model.classifier import Classifier, Prediction
from app.serving.admission import Admission
from app.serving.pool import WorkerPool
from app.serving.worker import (
    Decoded,
    Job,
    PhotoJob,
    can_batch,
    can_batch_decoded,
    decode,
    decode_or_error,
)

T = TypeVar("T")
WaitForDisconnect = Callable[[], Coroutine[Any, Any, None]]


class DeadlinePassed(Exception):
    """The answer was not ready in time; `seconds` is the deadline."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The answer was not ready within {seconds:g} seconds.")
        self.seconds = seconds


class ClientDisconnected(Exception):
    """The client disconnected before it got its answer."""


@dataclass(frozen=True)
class Answer:
    """A prediction, and the seconds that its photo spent in each stage."""

    prediction: Prediction
    queue: float
    decode: float
    infer: float


class Predictor:
    """Admission, the queue, the workers and the deadline.

    Args:
        threads: the number of workers.
        max_queue: photos that may be in the service in addition to one for each worker.
        deadline: seconds for waiting and work together.
        on_batch: called with the size of every batch that the engine has run.
    """

    def __init__(
        self,
        threads: int,
        max_queue: int,
        deadline: float,
        on_batch: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.admission = Admission(threads + max_queue)
        self._deadline = deadline
        self._on_batch = on_batch
        self._workers: WorkerPool[Job, Any] = WorkerPool(self._work, threads, can_batch)
        self._engine_pool: WorkerPool[tuple[Classifier, np.ndarray], Any] | None = None

    @property
    def waiting(self) -> int:
        """The number of photos that wait for a worker or for the engine."""
        return len(self._workers) + (len(self._engine_pool) if self._engine_pool else 0)

    async def predict(
        self, classifier: Classifier, data: bytes, disconnected: WaitForDisconnect
    ) -> Answer:
        """Classify one photo.

        Args:
            classifier: the model.
            data: the bytes of the photo's file.
            disconnected: returns when the client disconnects; the photo leaves the queue then.

        Raises:
            app.imaging.errors.PhotoError: the bytes are not a usable photo.
            app.serving.admission.QueueFull: too many photos are in the service.
            DeadlinePassed, ClientDisconnected: there is no answer to give.
        """
        return await self._bounded(lambda: self._predict(classifier, data), disconnected)

    async def predict_all(
        self, classifier: Classifier, photos: Sequence[bytes], disconnected: WaitForDisconnect
    ) -> list[Answer | PhotoError]:
        """Classify several photos, each for itself; otherwise like `predict`."""

        async def each() -> list[Answer | PhotoError]:
            work = (self._predict(classifier, data) for data in photos)
            answers = await asyncio.gather(*work, return_exceptions=True)
            for answer in answers:
                if isinstance(answer, BaseException) and not isinstance(answer, PhotoError):
                    raise answer
            return answers  # type: ignore[return-value]  # all others have just been raised

        return await self._bounded(each, disconnected, len(photos))

    async def run(self, job: Callable[[], T], disconnected: WaitForDisconnect) -> T:
        """Run another job about one photo in a worker; otherwise like `predict`."""
        return await self._bounded(
            lambda: asyncio.wrap_future(self._workers.submit(job)), disconnected
        )

    def stop(self) -> None:
        """Let the jobs in work finish, and end the threads."""
        self._workers.stop()
        if self._engine_pool:
            self._engine_pool.stop()

    async def _bounded(
        self, work: Callable[[], Awaitable[T]], disconnected: WaitForDisconnect, photos: int = 1
    ) -> T:
        self.admission.admit(photos)
        try:
            task = asyncio.ensure_future(work())
        except BaseException:
            self.admission.release(photos)
            raise
        watching = asyncio.create_task(disconnected())
        done: set[asyncio.Future[Any]] = set()
        try:
            done, _ = await asyncio.wait(
                (task, watching), timeout=self._deadline, return_when=asyncio.FIRST_COMPLETED
            )
            if task in done:
                return task.result()
            raise ClientDisconnected if watching in done else DeadlinePassed(self._deadline)
        finally:
            # A waiting photo leaves the queue with this; a thread at work finishes by itself.
            task.cancel()
            watching.cancel()
            self.admission.release(photos)
            # An error's traceback has this frame, whose variables would keep the photo in memory.
            del task, watching, done, work

    def _predict(self, classifier: Classifier, data: bytes) -> Awaitable[Answer]:
        arrived = time.perf_counter()
        if classifier.engine.exclusive:
            return self._predict_exclusive(classifier, data, arrived)
        return asyncio.wrap_future(self._workers.submit(PhotoJob(classifier, data, arrived)))

    async def _predict_exclusive(
        self, classifier: Classifier, data: bytes, arrived: float
    ) -> Answer:
        if self._engine_pool is None:
            self._engine_pool = WorkerPool(self._infer, 1, can_batch_decoded)
        decoding = self._workers.submit(partial(decode, classifier, data))
        photo: Decoded = await asyncio.wrap_future(decoding)
        waiting = self._engine_pool.submit((classifier, photo.pixels))
        outputs, taken, done = await asyncio.wrap_future(waiting)
        prediction = classifier.label(outputs)
        return Answer(prediction, photo.queued(arrived, taken), photo.seconds, done - taken)

    def _work(self, jobs: list[Job]) -> list[Any]:
        if isinstance(jobs[0], PhotoJob):
            return self._classify(cast(list[PhotoJob], jobs))
        return [cast(Callable[[], Any], job)() for job in jobs]

    def _classify(self, photos: list[PhotoJob]) -> list[Answer | Exception]:
        """Classify photos of one model as a batch; a broken photo fails alone."""
        decoded = [decode_or_error(photo) for photo in photos]
        pixels = [each.pixels for each in decoded if isinstance(each, Decoded)]
        taken = time.perf_counter()
        if pixels:
            alone = len(photos) == self._workers.busy == 1 and not len(self._workers)
            predictions = iter(photos[0].classifier.predict_pixels(np.stack(pixels), alone))
            self._on_batch(len(pixels))
        seconds = time.perf_counter() - taken
        return [
            Answer(next(predictions), each.queued(photo.arrived, taken), each.seconds, seconds)
            if isinstance(each, Decoded)
            else each
            for photo, each in zip(photos, decoded, strict=True)
        ]

    def _infer(
        self, batch: list[tuple[Classifier, np.ndarray]]
    ) -> list[tuple[np.ndarray, float, float]]:
        taken = time.perf_counter()
        outputs = batch[0][0].engine.run(np.stack([pixels for _, pixels in batch]))
        self._on_batch(len(batch))
        done = time.perf_counter()
        return [(output, taken, done) for output in outputs]
