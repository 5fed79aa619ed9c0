"""Which version is served: a newer version takes over without a pause, a broken one is refused."""

import asyncio
import logging
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from app.model.card import CARD, ModelError
from app.model.redaction import without_paths
from app.model.version_folder import versions
from app.serving.metrics import Metrics
from app.serving.served_model import ServedModel

logger = logging.getLogger(__name__)

# The state of a folder: each file's name, size and time of change.
Fingerprint = tuple[tuple[str, int, int], ...]


class ModelWatcher:
    """The served model, and the versions beside it on disk.

    A request keeps the model that it began with. A replaced model ends when the last request that
    uses it has ended.

    Args:
        model: the one to begin with.
        load: loads and checks a version folder; raises `ModelError`.
        path: the folder of all versions, or one version's.
        version: serve only this version.
    """

    def __init__(
        self,
        model: ServedModel,
        load: Callable[[Path], Awaitable[ServedModel]],
        path: Path,
        version: int | None,
        metrics: Metrics,
    ) -> None:
        self.model = model
        self.refused: dict[str, str] = {}
        self._load = load
        self._path = path
        self._pinned = version
        self._metrics = metrics
        self._served = fingerprint(model.folder)
        self._seen: dict[Path, Fingerprint] = {}  # the refused folders
        self._again = asyncio.Event()
        self._checking = asyncio.Lock()
        metrics.set_model(model)

    def check_now(self) -> None:
        """Look for another version soon, and try the refused ones again."""
        self._seen.clear()
        self._again.set()

    async def pin(self, version: int | None) -> None:
        """Serve this version from now on; None: the newest. Return when it is served or refused.

        If it cannot be served, `refused` has the reason, and the model that is served now stays.
        """
        self._pinned = version
        self._seen.clear()
        await self.check()
        names = [folder.name for folder in await asyncio.to_thread(self._folders)]
        if version is not None and str(version) not in names:
            self._refuse(str(version), f"{self._path} has no version {version}.")

    @asynccontextmanager
    async def running(self, seconds: float) -> AsyncIterator[None]:
        """Within the block, look for another version every `seconds` and on SIGHUP."""
        loop = asyncio.get_running_loop()
        # Only a process's main thread gets signals, and Windows has no such signal.
        main = threading.current_thread() is threading.main_thread()
        listens = hasattr(signal, "SIGHUP") and main
        if listens:
            loop.add_signal_handler(signal.SIGHUP, self.check_now)
        task = asyncio.create_task(self.watch(seconds))
        try:
            yield
        finally:
            if listens:
                loop.remove_signal_handler(signal.SIGHUP)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def watch(self, seconds: float) -> None:
        """Look for another version every `seconds` (0: never) and after `check_now`, for ever."""
        while True:
            try:
                async with asyncio.timeout(seconds or None):
                    await self._again.wait()
            except TimeoutError:
                pass
            self._again.clear()
            try:
                await self.check()
            except Exception:  # watching must go on
                logger.exception("looking for another version failed")

    async def check(self) -> None:
        """Serve the newest version on disk that can be served."""
        async with self._checking:
            for folder, state in await asyncio.to_thread(self._look):
                served = folder == self.model.folder
                if served and state == self._served:
                    return
                if self._seen.get(folder) != state and await self._take_over(folder, state):
                    return
                if served:  # its files changed on disk, but the loaded model is still good
                    return

    def _look(self) -> list[tuple[Path, Fingerprint]]:
        folders = self._folders()
        wanted = {folder.name for folder in folders} | {str(self._pinned)}
        for name in set(self.refused) - wanted:
            self._forget(name)
        return [(folder, fingerprint(folder)) for folder in folders]

    def _folders(self) -> list[Path]:
        """The version folders that may be served, the newest first."""
        if (self._path / CARD).is_file():
            return [self._path]
        numbers = versions(self._path)
        if self._pinned is not None:
            numbers = [number for number in numbers if number == self._pinned]
        return [self._path / str(number) for number in reversed(numbers)]

    async def _take_over(self, folder: Path, state: Fingerprint) -> bool:
        try:
            model = await self._load(folder)
        except ModelError as error:
            self._refuse(folder.name, str(error))
            self._seen[folder] = state
            return False
        before, self.model, self._served = self.model, model, state
        before.retire()
        self._forget(folder.name)
        self._metrics.swaps.inc()
        self._metrics.set_model(model)
        numbers = (model.card.version, before.card.version)
        line = "serving %s version %d instead of %d with %s"
        logger.info(line, model.card.name, *numbers, model.engine_description)
        return True

    def _refuse(self, version: str, reason: str) -> None:
        still = self.model.card.version
        logger.error("version %s is refused, %d is served on: %s", version, still, reason)
        # Clients can read this, so it must not show the paths of this machine.
        self.refused[version] = without_paths(reason, self._path / version)
        self._metrics.refusals.inc()
        self._metrics.refused.labels(version).set(1)

    def _forget(self, version: str) -> None:
        if self.refused.pop(version, None) is not None:
            self._metrics.refused.remove(version)


def fingerprint(folder: Path) -> Fingerprint:
    """The names, sizes and times (ns) of a folder's files; empty if there is no folder."""
    try:
        entries = [(entry.name, entry.stat()) for entry in folder.iterdir()]
    except OSError:
        return ()
    return tuple(sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in entries))
