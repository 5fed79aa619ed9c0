"""The photos that wait for a worker, in order of arrival, and which of them form a batch."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from app.serving.admission import QueueFull
from app.serving.worker import CLASSIFY

# Bytes of a file. Decoding a larger one would delay the answers to the rest of its batch.
_MAX_BATCHED_BYTES = 512 * 1024
_BATCH = 2  # photos, see app.model.litert.LiteRTEngine


@dataclass(frozen=True)
class Reply:
    """What a worker answered for a photo: the members of its message, and bytes."""

    members: dict[str, Any]
    blob: bytes


@dataclass(eq=False)
class Task:
    """A photo in the pool.

    Attributes:
        alone: it joins no batch, because the worker of its last batch ended.
        crashes: how many workers ended when they had this photo alone.
        large: it is to get the memory of a large photo.
        slow: a worker has been busy with it for long.
    """

    job: str
    data: bytes
    future: "asyncio.Future[Reply]"
    alone: bool = False
    crashes: int = 0
    large: bool = False
    slow: bool = False


class PhotoQueue:
    """Ordinary photos, and apart from them large ones, of which one at a time is at work.

    Args:
        most_large: large photos that may wait, as each of them may take seconds.
    """

    def __init__(self, most_large: int) -> None:
        self._most_large = most_large
        self._ordinary: OrderedDict[Task, None] = OrderedDict()
        self._large: OrderedDict[Task, None] = OrderedDict()
        self._large_at_work: Task | None = None

    def __len__(self) -> int:
        """How many photos wait."""
        return len(self._ordinary) + len(self._large)

    def add(self, task: Task) -> None:
        """Put a photo at the end.

        Raises:
            QueueFull: it is a large one, and too many of these wait.
        """
        if not task.large:
            self._ordinary[task] = None
            return
        if len(self._large) >= self._most_large:
            raise QueueFull(self._most_large, len(self._large), 1)
        self._large[task] = None

    def put_back(self, task: Task) -> None:
        """Put a photo at the front again, whose worker ended."""
        waiting = self._large if task.large else self._ordinary
        waiting[task] = None
        waiting.move_to_end(task, last=False)

    def done(self, task: Task) -> None:
        """No worker has the photo any more, and it does not wait."""
        self._ordinary.pop(task, None)
        self._large.pop(task, None)
        if self._large_at_work is task:
            self._large_at_work = None

    def take(self, idle: int) -> list[Task]:
        """The next batch for one of `idle` workers; empty if there is none."""
        if self._large and self._large_at_work is None:
            self._large_at_work, _ = self._large.popitem(last=False)
            return [self._large_at_work]
        batch: list[Task] = []
        # Each idle worker gets one photo before any of them gets a second one.
        while self._ordinary and (not batch or len(self._ordinary) >= idle):
            task = next(iter(self._ordinary))
            if batch and not _can_join(batch, task):
                break
            del self._ordinary[task]
            batch.append(task)
        return batch

    def clear(self) -> None:
        """Cancel what waits."""
        for task in [*self._ordinary, *self._large]:
            task.future.cancel()


def _can_join(batch: list[Task], task: Task) -> bool:
    """Whether a photo can join a batch: to classify, light, and no suspect."""
    return len(batch) < _BATCH and all(
        each.job == CLASSIFY and not each.alone and len(each.data) <= _MAX_BATCHED_BYTES
        for each in (*batch, task)
    )
