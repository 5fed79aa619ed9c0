"""A request's body as it comes in, bounded in bytes and in time."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from typing import Any, TypeVar

import anyio
from fastapi import Request

from app.api.problems import Problem

T = TypeVar("T")

_PATIENCE = 10.0  # seconds that are given to the rest of a refused upload


async def in_time(request: Request, reading: Coroutine[Any, Any, T]) -> T:
    """The result of `reading` the body, within the time that the settings give an upload.

    Without a limit, clients that send a byte a minute would hold memory for ever.

    Raises:
        Problem: 408 too slow.
    """
    seconds: float = request.app.state.settings.upload_seconds
    try:
        async with asyncio.timeout(seconds):
            return await reading
    except TimeoutError as error:
        detail = f"The body had not arrived within {seconds:g} seconds. Scale the photo down."
        close = {"Connection": "close"}
        raise Problem(408, "upload-too-slow", "The upload is too slow", detail, close) from error


async def bounded(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    """The body as it streams in. Its bytes are counted: a length header can be missing or wrong.

    Raises:
        Problem: 413 more than `limit` bytes, 415 compressed.
        app.serving.admission.BufferFull: all requests together have too many bytes.
    """
    coding = request.headers.get("content-encoding", "identity")
    if coding.lower() not in ("", "identity"):
        raise _encoded(coding)
    stream = request.stream()
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        if request.headers.get("expect", "").lower() != "100-continue":
            await _let_finish(stream, limit)
        raise _too_large(limit, int(declared))
    total = 0
    async for chunk in stream:
        total += len(chunk)
        if total > limit:
            await _let_finish(stream, limit)
            raise _too_large(limit, None)
        # app.api.middleware.access gives them back when the request is answered.
        request.state.buffer.take(len(chunk))
        request.state.buffered += len(chunk)
        yield chunk


async def _let_finish(stream: AsyncIterator[bytes], limit: int) -> None:
    """Read and drop what the client still sends, for a bounded time and size.

    A client that is answered in the middle of its upload often sees a reset connection instead of
    the answer.
    """
    dropped = 0
    with anyio.move_on_after(_PATIENCE):
        async for chunk in stream:
            dropped += len(chunk)
            if dropped > 4 * limit:
                break


def _encoded(coding: str) -> Problem:
    # A photo is compressed already, and a compressed body can be a decompression bomb.
    detail = f"The body has the content coding {coding[:40]!r}; send it without one."
    title = "The content coding is not accepted"
    return Problem(415, "unsupported-coding", title, detail, {"Accept-Encoding": "identity"})


def _too_large(limit: int, actual: int | None) -> Problem:
    found = f"{actual:,}" if actual else "more than that"
    detail = f"At most {limit:,} bytes are accepted, the request has {found}. Scale the photo down."
    # A part of the body may be unread, so the connection cannot be used again.
    headers = {"Connection": "close"}
    return Problem(
        413,
        "too-many-bytes",
        "The request is too large",
        detail,
        headers,
        limit=limit,
        actual=actual,
    )
