"""Photos in JSON: base64, alone or in a data URI. Addresses are not fetched.

A service that fetches addresses from a request lets its clients reach whatever it can reach.
"""

import binascii
import codecs
import re
from collections.abc import Iterator
from typing import Any, AnyStr

from pydantic_core import from_json

from app.api.problems import Problem

ONE, MANY = "image", "images"

SCHEMA: dict[str, Any] = {
    "type": "string",
    "format": "byte",
    "description": "the photo's file in base64, or as a data URI (data:image/jpeg;base64,...)",
}

# Characters that structure JSON. A photo in a list needs one comma, two as a data URI.
_STRUCTURE = b",[{:"
_OTHER_MEMBERS, _PER_PHOTO = 1000, 8

_URL_SAFE = bytes.maketrans(b"-_", b"+/")  # RFC 4648, section 5
_WHITE_SPACE = b" \t\n\v\f\r"
# Characters that one call works on, a multiple of 4: Python's lock is free between two calls.
_PIECE = 1 << 20
_DATA_URI = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)


def one(body: bytes) -> bytes:
    """The photo of `{"image": "..."}`.

    Raises:
        Problem: 400 no JSON, 422 no such member, or it is not base64.
    """
    photo = decode(_member(body, ONE))
    if isinstance(photo, Problem):
        raise photo
    return photo


def many(body: bytes) -> list[Any]:
    """The entries of `{"images": ["...", ...]}`, for `decode`.

    Raises:
        Problem: 400 no JSON, 422 no such member, or it is no list with at least one entry.
    """
    values = _member(body, MANY)
    if not isinstance(values, list) or not values:
        detail = f"The member '{MANY}' is not a list of strings, with at least one photo."
        raise Problem(422, "not-a-list", "The member is not a list of photos", detail)
    return values


def is_crowded(body: bytes, photos: int) -> bool:
    """Whether the body has far more members and elements than so many photos need.

    Counting characters is fast, while parsing millions of empty strings would hold Python's lock
    for seconds. Base64 has none of these characters.
    """
    found = sum(len(piece) - len(piece.translate(None, _STRUCTURE)) for piece in _pieces(body))
    return found > _OTHER_MEMBERS + _PER_PHOTO * photos


def decode(value: Any) -> bytes | Problem:
    """The file in one base64 string or data URI, or the problem with it."""
    if not isinstance(value, str):
        return _unusable("it is not a string")
    if value[:8].lower().startswith(("http://", "https://", "file://")):
        return _unusable("it is an address, and addresses are not fetched")
    prefix = _DATA_URI.match(value)
    if prefix is None and value[:5].lower() == "data:":
        return _unusable("the data URI is not one of base64")
    if not value.isascii():
        return _unusable("it is not base64 (it has characters outside of ASCII)")
    try:
        return _from_base64(value[prefix.end() if prefix else 0 :])
    except ValueError as error:
        return _unusable(f"it is not base64 ({str(error).lower()})")


def _from_base64(text: str) -> bytes:
    """Decode ASCII text in bounded memory, whatever it has of white space.

    Padding is optional here, because many clients leave it out.

    Raises:
        ValueError: it is not base64.
    """
    cleaned = (part.encode().translate(_URL_SAFE, _WHITE_SPACE) for part in _pieces(text))
    digits = b"".join(cleaned).rstrip(b"=")
    if b"=" in digits:
        raise ValueError("Excess data after padding")
    digits += b"=" * (-len(digits) % 4)
    return b"".join(binascii.a2b_base64(part, strict_mode=True) for part in _pieces(digits))


def _pieces(whole: AnyStr) -> Iterator[AnyStr]:
    return (whole[begin : begin + _PIECE] for begin in range(0, len(whole), _PIECE))


def _member(body: bytes, name: str) -> Any:
    try:
        value = from_json(body.removeprefix(codecs.BOM_UTF8), cache_strings=False)
    except ValueError as error:
        detail = f"The body is not JSON: {error}."
        raise Problem(400, "malformed-body", "The body is malformed", detail) from error
    if not isinstance(value, dict) or name not in value:
        detail = f"The body is not a JSON object with a member '{name}'."
        raise Problem(422, "missing-field", "The member is missing", detail)
    return value[name]


def _unusable(reason: str) -> Problem:
    detail = f"The photo cannot be read from the JSON: {reason}. Send its file in base64."
    return Problem(422, "not-base64", "The photo is not base64", detail)
