"""A multipart form (RFC 7578) as it streams in -> the bytes of the files in one of its fields."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

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


async def read_form(
    content_type: str, body: AsyncGenerator[bytes, None], field: str, most: int, max_bytes: int
) -> Form:
    """Parse a form while it comes in.

    Args:
        content_type: the request's header, with the boundary.
        body: the request's body, bounded to `max_bytes`.
        field: the name of the field whose files are wanted.
        most: how many files the form may have, and how many texts.
        max_bytes: keep up to so many in memory; the disk may be read-only.

    Raises:
        FormError: the body is no such form, has too many texts, or ends before its last boundary:
            what is cut off may look like a photo.
        TooManyFiles: it has too many files.
    """
    headers = Headers({"content-type": content_type})
    parser = _Parser(headers, body, max_files=most, max_fields=most)
    parser.spool_max_size = max_bytes
    try:
        data = await parser.parse()
    except MultiPartException as error:
        kind = TooManyFiles if error.message.startswith("Too many files") else FormError
        raise kind(error.message) from error
    values = data.getlist(field)
    files = [value.file.read() for value in values if not isinstance(value, str)]
    await data.close()
    return Form(files, len(values) - len(files), set(data))


class _Parser(MultiPartParser):
    """Starlette's parser, which also refuses a form without its last boundary."""

    def __init__(self, headers: Headers, body: AsyncGenerator[bytes, None], **limits: int) -> None:
        super().__init__(headers, self._complete(body), **limits)
        self._ended = False

    def on_end(self) -> None:
        """The last boundary has come."""
        self._ended = True

    async def _complete(self, body: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        async for chunk in body:
            yield chunk
        if not self._ended:
            raise MultiPartException("It ends before its last boundary: it was cut off.")
