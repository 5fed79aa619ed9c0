"""Limits of a worker process: memory, processor time, files. Systems that lack one go without.

A library for photos has faults that nobody knows of. The system holds these limits whatever
happens inside of it.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

_STATUS = Path("/proc/self/statm")  # of Linux; its first number is the address space in pages


def confine() -> None:
    """Take away what a worker needs no more: files, connections, core dumps.

    Call it when all is loaded. Nothing can be opened any more, as every open file and connection
    needs a number, and there is none left.
    """
    # Whoever stops the service stops its workers by closing their connections.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if resource is not None:
        for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
            resource.setrlimit(kind, (0, 0))


class Memory:
    """The address space of this process. Make it before `confine`, as it opens a file."""

    def __init__(self) -> None:
        self._file = _STATUS.open("rb", buffering=0) if _STATUS.exists() else None

    def allow(self, size: int) -> None:
        """Let the process have `size` bytes more than now; a larger allocation will fail."""
        if self._file is not None:
            self._file.seek(0)
            used = int(self._file.read(100).split()[0]) * resource.getpagesize()
            hard = resource.getrlimit(resource.RLIMIT_AS)[1]
            most = used + size if hard == resource.RLIM_INFINITY else min(used + size, hard)
            resource.setrlimit(resource.RLIMIT_AS, (most, hard))


@contextmanager
def processor_time(seconds: float) -> Iterator[None]:
    """Within the block, the system ends this process by `OVERTIME` after so much processor time."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_PROF, 0)


# Its default action ends the process, inside of a library too.
OVERTIME = getattr(signal, "SIGPROF", None)
