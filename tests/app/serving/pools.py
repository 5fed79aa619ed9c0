"""Worker pools for tests: real processes with a small model."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from app.imaging.decode import MAX_PIXELS
from app.imaging.formats import FORMATS
from app.model.card import EXPLAIN, LITERT
from app.model.shared_file import SharedFile
from app.model.version_folder import load_card
from app.serving.pool import WorkerPool
from app.serving.worker import WorkerSpec
from tests import pictures
from tests.app.serving.bad_jobs import JOBS
from tests.conftest import striped

T = TypeVar("T")

PHOTOS = [pictures.encode(pictures.grey(striped(seed % 3, seed))) for seed in range(12)]


def spec(folder: Path, **more: Any) -> WorkerSpec:
    members: dict[str, Any] = {
        "card": load_card(folder),
        "files": {n: SharedFile((folder / n).read_bytes()) for n in (LITERT, EXPLAIN)},
        "jobs": JOBS,
        "formats": FORMATS,
        "max_pixels": MAX_PIXELS,
        "photo_memory": 300 * 2**20,
        "photo_seconds": 5.0,
    }
    return WorkerSpec(**members | more)


@asynccontextmanager
async def running(
    folder: Path, workers: int = 2, deadline: float = 20, **more: Any
) -> AsyncIterator[WorkerPool]:
    """A pool of real worker processes; `more` is for its WorkerSpec."""
    batches: list[int] = []
    ends: list[str] = []
    pool = WorkerPool(spec(folder, **more), workers, 8, deadline, batches.append, ends.append)
    pool.batches, pool.ends = batches, ends  # type: ignore[attr-defined]
    await pool.start()
    try:
        yield pool
    finally:
        pool.close()
        await asyncio.gather(*pool._background, return_exceptions=True)
        await asyncio.sleep(0.01)  # transports are closed in the event loop's next rounds


def run(work: Callable[[], Awaitable[T]]) -> T:
    async def main() -> T:
        async with asyncio.timeout(60):
            return await work()

    return asyncio.run(main())


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.01)
