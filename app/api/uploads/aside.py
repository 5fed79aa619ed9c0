"""Work on a large upload beside the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

# One thread: such work holds Python's lock for moments, and several threads would do so in turn.
_THREAD = ThreadPoolExecutor(1, "uploads")


async def aside(function: Callable[..., T], *arguments: Any) -> T:
    """The result of a function that takes some milliseconds, run in a thread."""
    return await asyncio.get_running_loop().run_in_executor(_THREAD, function, *arguments)
