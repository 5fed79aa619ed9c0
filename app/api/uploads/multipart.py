"""A multipart form (RFC 7578) as it streams in -> the bytes of the files in one of its fields.

On python-multipart itself rather than on Starlette's form: that makes a temporary file and two
objects more of every photo, which was a twentieth of the photos a second. Here files stay in
memory, as the disk may be read-only; texts and the files of other fields are not kept.
"""

from collections.abc import AsyncIterable
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks  # not there otherwise


class FormError(Exception):
    """The body is no such form; the message says what is wrong with it."""


class TooManyFiles(FormError):
    """There are more files than a form may have."""


async def read_form(content_type: str, body: AsyncIterable[bytes], field: str, most: int) -> "Form":
    """Parse a form while it comes in.

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
    _, options = parse_options_header(content_type)
    if b"boundary" not in options:
        raise FormError("Missing boundary in multipart.")
    form = Form(field, most)
    try:
        # Known to this frame only: the form, if it knew its parser, would be kept by a cycle.
        parser = MultipartParser(options[b"boundary"], form.callbacks())
        async for chunk in body:
            parser.write(chunk)
    except FormParserError as error:
        raise FormError("Invalid multipart data.") from error
    if not form.ended:
        raise FormError("It ends before its last boundary: it was cut off.")
    return form


class Form:
    """The files of one field, and what else there was; see `read_form`."""

    def __init__(self, field: str, most: int) -> None:
        self.files: list[bytes] = []
        self.texts = 0  # in the field
        self.names: set[str] = set()  # of all fields
        self.ended = False
        self._field = field
        self._most = most
        self._counts = [0, 0]  # texts, files; of all fields
        self._header = self._value = self._disposition = b""
        self._pieces: list[bytes] | None = None  # of a file that is wanted

    def callbacks(self) -> "MultipartCallbacks":
        """What a parser calls."""
        return {
            "on_part_begin": self._on_part_begin,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_part_end": self._on_part_end,
            "on_end": self._on_end,
        }

    def _on_part_begin(self) -> None:
        self._disposition = b""

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        if b"name" not in options:
            raise FormError('The Content-Disposition header field "name" must be provided.')
        name = options[b"name"].decode("utf-8", "replace")
        self.names.add(name)
        is_file = b"filename" in options
        self._counts[is_file] += 1
        if self._counts[is_file] > self._most:
            what, kind = ("files", TooManyFiles) if is_file else ("fields", FormError)
            raise kind(f"Too many {what}. Maximum number of {what} is {self._most}.")
        self._pieces = [] if is_file and name == self._field else None
        self.texts += not is_file and name == self._field

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._pieces is not None:
            self._pieces.append(data[start:end])

    def _on_part_end(self) -> None:
        if self._pieces is not None:
            self.files.append(b"".join(self._pieces))
            self._pieces = None

    def _on_end(self) -> None:
        self.ended = True
