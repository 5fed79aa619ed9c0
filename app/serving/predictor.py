"""Photos of many requests through the workers and the engine, within places and a deadline.

On a CPU one worker decodes a photo, or two that wait, and runs the network on them: a photo is
handed to a thread once and its answer handed back once. An engine that takes one batch at a time
gets a line of its own, in which decoded photos wait until it comes free.
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
from app.serving.worker import Decoded, Job, PhotoJob, can_batch, decode, decode_or_error, fits

T = TypeVar("T")
Disconnected = Callable[[], Coroutine[Any, Any, None]]


class DeadlinePassed(Exception):
    """The work was not done in time; `seconds` is the deadline."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The answer was not ready within {seconds:g} seconds.")
        self.seconds = seconds


class ClientDisconnected(Exception):
    """Nobody waits for the answer any more."""


@dataclass(frozen=True)
class Answer:
    """A prediction, and the seconds that its photo spent in each stage."""

    prediction: Prediction
    queue: float
    decode: float
    infer: float


class Predictor:
    """The line, the workers and the deadline.

    Args:
        threads: workers; each takes a photo, or two that wait.
        max_queue: photos that may wait beside those.
        deadline: seconds for waiting and work together.
        on_batch: called with the size of every batch that goes through the engine.
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
        self._batches: WorkerPool[tuple[Classifier, np.ndarray], Any] | None = None

    @property
    def waiting(self) -> int:
        """How many photos wait in a line."""
        return len(self._workers) + (len(self._batches) if self._batches else 0)

    async def predict(self, classifier: Classifier, data: bytes, gone: Disconnected) -> Answer:
        """Classify one photo.

        Args:
            classifier: the model.
            data: the bytes of the photo's file.
            gone: returns when the client goes away; the photo leaves the line then.

        Raises:
            app.imaging.errors.PhotoError: the bytes are not a usable photo.
            app.serving.admission.QueueFull: no place is left.
            DeadlinePassed, ClientDisconnected: there is no answer to give.
        """
        return await self._bounded(lambda: self._predict(classifier, data), gone)

    async def predict_all(
        self, classifier: Classifier, photos: Sequence[bytes], gone: Disconnected
    ) -> list[Answer | PhotoError]:
        """Classify several photos, each for itself; as `predict` for the rest."""

        async def each() -> list[Answer | PhotoError]:
            work = (self._predict(classifier, data) for data in photos)
            answers = await asyncio.gather(*work, return_exceptions=True)
            for answer in answers:
                if isinstance(answer, BaseException) and not isinstance(answer, PhotoError):
                    raise answer
            return answers  # type: ignore[return-value]  # all others have just been raised

        return await self._bounded(each, gone, len(photos))

    async def run(self, job: Callable[[], T], gone: Disconnected) -> T:
        """Do other work about one photo in its turn; as `predict` for the rest."""
        return await self._bounded(lambda: asyncio.wrap_future(self._workers.submit(job)), gone)

    def stop(self) -> None:
        """Let what is worked on finish, and end the threads."""
        self._workers.stop()
        if self._batches:
            self._batches.stop()

    async def _bounded(
        self, work: Callable[[], Awaitable[T]], gone: Disconnected, photos: int = 1
    ) -> T:
        self.admission.admit(photos)
        try:
            task = asyncio.ensure_future(work())
        except BaseException:
            self.admission.release(photos)
            raise
        leaving = asyncio.create_task(gone())
        done: set[asyncio.Future[Any]] = set()
        try:
            done, _ = await asyncio.wait(
                (task, leaving), timeout=self._deadline, return_when=asyncio.FIRST_COMPLETED
            )
            if task in done:
                return task.result()
            raise ClientDisconnected if leaving in done else DeadlinePassed(self._deadline)
        finally:
            # What still waits leaves its line with this; a thread at work ends by itself.
            task.cancel()
            leaving.cancel()
            self.admission.release(photos)
            # An error knows this frame, and would keep itself and the photo through it.
            del task, leaving, done, work

    def _predict(self, classifier: Classifier, data: bytes) -> Awaitable[Answer]:
        arrived = time.perf_counter()
        if classifier.engine.exclusive:
            return self._predict_in_line(classifier, data, arrived)
        return asyncio.wrap_future(self._workers.submit(PhotoJob(classifier, data, arrived)))

    async def _predict_in_line(self, classifier: Classifier, data: bytes, arrived: float) -> Answer:
        if self._batches is None:
            self._batches = WorkerPool(self._infer, 1, fits)
        decoding = self._workers.submit(partial(decode, classifier, data))
        photo: Decoded = await asyncio.wrap_future(decoding)
        waiting = self._batches.submit((classifier, photo.pixels))
        outputs, taken, done = await asyncio.wrap_future(waiting)
        prediction = classifier.label(outputs)
        return Answer(prediction, photo.queued(arrived, taken), photo.seconds, done - taken)

    def _work(self, jobs: list[Job]) -> list[Any]:
        if isinstance(jobs[0], PhotoJob):
            return self._classify(cast(list[PhotoJob], jobs))
        return [cast(Callable[[], Any], job)() for job in jobs]

    def _classify(self, photos: list[PhotoJob]) -> list[Answer | Exception]:
        """Photos for one classifier, together; one that is broken harms no other."""
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
