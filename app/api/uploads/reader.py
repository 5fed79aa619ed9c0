"""A request's body -> the bytes of its photos, within the limits, or a problem."""

from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar

from fastapi import Request

from app.api.problems import Problem
from app.api.uploads import base64_json
from app.api.uploads.aside import aside
from app.api.uploads.body import bounded, in_time
from app.api.uploads.multipart import Form, FormError, TooManyFiles, read_form
from app.imaging.formats import format_of

FIELD, FIELDS = "file", "files"
_ONE = (
    f"multipart/form-data with a field '{FIELD}', the photo itself as image/*, or JSON. "
    f"With curl: -F {FIELD}=@photo.jpg"
)
_MANY = (
    f"multipart/form-data with fields '{FIELDS}', or JSON. "
    f"With curl: -F {FIELDS}=@one.jpg -F {FIELDS}=@two.jpg"
)
_ACCEPT = "multipart/form-data, image/*, application/json"
_URLENCODED = "application/x-www-form-urlencoded"  # curl's type for --data-binary without another
_FEW = 10  # parts that a form with one photo may have
_SMALL = 64 * 1024  # bytes of JSON that take no longer to parse than another thread to start

T = TypeVar("T")

# The request bodies of the routes that take photos, for the API reference.
_BINARY = {"type": "string", "format": "binary"}


def _form(field: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"schema": {"type": "object", "required": [field], "properties": {field: schema}}}


PHOTO_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": _form(FIELD, _BINARY),
        "image/*": {"schema": _BINARY},
        "application/json": _form(base64_json.ONE, base64_json.SCHEMA | {"minLength": 1}),
    },
}
PHOTOS_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": _form(FIELDS, {"type": "array", "minItems": 1, "items": _BINARY}),
        "application/json": _form(
            base64_json.MANY, {"type": "array", "minItems": 1, "items": base64_json.SCHEMA}
        ),
    },
}


async def read_photo(request: Request, max_bytes: int) -> bytes:
    """The photo in the request: a raw `image/*` body, the multipart field `file`, or JSON.

    The photo's bytes decide its format: a client may label a PNG `image/jpeg`.

    Raises:
        Problem: 400 malformed body, 408 too slow, 413 more than `max_bytes`, 415 another
            content type, 422 no such field, several, or one that holds no photo.
    """
    return await in_time(request, _photo(request, max_bytes))


async def read_photos(request: Request, max_bytes: int, max_photos: int) -> list[bytes | Problem]:
    """The photos in a request: for each one its bytes, or the problem with it.

    Raises:
        Problem: as `read_photo` about the request as a whole, and 413 more than `max_photos`.
    """
    return await in_time(request, _photos(request, max_bytes, max_photos))


async def _photo(request: Request, max_bytes: int) -> bytes:
    kind = _kind(request)
    body = bounded(request, max_bytes)
    if kind.startswith("image/"):
        return await _read(body)
    if kind == "multipart/form-data":
        return _the_file(await _read_form(request, body, FIELD, _FEW))
    if kind == "application/json":
        return await _parse_json(_one_of_json, await _read(body))
    if kind == _URLENCODED and (name := format_of(await _read(body))):
        expected = f"{_ONE}. This body is a {name} photo: send it with curl and the option "
        expected += f"-H 'Content-Type: image/{name.lower()}', or with -F"
        raise _unsupported(kind, expected, _ACCEPT)
    raise _unsupported(kind, _ONE, _ACCEPT)


async def _photos(request: Request, max_bytes: int, max_photos: int) -> list[bytes | Problem]:
    kind = _kind(request)
    body = bounded(request, max_bytes)
    if kind == "multipart/form-data":
        return _the_files(await _read_form(request, body, FIELDS, max_photos))
    if kind == "application/json":
        return await _parse_json(_many_of_json, await _read(body), max_photos)
    raise _unsupported(kind, _MANY, "multipart/form-data, application/json")


async def _read(body: AsyncGenerator[bytes, None]) -> bytes:
    return b"".join([chunk async for chunk in body])


async def _parse_json(parse: Callable[..., T], body: bytes, *arguments: Any) -> T:
    """The result of `parse`; a large body is parsed in a thread, so that the event loop goes on."""
    if len(body) <= _SMALL:
        return parse(body, *arguments)
    return await aside(parse, body, *arguments)


def _one_of_json(body: bytes) -> bytes:
    if base64_json.is_crowded(body, 1):
        detail = f"The JSON has far more in it than a member '{base64_json.ONE}'."
        raise Problem(400, "malformed-body", "The body is malformed", detail)
    return base64_json.one(body)


def _many_of_json(body: bytes, most: int) -> list[bytes | Problem]:
    if base64_json.is_crowded(body, most):
        raise _too_many(most, None)
    values = base64_json.many(body)
    if len(values) > most:  # checked before any of them is decoded
        raise _too_many(most, len(values))
    return [base64_json.decode(value) for value in values]


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _read_form(
    request: Request, body: AsyncGenerator[bytes, None], field: str, parts: int
) -> Form:
    try:
        return await read_form(request.headers["content-type"], await _read(body), field, parts)
    except FormError as error:
        if field == FIELDS and isinstance(error, TooManyFiles):
            raise _too_many(parts, None) from error
        detail = f"The multipart body cannot be parsed: {error}"
        raise Problem(400, "malformed-body", "The body is malformed", detail) from error


def _the_file(form: Form) -> bytes:
    found = len(form.files) + form.texts
    if not found:
        raise _missing(FIELD, form.names)
    if found > 1:
        detail = f"The field '{FIELD}' stands {found} times in the form; send one photo."
        raise Problem(422, "repeated-field", "More than one photo", detail)
    if form.texts:
        raise _not_a_file(FIELD)
    return form.files[0]


def _the_files(form: Form) -> list[bytes | Problem]:
    if form.texts:
        raise _not_a_file(FIELDS)
    if not form.files:
        raise _missing(FIELDS, form.names)
    return list(form.files)


def _missing(field: str, names: set[str]) -> Problem:
    found = (
        f"it has {', '.join(map(repr, sorted(names)))[:200]}" if names else "it has no field at all"
    )
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
    found = f"is {kind[:100]!r}" if kind else "is missing"
    detail = f"The content type {found}; expected {expected}"
    title = "The content type is not accepted"
    return Problem(415, "unsupported-media-type", title, detail, {"Accept": accept})
