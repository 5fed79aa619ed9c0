"""What the service and its worker processes write to each other: a JSON head, and bytes.

No pickles: a worker parses photos of strangers, so the service trusts nothing that it writes.
"""

import json
import struct
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from app.imaging import errors
from app.model.explainer import NotExplainable

Message = tuple[dict[str, Any], list[bytes]]

_LENGTHS = struct.Struct("!II")  # of the head, and of the bytes behind it
_LONGEST = 64 * 1024 * 1024  # bytes of a worker's answer

_ERRORS = {
    kind.__name__: kind
    for kind in (
        errors.EmptyPhoto, errors.UnsupportedFormat, errors.BrokenPhoto, errors.UnsupportedPixels,
        errors.TooManyPixels, errors.TooExpensive, NotExplainable,
    )
}  # fmt: skip


class WorkerDefect(Exception):
    """A worker raised what it should not have; the message is its traceback."""


def packed(head: dict[str, Any], blobs: Sequence[bytes] = ()) -> bytes:
    """The bytes of a message."""
    text = json.dumps(head | {"sizes": [len(blob) for blob in blobs]}).encode()
    return b"".join([_LENGTHS.pack(len(text), sum(map(len, blobs))), text, *blobs])


def read(file: BinaryIO) -> Message | None:
    """The next message from a blocking file, or None at its end."""
    lengths = file.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        return None
    head, body = _LENGTHS.unpack(lengths)
    return _parsed(file.read(head), file.read(body))


class Incoming:
    """Messages out of bytes that come in parts."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """Yield the messages that are complete now.

        Raises:
            ValueError: this is no message, or a longer one than any worker writes.
        """
        self._data += data
        while len(self._data) >= _LENGTHS.size:
            head, body = _LENGTHS.unpack_from(self._data)
            if head + body > _LONGEST:
                raise ValueError(f"a message of {head + body:,} bytes")
            end = _LENGTHS.size + head + body
            if len(self._data) < end:
                return
            text = bytes(self._data[_LENGTHS.size : _LENGTHS.size + head])
            message = _parsed(text, bytes(self._data[_LENGTHS.size + head : end]))
            del self._data[:end]
            yield message


def _parsed(text: bytes, body: bytes) -> Message:
    head = json.loads(text)
    blobs, start = [], 0
    for size in head.pop("sizes"):
        blobs.append(body[start : start + size])
        start += size
    return head, blobs


def from_error(error: Exception) -> dict[str, Any]:
    """The members that stand for an error of `_ERRORS`."""
    return {"error": type(error).__name__, "message": str(error), "members": vars(error)}


def to_error(answer: dict[str, Any]) -> Exception:
    """The error that `from_error` wrote, or a WorkerDefect with the traceback of another one."""
    kind = _ERRORS.get(answer["error"])
    if kind is None:
        return WorkerDefect(answer["message"])
    error = kind.__new__(kind, answer["message"])
    vars(error).update(answer["members"])
    return error
