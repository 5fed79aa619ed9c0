"""Photos of many requests through the workers and the engine, within places and a deadline.

On a CPU one worker decodes a photo and runs the network on it: a photo is handed to a
thread once and its answer handed back once. An engine that is faster in batches gets a line
of its own, in which decoded photos wait until it comes free.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np

from app.batching import Places, Workers
from app.classifier import Classifier, Prediction
from app.photo_errors import PhotoError

T = TypeVar("T")
Gone = Callable[[], Coroutine[Any, Any, None]]


class DeadlinePassed(Exception):
    """The work was not done in time; `seconds` is the deadline."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The answer was not ready within {seconds:g} seconds.")
        self.seconds = seconds


class ClientGone(Exception):
    """Nobody waits for the answer any more."""


@dataclass(frozen=True)
class Answer:
    """A prediction, and the seconds that its photo spent in each stage."""

    prediction: Prediction
    queue: float
    decode: float
    infer: float


class Inference:
    """The line, the workers and the deadline.

    Args:
        threads: photos worked on at a time.
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
        self.places = Places(threads + max_queue)
        self._deadline = deadline
        self._on_batch = on_batch
        self._workers: Workers[Callable[[], Any], Any] = Workers(_call, threads)
        self._batches: Workers[tuple[Classifier, np.ndarray], Any] | None = None

    @property
    def waiting(self) -> int:
        """How many photos wait in a line."""
        return len(self._workers) + (len(self._batches) if self._batches else 0)

    async def predict(self, classifier: Classifier, data: bytes, gone: Gone) -> Answer:
        """Classify one photo.

        Args:
            classifier: the model.
            data: the bytes of the photo's file.
            gone: returns when the client goes away; the photo leaves the line then.

        Raises:
            app.photo_errors.PhotoError: the bytes are not a usable photo.
            app.batching.Full: no place is left.
            DeadlinePassed, ClientGone: there is no answer to give.
        """
        return await self._bounded(lambda: self._predict(classifier, data), gone)

    async def predict_all(
        self, classifier: Classifier, photos: Sequence[bytes], gone: Gone
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

    async def run(self, job: Callable[[], T], gone: Gone) -> T:
        """Do other work about one photo in its turn; as `predict` for the rest."""
        return await self._bounded(lambda: asyncio.wrap_future(self._workers.submit(job)), gone)

    def stop(self) -> None:
        """Let what is worked on finish, and end the threads."""
        self._workers.stop()
        if self._batches:
            self._batches.stop()

    async def _bounded(self, work: Callable[[], Awaitable[T]], gone: Gone, photos: int = 1) -> T:
        self.places.take(photos)
        task = asyncio.ensure_future(work())
        leaving = asyncio.create_task(gone())
        done: set[asyncio.Future[Any]] = set()
        try:
            done, _ = await asyncio.wait(
                (task, leaving), timeout=self._deadline, return_when=asyncio.FIRST_COMPLETED
            )
            if task in done:
                return task.result()
            raise ClientGone if leaving in done else DeadlinePassed(self._deadline)
        finally:
            # What still waits leaves its line with this; a thread at work ends by itself.
            task.cancel()
            leaving.cancel()
            self.places.give_back(photos)
            # An error knows this frame, and would keep itself and the photo through it.
            del task, leaving, done, work

    def _predict(self, classifier: Classifier, data: bytes) -> Awaitable[Answer]:
        arrived = time.perf_counter()
        if classifier.engine.largest > 1:
            return self._predict_in_batch(classifier, data, arrived)
        job = partial(self._decode_and_infer, classifier, data, arrived)
        return asyncio.wrap_future(self._workers.submit(job))

    async def _predict_in_batch(
        self, classifier: Classifier, data: bytes, arrived: float
    ) -> Answer:
        if self._batches is None:
            self._batches = Workers(self._infer, 1, classifier.engine.largest)
        decoding = self._workers.submit(partial(_decode, classifier, data))
        pixels, started, decoded = await asyncio.wrap_future(decoding)
        waiting = self._batches.submit((classifier, pixels))
        outputs, taken, done = await asyncio.wrap_future(waiting)
        queued = started - arrived + taken - decoded
        return Answer(classifier.label(outputs), queued, decoded - started, done - taken)

    def _decode_and_infer(self, classifier: Classifier, data: bytes, arrived: float) -> Answer:
        pixels, started, decoded = _decode(classifier, data)
        alone = self._workers.busy == 1 and not len(self._workers)
        prediction = classifier.predict_pixels(pixels[np.newaxis], alone)[0]
        self._on_batch(1)
        done = time.perf_counter()
        return Answer(prediction, started - arrived, decoded - started, done - decoded)

    def _infer(
        self, batch: list[tuple[Classifier, np.ndarray]]
    ) -> list[tuple[np.ndarray, float, float]]:
        """A batch through the engine; through two while a new model takes over."""
        taken = time.perf_counter()
        outputs: list[Any] = [None] * len(batch)
        for classifier in dict.fromkeys(classifier for classifier, _ in batch):
            places = [place for place, (owner, _) in enumerate(batch) if owner is classifier]
            pixels = np.stack([batch[place][1] for place in places])
            for place, output in zip(places, classifier.engine.run(pixels), strict=True):
                outputs[place] = output
            self._on_batch(len(places))
        done = time.perf_counter()
        return [(output, taken, done) for output in outputs]


def _call(jobs: list[Callable[[], Any]]) -> list[Any]:
    return [job() for job in jobs]


def _decode(classifier: Classifier, data: bytes) -> tuple[np.ndarray, float, float]:
    """The pixels, and the times at which decoding began and ended."""
    started = time.perf_counter()
    pixels = classifier.pixels(data)
    return pixels, started, time.perf_counter()
