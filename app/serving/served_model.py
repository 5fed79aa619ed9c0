"""A model version that is served: its card, its plots, its worker processes, its engine."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from app.imaging.statistics import Statistics
from app.model.card import CALIBRATION, EXPLAIN, FAMILIARITY, Card
from app.model.decision import Decisions, Strictness
from app.model.engine import Choice, choose
from app.model.fastest import load_engine, networks
from app.model.litert import FILES
from app.model.network import Network, Output
from app.model.prediction import Prediction, prediction
from app.model.shared_file import SharedFile
from app.model.version_folder import load_card, read_file
from app.serving.drift import Window
from app.serving.engine_queue import EngineQueue
from app.serving.photo_queue import Task
from app.serving.pool import WorkerPool
from app.serving.worker import CLASSIFY, DECODE, Job, WorkerSpec


@dataclass(frozen=True)
class Answer:
    """A prediction, and the seconds that its photo spent in each stage."""

    prediction: Prediction
    queue: float
    decode: float
    infer: float


@dataclass(frozen=True)
class Options:
    """How a model is served.

    Attributes:
        workers, most_large, deadline, on_batch, on_end: see `app.serving.pool.WorkerPool`.
        engine: see `app.model.engine.choose`.
        jobs, formats, max_pixels, photo_memory, photo_seconds: see `app.serving.worker.WorkerSpec`.
        strictness: of decisions, instead of the card's.
    """

    workers: int
    most_large: int
    deadline: float
    engine: Choice
    jobs: Mapping[str, Job]
    formats: tuple[str, ...]
    max_pixels: int
    photo_memory: int
    photo_seconds: float
    strictness: Strictness = field(default_factory=Strictness)
    on_batch: Callable[[int], None] = lambda _: None
    on_end: Callable[[str], None] = lambda _: None


@dataclass(eq=False)
class ServedModel:
    """A loaded version. `load` makes it; after `retire` it ends when nobody uses it any more.

    Attributes:
        folder: the version folder.
        card: its card.
        engine_name: what runs the network, see `app.model.engine.EngineName`.
        engine_reason: why this engine was selected.
        decisions: what decides on its predictions.
        plots: the bytes of the card's plots, by name.
        pool: the workers.
        drift: its last answers.
    """

    folder: Path
    card: Card
    engine_name: str
    decisions: Decisions
    plots: Mapping[str, bytes]
    pool: WorkerPool
    _engine: EngineQueue | None
    engine_reason: str = ""
    drift: Window = field(init=False)
    _users: int = field(default=0, init=False)
    _retired: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.drift = Window(self.card)

    @classmethod
    async def load(cls, folder: Path, options: Options) -> "ServedModel":
        """Check a version folder, start its workers, and have its golden predictions reproduced.

        Raises:
            ModelError: it cannot be served; the message says why.
        """
        choice = choose(options.engine)
        card, files = await asyncio.to_thread(_read, folder, choice)
        engine, name, reason = None, "", ""
        if choice == "tensorflow":
            loaded = await asyncio.to_thread(load_engine, folder, card, choice)
            name, reason = loaded.engine.name, loaded.reason
            network = Network.of(card, loaded, files.get(FAMILIARITY))
            engine = EngineQueue(network, options.on_batch)
        decisions = Decisions(card, files.pop(CALIBRATION, None), options.strictness)
        plots = {name: files.pop(name) for name in list(files) if name.endswith(".png")}
        shared = {name: SharedFile(content) for name, content in files.items()}
        spec = WorkerSpec(
            card, shared, options.jobs, options.formats, options.max_pixels,
            options.photo_memory, options.photo_seconds,
        )  # fmt: skip
        pool = WorkerPool(
            spec, options.workers, options.most_large, options.deadline, options.on_batch,
            options.on_end,
        )  # fmt: skip
        await pool.start()
        name, reason = name or pool.engine, reason or pool.reason
        return cls(folder, card, name, decisions, plots, pool, engine, reason)

    @property
    def engine_description(self) -> str:
        """The engine and why it was selected, for the log."""
        return f"{self.engine_name} ({self.engine_reason})"

    @property
    def waiting(self) -> int:
        """The number of photos that wait for a worker or for the engine."""
        return len(self.pool) + (len(self._engine) if self._engine is not None else 0)

    def submit(self, data: bytes) -> Task:
        """Give a photo to the workers; `finish` makes an answer of what they say."""
        return self.pool.submit(CLASSIFY if self._engine is None else DECODE, data)

    async def finish(self, task: Task, arrived: float) -> Answer:
        """The answer for a photo that arrived at `arrived`, by `time.perf_counter()`.

        Raises:
            app.imaging.errors.PhotoError: the bytes are not a usable photo.
        """
        try:
            reply = await task.future
        finally:
            del task  # an error's traceback has this frame: a cycle would keep the photo
        decode = float(reply.members["decode"])
        if self._engine is not None:
            pixels = np.frombuffer(reply.blob, np.uint8).reshape(self.card.input.shape)
            output, infer = await self._engine.run(pixels)
        else:
            output, infer = Output.from_json(reply.members), float(reply.members["infer"])
        queue = time.perf_counter() - arrived - decode - infer
        answer = prediction(self.card, output.values, output.familiar)
        self.drift.add(Statistics(**reply.members["statistics"]), answer)
        return Answer(answer, max(queue, 0.0), decode, infer)

    def acquire(self) -> None:
        """A request begins to use it."""
        self._users += 1

    def release(self) -> None:
        """A request does not use it any more."""
        self._users -= 1
        self._end_if_unused()

    def retire(self) -> None:
        """No further request will use it."""
        self._retired = True
        self._end_if_unused()

    def close(self) -> None:
        """End its workers at once."""
        self.pool.close()

    def _end_if_unused(self) -> None:
        if self._retired and not self._users:
            self.close()


def _read(folder: Path, choice: Choice) -> tuple[Card, dict[str, bytes]]:
    """A version's card, checked, and the files that serving needs, with the plots."""
    card = load_card(folder)
    served = {EXPLAIN, FAMILIARITY, CALIBRATION}
    if choice != "tensorflow":
        served |= {FILES[name] for name in networks(card, choice)}
    wanted = [name for name in card.files if name in served or name.endswith(".png")]
    return card, {name: read_file(folder / name, card.files[name]) for name in wanted}
