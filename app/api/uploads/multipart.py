"""A multipart form (RFC 7578) -> the bytes of the files in one of its fields."""

import asyncio
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, Headers
from starlette.formparsers import MultiPartException, MultiPartParser

from app.api.uploads.aside import aside

_INVALID = "Invalid multipart data."  # Starlette's message for all that it cannot parse
_CUT_OFF = "It ends before its last boundary: it was cut off."
_LONGEST_HEAD = 16 * 1024  # bytes of a part's headers that are unfolded
_LONGEST_TYPE = 1024  # bytes of the content type, which takes quadratic time to parse
_BOUNDARIES = 10  # times the files that a form may have
_PIECE = 64 * 1024  # bytes that are parsed without a pause


class FormError(Exception):
    """The body is no such form; the message says what is wrong with it."""


class TooManyFiles(FormError):
    """There are more files than a form may have."""


@dataclass(frozen=True)
class Form:
    """What a form has: the files and the number of texts in one field, the names of all fields."""

    files: list[bytes]
    texts: int
    names: set[str]


async def read_form(content_type: str, body: bytes, field: str, most: int) -> Form:
    """Parse a form.

    Args:
        content_type: the request's header, with the boundary.
        body: the request's body.
        field: the name of the field whose files are wanted.
        most: how many files the form may have, and how many texts.

    Raises:
        FormError: the body is no such form, has too many texts, or ends before its last boundary:
            what is cut off may look like a photo.
        TooManyFiles: it has too many files, or its boundary stands in it far too often.
    """
    if len(content_type) > _LONGEST_TYPE:
        raise FormError(f"Its content type is longer than {_LONGEST_TYPE} bytes.")
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    # The parser needs a microsecond for each of them, also within a part, where none may stand.
    if boundary and body.count(b"\r\n--" + boundary) > _BOUNDARIES * most:
        raise TooManyFiles(f"Its boundary stands in it more than {_BOUNDARIES * most} times.")
    try:
        data = await _parse(content_type, boundary, body, most)
    except MultiPartException as error:
        kind = TooManyFiles if error.message.startswith("Too many files") else FormError
        raise kind(error.message) from error
    values = data.getlist(field)
    files = [value.file.read() for value in values if not isinstance(value, str)]
    await data.close()
    return Form(files, len(values) - len(files), set(data))


async def _parse(content_type: str, boundary: bytes, body: bytes, most: int) -> FormData:
    try:
        return await _Parser(content_type, body, most).parse()
    except MultiPartException as error:
        if error.message != _INVALID or not boundary:
            raise
        usual = await aside(_as_usual, b"\r\n--" + boundary, body)
        return await _Parser(content_type, usual, most).parse()


def _as_usual(delimiter: bytes, body: bytes) -> bytes:
    """The form without a preamble, spaces behind boundaries and folded headers.

    All of these are legal and rare (RFC 2046, section 5.1.1; RFC 5322, section 2.2.3).
    """
    _, *parts = re.split(re.escape(delimiter) + rb"(?=[ \t]{0,99}\r\n|--)", b"\r\n" + body)
    return b"".join(delimiter + _unfolded(part.lstrip(b" \t")) for part in parts)[2:]


def _unfolded(part: bytes) -> bytes:
    end = part.find(b"\r\n\r\n", 0, _LONGEST_HEAD)
    return part if end < 0 else re.sub(rb"\r\n[ \t]+", b" ", part[:end]) + part[end:]


class _Parser(MultiPartParser):
    """Starlette's parser, which also refuses a form without its last boundary.

    A part is a file if it has a file's name in either form (RFC 5987), or the type of an image.
    """

    def __init__(self, content_type: str, body: bytes, most: int) -> None:
        headers = Headers({"content-type": content_type})
        super().__init__(headers, self._complete(body), max_files=most, max_fields=most)
        self.spool_max_size = len(body)  # in memory: the disk may be read-only
        self._ended = False

    def on_headers_finished(self) -> None:
        """Have a part taken for a file that is one without the parameter `filename`."""
        part = self._current_part
        kind = dict(part.item_headers).get(b"content-type", b"").lower()
        disposition = part.content_disposition or b""
        unnamed = b"filename*" in disposition.lower() or kind.startswith(b"image/")
        if unnamed and b"filename=" not in disposition.lower():
            part.content_disposition = disposition + b'; filename="photo"'
        super().on_headers_finished()

    def on_end(self) -> None:
        """The last boundary has come."""
        self._ended = True

    async def _complete(self, body: bytes) -> AsyncGenerator[bytes, None]:
        for begin in range(0, len(body), _PIECE):
            if begin:
                await asyncio.sleep(0)  # other requests have their turn
            yield body[begin : begin + _PIECE]
        if not self._ended:
            raise MultiPartException(_CUT_OFF)
