"""The worker processes of one model version.

A worker is busy with one batch at a time. If it is busy for long, another worker takes its place,
so that a photo that takes seconds delays no other. If it ends, its photos are tried again, each
alone; a photo whose workers end again and again is refused.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from app.imaging.errors import DecoderCrashed, TooExpensive
from app.model.card import ModelError
from app.model.litert import FILES
from app.serving.admission import QueueFull
from app.serving.limits import OVERTIME
from app.serving.messages import to_error
from app.serving.photo_queue import PhotoQueue, Reply, Task
from app.serving.process import WorkerProcess
from app.serving.worker import WorkerSpec

logger = logging.getLogger(__name__)

READY = 1  # workers that are kept beyond those that work, to take the place of a slow one at once
SPARE = 2  # workers that are started in place of slow ones
# A worker is slow if it is still busy at the second look, and used the processor between them; one
# that got no processor time is not, unless it is stuck.
_LOOK_SECONDS = 0.08
_USED_SECONDS = 0.02
_STUCK_SECONDS = 1.0
_MORE_TRIES = 2  # for a photo whose worker ended; something else may have killed it
_PAUSE = 1.0  # seconds between two looks at the workers, and two tries to start one
_IDLE_SECONDS = 10.0  # after which a spare worker ends


@dataclass(eq=False)
class _Worker:
    """A worker process, what it is busy with, and since when it is or is not."""

    process: WorkerProcess
    wide: bool  # may use several cores for one photo
    batch: list[Task] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)
    timer: asyncio.TimerHandle | None = None
    used: float = math.nan  # processor time at the last look
    killed: bool = False  # because nobody waits for its photo any more

    @property
    def is_slow(self) -> bool:
        return any(task.slow for task in self.batch)

    def kill(self) -> None:
        self.killed = True
        self.process.kill()


class WorkerPool:
    """Worker processes and the photos that wait for them, for one event loop.

    Args:
        spec: what the workers load.
        workers: how many work at a time; also the cores for a photo that is alone.
        most_large: see `app.serving.photo_queue.PhotoQueue`.
        deadline: seconds after which a worker that is still busy with a batch is killed.
        on_batch: called with the number of photos that a worker has classified together.
        on_end: called with the reason when a worker ended that was not told to.
    """

    def __init__(
        self,
        spec: WorkerSpec,
        workers: int,
        most_large: int,
        deadline: float,
        on_batch: Callable[[int], None] = lambda _: None,
        on_end: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.engine, self.reason = "", ""  # what the workers run, and why
        self.failing = ""  # why the last try to start a worker failed
        self._spec = spec
        self._size = workers
        self._deadline = deadline
        self._on_batch = on_batch
        self._on_end = on_end
        self._queue = PhotoQueue(most_large)
        self._workers: dict[WorkerProcess, _Worker] = {}
        self._starting = 0
        self._closed = False
        self._background: set[asyncio.Future[Any]] = set()

    async def start(self) -> None:
        """Start the workers. The first one checks the version's files, and selects its network.

        Raises:
            ModelError: a worker refuses the model.
        """
        try:
            self._select(await self._start_worker(check=True))
            await asyncio.gather(*(self._start_worker() for _ in range(self._size + READY - 1)))
        except BaseException:
            self.close()
            raise
        self._in_background(self._watch())

    def __len__(self) -> int:
        """How many photos wait."""
        return len(self._queue)

    def submit(self, job: str, data: bytes) -> Task:
        """Put a photo at the end of the queue. Cancelling its future takes it out again."""
        task = Task(job, data, asyncio.get_running_loop().create_future())
        task.future.add_done_callback(lambda _: self._leave(task))
        self._queue.add(task)
        self._dispatch()
        return task

    def close(self) -> None:
        """End all workers at once, and cancel the photos that are still in the pool."""
        self._closed = True
        self._queue.clear()
        for worker in self._workers.values():
            worker.process.end()
        for each in self._background:
            each.cancel()

    def _select(self, ready: dict[str, str]) -> None:
        """Let all workers run the network that the first one found the fastest."""
        if ready:
            self.engine, self.reason = ready["engine"], ready["reason"]
        others = {file for name, file in FILES.items() if name != self.engine}
        files = {name: file for name, file in self._spec.files.items() if name not in others}
        self._spec = replace(self._spec, files=files)

    def _leave(self, task: Task) -> None:
        self._queue.done(task)
        if task.future.cancelled() and (task.slow or task.large):  # nobody waits for it any more
            for worker in self._workers.values():
                if worker.batch == [task]:
                    worker.kill()

    def _dispatch(self) -> None:
        while idle := self._idle():
            batch = self._queue.take(len(idle))
            if not batch:
                return
            self._give(idle[0], batch)

    def _idle(self) -> list[_Worker]:
        """The workers that may begin now: no more than the usual number work, and the slow ones."""
        idle = [worker for worker in self._workers.values() if not worker.batch]
        at_work = sum(bool(w.batch) and not w.is_slow for w in self._workers.values())
        return sorted(idle, key=lambda w: not w.wide)[: max(0, self._size - at_work)]

    def _give(self, worker: _Worker, batch: list[Task]) -> None:
        alone = len(batch) == 1 and not len(self._queue)
        alone = alone and not any(each.batch for each in self._workers.values())
        worker.batch, worker.since, worker.used = batch, time.monotonic(), math.inf
        self._look_later(worker)
        head = {"job": batch[0].job, "alone": alone, "large": batch[0].large}
        worker.process.send(head, [task.data for task in batch])

    def _look_later(self, worker: _Worker) -> None:
        loop = asyncio.get_running_loop()
        worker.timer = loop.call_later(_LOOK_SECONDS, self._look, worker)

    def _look(self, worker: _Worker) -> None:
        before, worker.used = worker.used, worker.process.processor_seconds()
        waits = before == math.inf or worker.used - before < _USED_SECONDS
        if waits and time.monotonic() - worker.since < _STUCK_SECONDS:
            self._look_later(worker)
            return
        for task in worker.batch:
            task.slow = True
        self._fill_up()
        self._dispatch()

    def _release(self, worker: _Worker) -> list[Task]:
        """Take a worker's batch off it."""
        if worker.timer is not None:
            worker.timer.cancel()
        batch, worker.batch, worker.since = worker.batch, [], time.monotonic()
        for task in batch:
            task.slow = False
            self._queue.done(task)
        return batch

    def _answered(self, process: WorkerProcess, answers: list[Any], blobs: list[bytes]) -> None:
        batch = self._release(self._workers[process])
        for place, (task, members) in enumerate(zip(batch, answers, strict=True)):
            self._settle(task, Reply(members, blobs[place] if blobs else b""))
        done = sum("values" in members for members in answers)
        if done:
            self._on_batch(done)
        self._dispatch()

    def _settle(self, task: Task, reply: Reply) -> None:
        if task.future.done():
            return
        if "error" not in reply.members:
            task.future.set_result(reply)
            return
        error = to_error(reply.members)
        if isinstance(error, TooExpensive) and not task.large:
            task.large = True
            try:
                self._queue.add(task)
            except QueueFull as full:
                task.future.set_exception(full)
            return
        task.future.set_exception(error)

    def _ended(self, process: WorkerProcess, code: int) -> None:
        worker = self._workers.pop(process, None)
        if worker is None or self._closed:
            return
        batch = self._release(worker)
        overtime = OVERTIME is not None and code == -OVERTIME
        reason = "processor-time" if overtime else "given-up" if worker.killed else "crash"
        line = "a worker ended (%s, code %d) with %d photos; it is replaced"
        logger.warning(line, reason, code, len(batch))
        self._on_end(reason)
        for task in reversed(batch):
            if not task.future.done():
                self._try_again(task, code, single=len(batch) == 1, overtime=overtime)
        self._fill_up()
        self._dispatch()

    def _try_again(self, task: Task, code: int, *, single: bool, overtime: bool) -> None:
        if single and overtime:
            limit = f"{self._spec.photo_seconds:g} seconds of processor time"
            task.future.set_exception(TooExpensive(limit))
        elif single and task.crashes >= _MORE_TRIES:
            task.future.set_exception(DecoderCrashed(f"exit code {code}"))
        else:
            task.alone = True
            task.crashes += single
            self._queue.put_back(task)

    def _fill_up(self) -> None:
        """Start workers for those that are missing or slow."""
        if self._closed:
            return
        slow = sum(worker.is_slow for worker in self._workers.values())
        wanted = self._size + READY + min(slow, SPARE)
        for _ in range(wanted - len(self._workers) - self._starting):
            self._in_background(self._replace())

    async def _replace(self) -> None:
        # Slow workers may use all cores, and would make the start slow, too.
        paused = [worker.process for worker in self._workers.values() if worker.is_slow]
        for process in paused:
            process.pause(True)
        try:
            await self._start_worker()
            self.failing = ""
        except ModelError as error:
            self.failing = str(error)
            logger.error("no worker can be started: %s", error)
        finally:
            for process in paused:
                process.pause(False)
        self._dispatch()

    async def _start_worker(self, *, check: bool = False) -> dict[str, str]:
        wide = not any(worker.wide for worker in self._workers.values())
        process = WorkerProcess(self._answered, self._ended)
        self._starting += 1
        try:
            ready = await process.start(self._spec, self._size if wide else 1, check)
        finally:
            self._starting -= 1
        if self._closed:
            process.end()
        else:
            self._workers[process] = _Worker(process, wide)
        return ready

    async def _watch(self) -> None:
        """End workers that are stuck or not needed any more, for ever."""
        while True:
            await asyncio.sleep(_PAUSE)
            now = time.monotonic()
            for worker in list(self._workers.values()):
                seconds = now - worker.since
                spare = len(self._workers) > self._size + READY and not worker.wide
                if worker.batch and seconds > self._deadline:
                    worker.kill()
                elif not worker.batch and spare and seconds > _IDLE_SECONDS:
                    del self._workers[worker.process]
                    worker.process.end()
            self._fill_up()

    def _in_background(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
