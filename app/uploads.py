"""A request's body -> the bytes of one photo, within the limit, or the problem with it."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from anyio import move_on_after
from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from app.problems import Problem

FIELD = "file"
_ACCEPTED = f"multipart/form-data with a field '{FIELD}', or the photo itself as image/*"

# The request body of a route that reads a photo, for the API reference.
_BINARY = {"type": "string", "format": "binary"}
PHOTO_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {"type": "object", "required": [FIELD], "properties": {FIELD: _BINARY}}
        },
        "image/*": {"schema": _BINARY},
    },
}

_PATIENCE = 10.0  # seconds for the rest of an upload that is refused


async def read_photo(request: Request, max_bytes: int) -> bytes:
    """The photo in the request: a raw `image/*` body, or the multipart field `file`.

    The photo's own bytes decide its format; a client may label a PNG `image/jpeg`.

    Raises:
        Problem: 400 malformed multipart, 413 more than `max_bytes`, 415 another content type,
            422 no such field, several, or one that is not a file.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = _bounded(request, max_bytes)
    if kind.startswith("image/"):
        return b"".join([chunk async for chunk in body])
    if kind == "multipart/form-data":
        return await _read_multipart(request, body, max_bytes)
    raise Problem(
        415,
        "unsupported-media-type",
        "The content type is not accepted",
        f"The content type is {kind or 'missing'!r}; expected {_ACCEPTED}.",
        {"Accept": "multipart/form-data, image/*"},
    )


async def _bounded(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    """The body as it streams in, counted: a length header can be missing, or lie."""
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
        yield chunk


async def _let_finish(stream: AsyncIterator[bytes], limit: int) -> None:
    """Read and drop what the client is still sending, for a bounded time and size.

    A client that is answered in the middle of its upload sees the connection reset, and
    mostly loses the answer that says why.
    """
    dropped = 0
    with move_on_after(_PATIENCE):
        async for chunk in stream:
            dropped += len(chunk)
            if dropped > 4 * limit:
                break


def _too_large(limit: int, actual: int | None) -> Problem:
    found = f"{actual:,}" if actual else "more than that"
    detail = f"At most {limit:,} bytes are accepted, the request has {found}. Scale the photo down."
    # Some of the body may not have been read, so the connection cannot be used again.
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


async def _read_multipart(
    request: Request, body: AsyncGenerator[bytes, None], max_bytes: int
) -> bytes:
    parser = MultiPartParser(request.headers, body, max_files=10, max_fields=10)
    parser.spool_max_size = max_bytes  # stay in memory: the disk may be read-only
    try:
        form = await parser.parse()
    except MultiPartException as error:
        detail = f"The multipart body cannot be parsed: {error.message} Expected {_ACCEPTED}."
        raise Problem(400, "malformed-body", "The body is malformed", detail) from error
    try:
        return await _file_of(form.getlist(FIELD), sorted(set(form.keys())))
    finally:
        await form.close()


async def _file_of(values: "list[UploadFile | str]", names: list[str]) -> bytes:
    if len(values) == 1 and isinstance(values[0], UploadFile):
        return await values[0].read()
    if not values:
        found = f"it has {', '.join(map(repr, names))[:200]}" if names else "it has no field at all"
        detail = f"The form has no field '{FIELD}' ({found})."
        kind, title = "missing-field", "The field is missing"
    elif len(values) > 1:
        detail = f"The field '{FIELD}' stands {len(values)} times in the form; send one photo."
        kind, title = "repeated-field", "More than one photo"
    else:
        detail = f"The field '{FIELD}' is text, not a file. With curl: -F {FIELD}=@photo.jpg"
        kind, title = "not-a-file", "The field is not a file"
    raise Problem(422, kind, title, detail)
