"""The engine for CPUs: a pool of LiteRT interpreters over one model file."""

import queue
import threading
from pathlib import Path

import numpy as np

from app.model.card import Card, ModelError


def worker_count(threads: int) -> int:
    """The number of workers that keep `threads` cores busy: one more than cores.

    A worker that has run the network waits for Python's lock, which the event loop may hold. The
    additional worker uses the core meanwhile.
    """
    return threads + 1 if threads > 1 else 1


class LiteRTEngine:
    """A pool of single-threaded LiteRT interpreters, one for each worker.

    One core for each batch gives more photos a second than all cores for one photo. An interpreter
    may be used by one thread at a time, so a call borrows one. One more interpreter uses all cores,
    for a photo that is alone. Two photos in a batch share the reading of the weights; a third one
    adds nothing.
    """

    name = "litert"
    max_batch = 2
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
        parts = range(0, len(batch), self.max_batch)
        outputs = [self._run(batch[start : start + self.max_batch], alone) for start in parts]
        return outputs[0] if len(outputs) == 1 else np.concatenate(outputs)

    def warm(self) -> None:
        """See `app.model.engine.Engine.warm`: every interpreter, with every number of photos."""
        try:
            for interpreter in self._pool:
                for photos in range(self.max_batch, 0, -1):
                    interpreter.run(np.zeros((photos, *self._shape), np.uint8))
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"{self._path}: LiteRT cannot run it ({one_line(error)}).") from error
        self.run(np.zeros((1, *self._shape), np.uint8), alone=True)

    def _run(self, batch: np.ndarray, alone: bool) -> np.ndarray:
        if alone and len(batch) == 1:
            try:
                wide = self._wide.get_nowait()
            except queue.Empty:
                pass  # there is one core only, or another call has it
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
            # An interpreter that ran as many photos before need not be resized.
            same = (place for place, each in enumerate(self._pool) if each.photos == photos)
            return self._pool.pop(next(same, 0))


class _Interpreter:
    """One LiteRT interpreter, for one thread at a time. A change of the batch size takes time."""

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
            self.photos = 0  # after a failure the next call resizes again
            self._interpreter.resize_tensor_input(self._input, batch.shape)
            self._interpreter.allocate_tensors()
            self.photos = len(batch)
        self._interpreter.set_tensor(self._input, batch.astype(np.float32))
        self._interpreter.invoke()
        outputs: np.ndarray = self._interpreter.get_tensor(self._output)
        return outputs


def one_line(error: Exception) -> str:
    """The message of a library's error in one line of at most 200 characters."""
    return " ".join(str(error).split())[:200]
