"""Read photos and score them, several at a time, in order."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from app.api.problems import Problem
from app.scoring.row import Row, refused, unreadable
from app.scoring.sources import Source, TooManyBytes, Unreadable

_AHEAD = 4  # times the concurrency: how far rows may wait for a slow photo before them


class Scorer(Protocol):
    """What makes a row of a photo's bytes."""

    concurrency: int
    """The photos that are read or scored at a time, which are in memory then."""

    async def score(self, path: str, data: bytes) -> Row:
        """The row of a photo."""


async def score_photos(
    source: Source,
    paths: Iterable[str],
    scorer: Scorer,
    max_bytes: int,
    add: Callable[[Row], None],
) -> None:
    """Score photos, and pass their rows to `add` in the order of `paths`.

    Args:
        source: reads the photos.
        paths: which of them.
        scorer: scores them.
        max_bytes: what `source` was opened with, for the message.
        add: takes a row.

    Raises:
        app.cli.CommandError: nothing can be read or scored any more.
    """
    concurrency = scorer.concurrency
    places = asyncio.Semaphore(concurrency)
    loop = asyncio.get_running_loop()
    waiting: deque[asyncio.Task[Row]] = deque()
    threads = ThreadPoolExecutor(concurrency, "read")

    async def one(path: str) -> Row:
        async with places:
            try:
                data = await loop.run_in_executor(threads, source.read, path)
            except Unreadable as error:
                return unreadable(path, str(error))
            except TooManyBytes as error:
                return refused(path, _too_large(max_bytes, error.actual))
            return await scorer.score(path, data)

    try:
        for path in paths:
            waiting.append(asyncio.create_task(one(path)))
            if len(waiting) >= _AHEAD * concurrency:
                add(await waiting.popleft())
        while waiting:
            add(await waiting.popleft())
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        threads.shutdown(wait=False, cancel_futures=True)  # a read may hang for minutes


def _too_large(limit: int, actual: int) -> Problem:
    detail = f"At most {limit:,} bytes are accepted, the file has {actual:,}. Scale the photo down."
    return Problem(413, "too-many-bytes", "The photo is too large", detail)
