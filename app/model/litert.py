"""LiteRT, for CPUs: a pool of interpreters over one model file, two photos in each."""

import queue
import threading
from pathlib import Path

import numpy as np

from app.model.card import Card, ModelError


def worker_count(threads: int) -> int:
    """How many workers keep `threads` cores busy: one more than there are.

    Whoever has just been through the network waits for Python's lock, which the event loop holds
    for most of a millisecond a request; the one more uses that core meanwhile. On two cores, 8
    clients, that was 1.15 times the photos a second with cats-vs-dogs 2 and 1.07 with 1; a second
    more adds nothing.
    """
    return threads + 1 if threads > 1 else 1


class LiteRTEngine:
    """A pool of single-threaded LiteRT interpreters, for CPUs.

    A photo or two a core scales better than all cores on one photo; an interpreter may be used by
    one thread at a time, so each is lent out (`worker_count` says how many). One more interpreter
    has a thread a core, for a photo that is alone: it answers in little more than half the time.

    Two photos together read a layer's weights once, and workers meet half as often. On two cores,
    8 clients, that was 1.12 times the photos a second with cats-vs-dogs 3 and 1.08 with 1; a third
    photo adds nothing.
    """

    name = "litert"
    largest = 2
    exclusive = False

    def __init__(self, path: Path, card: Card, threads: int) -> None:
        self._path = path
        self._shape = (card.input.height, card.input.width, card.input.channels)
        self._returned = threading.Condition()
        self._wide: queue.SimpleQueue[_Interpreter] = queue.SimpleQueue()
        try:
            content = path.read_bytes()
            self._pool = [_Interpreter(content, 1) for _ in range(worker_count(threads))]
            if threads > 1:
                self._wide.put(_Interpreter(content, threads))
        except (ValueError, RuntimeError, OSError) as error:
            raise ModelError(f"{path}: LiteRT cannot load it ({one_line(error)}).") from error

    def run(self, batch: np.ndarray, alone: bool = False) -> np.ndarray:
        """See `app.model.engine.Engine.run`. Waits while every interpreter is busy."""
        parts = range(0, len(batch), self.largest)
        outputs = [self._run(batch[start : start + self.largest], alone) for start in parts]
        return outputs[0] if len(outputs) == 1 else np.concatenate(outputs)

    def warm(self) -> None:
        """See `app.model.engine.Engine.warm`: every interpreter, with every number of photos."""
        try:
            for interpreter in self._pool:
                for photos in range(self.largest, 0, -1):
                    interpreter.run(np.zeros((photos, *self._shape), np.uint8))
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"{self._path}: LiteRT cannot run it ({one_line(error)}).") from error
        self.run(np.zeros((1, *self._shape), np.uint8), alone=True)

    def _run(self, batch: np.ndarray, alone: bool) -> np.ndarray:
        if alone and len(batch) == 1:
            try:
                wide = self._wide.get_nowait()
            except queue.Empty:
                pass  # one core, or somebody else was alone a moment ago
            else:
                try:
                    return wide.run(batch)
                finally:
                    self._wide.put(wide)
        interpreter = self._borrow(len(batch))
        try:
            return interpreter.run(batch)
        finally:
            with self._returned:
                self._pool.append(interpreter)
                self._returned.notify()

    def _borrow(self, photos: int) -> "_Interpreter":
        with self._returned:
            while not self._pool:
                self._returned.wait()
            # One that had as many the last time need not be prepared for another number.
            same = (place for place, each in enumerate(self._pool) if each.photos == photos)
            return self._pool.pop(next(same, 0))


class _Interpreter:
    """For one thread at a time. Another number of photos costs it up to a millisecond."""

    def __init__(self, content: bytes, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_content=content, num_threads=threads)
        self._interpreter.allocate_tensors()
        self._input: int = self._interpreter.get_input_details()[0]["index"]
        self._output: int = self._interpreter.get_output_details()[0]["index"]
        self.photos = 1

    def run(self, batch: np.ndarray) -> np.ndarray:
        """uint8 (photos, height, width, channels) -> float32 (photos, outputs)."""
        if len(batch) != self.photos:
            self.photos = 0  # of no size until it is done, or a failure here would stay for good
            self._interpreter.resize_tensor_input(self._input, batch.shape)
            self._interpreter.allocate_tensors()
            self.photos = len(batch)
        self._interpreter.set_tensor(self._input, batch.astype(np.float32))
        self._interpreter.invoke()
        outputs: np.ndarray = self._interpreter.get_tensor(self._output)
        return outputs


def one_line(error: Exception) -> str:
    """What a library said, short enough for a message of ours."""
    return " ".join(str(error).split())[:200]
