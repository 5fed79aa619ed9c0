"""A worker process as the service sees it: started, sent to, killed, and noticed when it ends.

The processes come from a fork server, which has imported what they need: a new one is ready in a
tenth of a second, and they share that memory. Windows has none, and starts each from the beginning.
"""

import asyncio
import atexit
import math
import multiprocessing
import multiprocessing.connection
import multiprocessing.forkserver
import os
import signal
import socket
import sys
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from app.model.card import ModelError
from app.serving import worker
from app.serving.messages import Incoming, packed
from app.serving.worker import WorkerSpec

_FORKS = "forkserver" in multiprocessing.get_all_start_methods()
_CONTEXT: Any = multiprocessing.get_context("forkserver" if _FORKS else "spawn")
_PRELOADED = ["app.serving.worker", "ai_edge_litert.interpreter", *worker.LATE_IMPORTS]

# The environment of the fork server. glibc gives the memory of a large photo back to the system at
# once, and keeps that of small ones; NumPy starts no threads.
_ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": str(2 * 1024 * 1024),
    "MALLOC_TRIM_THRESHOLD_": str(4 * 1024 * 1024),
    "OPENBLAS_NUM_THREADS": "1",
}
_HIDDEN = ("APP_API_KEYS", "RAY_AUTH_TOKEN")  # from the workers

# Starts processes and reads exit codes, one at a time. A start that is given up goes on here.
_starter = ThreadPoolExecutor(1, "worker-start")
_alive: "weakref.WeakSet[Any]" = weakref.WeakSet()


class WorkerProcess(asyncio.Protocol):
    """One worker process. Its methods are called in the event loop's thread.

    Args:
        on_answers: called with the process, the answers and their bytes.
        on_end: called with the process and its exit code, negative for a signal.
    """

    def __init__(
        self,
        on_answers: "Callable[[WorkerProcess, list[Any], list[bytes]], None]",
        on_end: "Callable[[WorkerProcess, int], None]",
    ) -> None:
        self._on_answers = on_answers
        self._on_end = on_end
        self._told = False
        self._process: Any = None
        self._transport: Any = None
        self._incoming = Incoming()
        self._ready: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()

    async def start(self, spec: WorkerSpec, threads: int, check: bool) -> dict[str, str]:
        """Start the process, and wait until it has loaded its model.

        Args:
            spec, threads, check: see `app.serving.worker.main`.

        Returns:
            The `engine` that it loaded, and the `reason`; nothing if it only decodes.

        Raises:
            ModelError: the worker refuses the model, or ends while it loads it.
        """
        ours, theirs = socket.socketpair()
        starting = _starter.submit(_start, (theirs, spec, threads, check))
        # Not before: if the thread finds its end closed, the fork server gets no message, and ends.
        starting.add_done_callback(lambda _: theirs.close())
        try:
            self._process = await asyncio.wrap_future(starting)
            loop = asyncio.get_running_loop()
            self._transport, _ = await loop.connect_accepted_socket(lambda: self, ours)
            return await self._ready
        except OSError as error:
            raise ModelError(
                f"no worker process can be started ({error}). The service needs a folder for "
                "temporary files (TMPDIR), and some free memory."
            ) from error
        finally:
            if self._transport is None:
                ours.close()
            elif not self._is_ready():
                self.end()

    def send(self, head: dict[str, Any], blobs: Sequence[bytes]) -> None:
        """Send a message; the answers come to `on_answers`."""
        self._transport.write(packed(head, blobs))

    def kill(self) -> None:
        """End the process at once, whatever it does."""
        self._process.kill()

    def processor_seconds(self) -> float:
        """The processor time that the process has used; NaN where the system does not tell."""
        try:
            text = Path(f"/proc/{self._process.pid}/stat").read_text("ascii", "replace")
            user, system = text.rpartition(")")[2].split()[11:13]  # see proc(5)
            return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
        except (OSError, ValueError):
            return math.nan

    def pause(self, on: bool) -> None:
        """Give the process no processor time, or give it again. Windows cannot."""
        if hasattr(signal, "SIGSTOP") and not self._transport.is_closing():
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGSTOP if on else signal.SIGCONT)

    def end(self) -> None:
        """End the process, and tell `on_end` nothing."""
        self._told = True
        self._process.kill()
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        try:
            for head, blobs in self._incoming.feed(data):
                self._take(head, blobs)
        except (ValueError, KeyError, TypeError):  # no answer of a healthy worker
            self.kill()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """See `asyncio.Protocol`: the process has ended."""
        if self._told:
            return
        task = asyncio.ensure_future(asyncio.to_thread(self._wait))
        task.add_done_callback(self._ended)

    def _wait(self) -> None:
        """Wait for the exit code, which can be read once: a start asks for those of all, too."""
        multiprocessing.connection.wait([self._process.sentinel])
        _starter.submit(self._process.join).result()

    def _is_ready(self) -> bool:
        return self._ready.done() and not self._ready.cancelled() and not self._ready.exception()

    def _take(self, head: dict[str, Any], blobs: list[bytes]) -> None:
        if self._ready.done():
            self._on_answers(self, head["answers"], blobs)
        elif "refused" in head:
            self._ready.set_exception(ModelError(str(head["refused"])))
        else:
            self._ready.set_result(head["ready"])

    def _ended(self, _: object) -> None:
        code = self._process.exitcode or 0
        if not self._ready.done():
            self._ready.set_exception(ModelError(f"the worker ended with code {code} in loading"))
        elif self._is_ready():
            self._on_end(self, code)


def _start(arguments: tuple[Any, ...]) -> Any:
    with _without_program():
        if _FORKS:
            _start_fork_server()
        process = _CONTEXT.Process(target=worker.main, args=arguments, daemon=True)
        process.start()
    _alive.add(process)
    return process


@contextmanager
def _without_program() -> Iterator[None]:
    """Hide the program that was started from multiprocessing: each worker would import it."""
    program = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = program


def _start_fork_server() -> None:
    """Start it if it does not run, in its own environment: without the API keys."""
    hidden = {name: os.environ.pop(name) for name in _HIDDEN if name in os.environ}
    added = {name: value for name, value in _ENVIRONMENT.items() if name not in os.environ}
    os.environ.update(added)
    try:
        _CONTEXT.set_forkserver_preload(_PRELOADED)
        multiprocessing.forkserver.ensure_running()
    finally:
        for name in added:
            del os.environ[name]
        os.environ.update(hidden)


@atexit.register
def _kill_all() -> None:
    """End what is left; otherwise multiprocessing would wait for it for ever."""
    for process in list(_alive):
        process.kill()
