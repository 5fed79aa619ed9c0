"""A request's body -> the bytes of its photos, within the limits, or the problem with it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from anyio import move_on_after
from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from app import json_photos
from app.problems import Problem

FIELD, FIELDS = "file", "files"
_ONE = f"multipart/form-data with a field '{FIELD}', the photo itself as image/*, or JSON"
_MANY = f"multipart/form-data with fields '{FIELDS}', or JSON"
_FEW = 10  # parts of a form that has one photo

# The request bodies of the routes that read photos, for the API reference.
_BINARY = {"type": "string", "format": "binary"}


def _form(field: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"schema": {"type": "object", "required": [field], "properties": {field: schema}}}


PHOTO_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": _form(FIELD, _BINARY),
        "image/*": {"schema": _BINARY},
        "application/json": _form(json_photos.ONE, json_photos.SCHEMA | {"minLength": 1}),
    },
}
PHOTOS_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": _form(FIELDS, {"type": "array", "minItems": 1, "items": _BINARY}),
        "application/json": _form(
            json_photos.MANY, {"type": "array", "minItems": 1, "items": json_photos.SCHEMA}
        ),
    },
}

_PATIENCE = 10.0  # seconds for the rest of an upload that is refused


async def read_photo(request: Request, max_bytes: int) -> bytes:
    """The photo in the request: a raw `image/*` body, the multipart field `file`, or JSON.

    The photo's own bytes decide its format; a client may label a PNG `image/jpeg`.

    Raises:
        Problem: 400 malformed body, 408 too slow, 413 more than `max_bytes`, 415 another
            content type, 422 no such field, several, or one that holds no photo.
    """
    kind = _kind(request)
    async with _in_time(request):
        body = _bounded(request, max_bytes)
        if kind.startswith("image/"):
            return b"".join([chunk async for chunk in body])
        if kind == "multipart/form-data":
            values, names = await _read_form(request, body, max_bytes, FIELD, _FEW)
            return _the_file(values, names)
        if kind == "application/json":
            return json_photos.one(await _read_json(body, 1))
    raise _unsupported(kind, _ONE, "multipart/form-data, image/*, application/json")


async def read_photos(request: Request, max_bytes: int, max_photos: int) -> list[bytes | Problem]:
    """The photos in a request, each one's bytes or what is wrong with it.

    Raises:
        Problem: as `read_photo` about the request as a whole, and 413 more than `max_photos`.
    """
    kind = _kind(request)
    photos: list[bytes | Problem]
    async with _in_time(request):
        body = _bounded(request, max_bytes)
        if kind == "multipart/form-data":
            values, names = await _read_form(request, body, max_bytes, FIELDS, max_photos)
            photos = _the_files(values, names)
        elif kind == "application/json":
            texts = json_photos.many(await _read_json(body, max_photos))
            if len(texts) > max_photos:  # before any of them is decoded
                raise _too_many(max_photos, len(texts))
            photos = [json_photos.decode(text) for text in texts]
        else:
            raise _unsupported(kind, _MANY, "multipart/form-data, application/json")
    if len(photos) > max_photos:
        raise _too_many(max_photos, len(photos))
    return photos


async def _read_json(body: AsyncGenerator[bytes, None], photos: int) -> bytes:
    text = b"".join([chunk async for chunk in body])
    if not json_photos.is_crowded(text, photos):
        return text
    if photos > 1:
        raise _too_many(photos, None)
    detail = f"The JSON has far more in it than a member '{json_photos.ONE}'."
    raise Problem(400, "malformed-body", "The body is malformed", detail)


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


@asynccontextmanager
async def _in_time(request: Request) -> AsyncGenerator[None, None]:
    """Otherwise clients that send a byte a minute would hold memory for ever."""
    seconds = request.app.state.settings.upload_seconds
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        detail = f"The body had not arrived within {seconds:g} seconds. Scale the photo down."
        close = {"Connection": "close"}
        raise Problem(408, "upload-too-slow", "The upload is too slow", detail, close) from error


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


class _Form(MultiPartParser):
    """Also says whether the last boundary has come: what is cut off may look like a photo."""

    ended = False

    def on_end(self) -> None:
        self.ended = True

    def close(self) -> None:
        """Close all files, also that of a part without an end, which no form has."""
        for file in self._files_to_close_on_error:
            file.close()


async def _read_form(
    request: Request, body: AsyncGenerator[bytes, None], max_bytes: int, field: str, parts: int
) -> tuple[list[bytes | str], list[str]]:
    """The values of a field, bytes for files and str for text, and the names of all fields."""
    parser = _Form(request.headers, body, max_files=parts, max_fields=parts)
    parser.spool_max_size = max_bytes  # stay in memory: the disk may be read-only
    try:
        form = await parser.parse()
    except MultiPartException as error:
        if field == FIELDS and error.message.startswith("Too many files"):
            raise _too_many(parts, None) from error
        detail = f"The multipart body cannot be parsed: {error.message}"
        raise Problem(400, "malformed-body", "The body is malformed", detail) from error
    try:
        if not parser.ended:
            detail = "The multipart body ends before its last boundary: it was cut off."
            raise Problem(400, "malformed-body", "The body is malformed", detail)
        values = [
            await value.read() if isinstance(value, UploadFile) else value
            for value in form.getlist(field)
        ]
        return values, sorted(set(form.keys()))
    finally:
        parser.close()


def _the_file(values: list[bytes | str], names: list[str]) -> bytes:
    if not values:
        raise _missing(FIELD, names)
    if len(values) > 1:
        detail = f"The field '{FIELD}' stands {len(values)} times in the form; send one photo."
        raise Problem(422, "repeated-field", "More than one photo", detail)
    if isinstance(values[0], str):
        raise _not_a_file(FIELD)
    return values[0]


def _the_files(values: list[bytes | str], names: list[str]) -> list[bytes | Problem]:
    if not values:
        raise _missing(FIELDS, names)
    files: list[bytes | Problem] = [value for value in values if isinstance(value, bytes)]
    if len(files) < len(values):
        raise _not_a_file(FIELDS)
    return files


def _missing(field: str, names: list[str]) -> Problem:
    found = f"it has {', '.join(map(repr, names))[:200]}" if names else "it has no field at all"
    detail = f"The form has no field '{field}' ({found})."
    return Problem(422, "missing-field", "The field is missing", detail)


def _not_a_file(field: str) -> Problem:
    detail = f"The field '{field}' is text, not a file. With curl: -F {field}=@photo.jpg"
    return Problem(422, "not-a-file", "The field is not a file", detail)


def _too_many(limit: int, actual: int | None) -> Problem:
    detail = f"At most {limit} photos are accepted in a request, this has {actual or 'more'}."
    title = "The request has too many photos"
    return Problem(413, "too-many-photos", title, detail, limit=limit, actual=actual)


def _unsupported(kind: str, expected: str, accept: str) -> Problem:
    detail = f"The content type is {kind or 'missing'!r}; expected {expected}."
    title = "The content type is not accepted"
    return Problem(415, "unsupported-media-type", title, detail, {"Accept": accept})
