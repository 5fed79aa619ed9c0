"""A multipart form (RFC 7578) -> the bytes of the files in one of its fields."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from email import policy
from email.message import Message
from email.parser import BytesParser

from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException, MultiPartParser


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
        TooManyFiles: it has too many files.
    """
    headers = Headers({"content-type": content_type})
    parser = _Parser(headers, body, max_files=most, max_fields=most)
    parser.spool_max_size = len(body)  # in memory: the disk may be read-only
    try:
        data = await parser.parse()
    except MultiPartException as error:
        if error.message == _INVALID:
            return _read_unusual(content_type, body, field, most)
        raise _error(error.message) from error
    values = data.getlist(field)
    files = [value.file.read() for value in values if not isinstance(value, str)]
    await data.close()
    return Form(files, len(values) - len(files), set(data))


_INVALID = "Invalid multipart data."  # Starlette's message for all that it cannot parse
_CUT_OFF = "It ends before its last boundary: it was cut off."


class _Parser(MultiPartParser):
    """Starlette's parser, which also refuses a form without its last boundary.

    A part is a file if it has a file's name in either form (RFC 5987), or the type of an image.
    """

    def __init__(self, headers: Headers, body: bytes, **limits: int) -> None:
        super().__init__(headers, self._complete(body), **limits)
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
        yield body
        if not self._ended:
            raise MultiPartException(_CUT_OFF)


def _read_unusual(content_type: str, body: bytes, field: str, most: int) -> Form:
    """Parse a form with a preamble or folded headers, which are legal and rare (RFC 2046, 5322)."""
    head = b"Content-Type: " + content_type.encode("latin-1") + b"\r\n\r\n"
    message = BytesParser(policy=policy.HTTP).parsebytes(head + body)
    parts = list(message.iter_parts()) if message.is_multipart() else []
    names = [part.get_param("name", header="content-disposition") for part in parts]
    if message.defects or not parts or None in names:
        raise _error(_INVALID)
    found = [_is_file(part) for part in parts]
    for what, count in (("files", sum(found)), ("fields", len(found) - sum(found))):
        if count > most:
            raise _error(f"Too many {what}. Maximum number of {what} is {most}.")
    own = [part for part, name in zip(parts, names, strict=True) if name == field]
    files = [bytes(part.get_payload(decode=True)) for part in own if _is_file(part)]
    return Form(files, len(own) - len(files), {str(name) for name in names})


def _is_file(part: Message) -> bool:
    return part.get_filename() is not None or part.get_content_maintype() == "image"


def _error(message: str) -> FormError:
    return (TooManyFiles if message.startswith("Too many files") else FormError)(message)
