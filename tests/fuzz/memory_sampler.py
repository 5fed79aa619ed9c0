"""Sample the memory of a server and all its processes, from a process of its own.

So the samples are taken in time, also while the load generator is busy.
"""

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from app.cli import CommandError
from benchmarks.harness.memory import (
    highest_bytes,
    process_tree,
    proportional_bytes,
    reset_peak,
    start_time,
)

_INTERVAL_SECONDS = 0.02
_READ_SECONDS = 30

Process = tuple[int, int]
"""An id and a start time, as ids are used again."""


@dataclass
class Usage:
    """The memory in bytes that a server's processes used since the last reading.

    `peak` is the highest sum of all (PSS), `now` the last one. `highest` has each process's
    highest resident memory, of one that ended up to its last sample.
    """

    peak: int = 0
    now: int = 0
    first: set[Process] = field(default_factory=set)
    highest: dict[Process, int] = field(default_factory=dict)

    @property
    def started(self) -> int:
        """How many processes started since the last reading."""
        return len(self.highest.keys() - self.first)

    @property
    def largest(self) -> int:
        """The highest resident memory of a single process."""
        return max(self.highest.values(), default=0)


class MemorySampler:
    """Samples until it is closed; each `read` begins a new measurement."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def read(self) -> Usage:
        """Return the usage since the last call.

        Raises:
            CommandError: the sampling process has ended.
        """
        try:
            self._connection.send(None)
            if self._connection.poll(_READ_SECONDS):
                usage: Usage = self._connection.recv()
                return usage
        except (EOFError, OSError):
            pass
        raise CommandError("The memory of the service can no longer be read.")


@contextmanager
def memory_sampler(pid: int) -> Iterator[MemorySampler]:
    """Sample the memory of a process and its descendants inside the block."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_sample, args=(pid, there), daemon=True)
    process.start()
    there.close()
    try:
        yield MemorySampler(here)
    finally:
        here.close()
        process.join()


def _sample(pid: int, connection: Connection) -> None:
    usage = _begin(pid)
    while True:
        began = time.perf_counter()
        tree = process_tree(pid)
        usage.now = sum(map(proportional_bytes, tree))
        usage.peak = max(usage.peak, usage.now)
        for each in tree:
            process = (each, start_time(each))
            usage.highest[process] = max(usage.highest.get(process, 0), highest_bytes(each))
        try:
            if connection.poll(max(0.0, _INTERVAL_SECONDS - (time.perf_counter() - began))):
                connection.recv()
                connection.send(usage)
                usage = _begin(pid)
        except (EOFError, OSError):  # the reader has closed it
            return


def _begin(pid: int) -> Usage:
    reset_peak(pid)
    return Usage(first={(each, start_time(each)) for each in process_tree(pid)})
