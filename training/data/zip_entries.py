"""Read entries of zip archives in bounded memory, with one error for all kinds of damage."""

import bz2
import copy
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from app.cli import CommandError, printable

LARGEST_PHOTO = 64 * 1024 * 1024  # bytes
_LARGEST_DIRECTORY = 16 * 1024 * 1024  # bytes; each entry of about 80 takes 600 in memory

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
# What Python raises for a damaged entry, beside BadZipFile and bz2's OSError without a number.
DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error,
    EOFError, RuntimeError, ValueError,
)  # fmt: skip


class UnreadablePhoto(ValueError):
    """A photo's file is damaged or too large; the message is one line without its name."""


def open_zip(path: Path, title: str, stack: ExitStack) -> zipfile.ZipFile:
    """Open a zip until the stack ends.

    Raises:
        CommandError: it is none, is damaged, or has far too many entries.
    """
    try:
        with path.open("rb") as file:
            # Python reads the whole directory when it opens a zip, and has no public limit.
            end = zipfile._EndRecData(file)  # type: ignore[attr-defined]
        size = end[zipfile._ECD_SIZE] if end else 0  # type: ignore[attr-defined]
        if size > _LARGEST_DIRECTORY:
            raise CommandError(
                f"{title}: its list of entries has {size:,} bytes, at most {_LARGEST_DIRECTORY:,} "
                "are read. Unpack it, and name the folder as SOURCE."
            )
        return stack.enter_context(zipfile.ZipFile(path))
    except (*DAMAGE, OSError) as error:
        if isinstance(error, CommandError):
            raise
        raise CommandError(f"{title}: not a readable zip file ({error}).") from error


def require_readable(entry: zipfile.ZipInfo, title: str) -> None:
    """Raise CommandError if Python cannot read an entry of this kind."""
    reason = ""
    if entry.flag_bits & 0x41:
        reason = "is encrypted"
    elif entry.compress_type not in _METHODS:
        names: dict[int, str] = zipfile.compressor_names  # type: ignore[attr-defined]
        method = names.get(entry.compress_type, f"method {entry.compress_type}")
        reason = f"is compressed by {method}, which Python cannot read"
    elif entry.flag_bits & 0x20:
        reason = "is stored as a patch, which Python cannot read"
    if reason:
        raise CommandError(
            f"{title}: {printable(entry.filename)} in it {reason}. Unpack the zip with another "
            "program, and name the folder as SOURCE."
        )


def read_photo(zip_file: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Return the bytes of an entry.

    Raises:
        UnreadablePhoto: it is damaged, or has more than `LARGEST_PHOTO` bytes.
    """
    require_photo_size(entry.file_size)
    return b"".join(chunks(zip_file, entry))


def require_photo_size(size: int) -> None:
    """Raise UnreadablePhoto if a file of `size` bytes is too large for a photo."""
    if size > LARGEST_PHOTO:
        raise UnreadablePhoto(
            f"It has {size:,} bytes, and a photo at most {LARGEST_PHOTO:,}. Scale it down."
        )


def chunks(zip_file: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield the bytes of an entry, not more of them than its size in the zip's directory.

    Raises:
        UnreadablePhoto: it is damaged.
    """
    unpack = _unpack_bzip2 if entry.compress_type == zipfile.ZIP_BZIP2 else _unpack
    try:
        yield from unpack(zip_file, entry)
    except (*DAMAGE, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # for example a disk that fails
            raise
        raise UnreadablePhoto(f"It is damaged in the zip ({error}).") from error


def _unpack(zip_file: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    # Of LZMA, Python decompresses all that it has read, to some thousand times as much.
    size = 4096 if entry.compress_type == zipfile.ZIP_LZMA else 1 << 18
    with zip_file.open(entry) as file:
        while chunk := file.read(size):
            yield chunk


def _unpack_bzip2(zip_file: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """Unpack in bounded memory: Python's own reader makes gigabytes of some kilobytes at a time."""
    raw = copy.copy(entry)
    raw.compress_type, raw.file_size = zipfile.ZIP_STORED, entry.compress_size
    raw.CRC = None  # type: ignore[assignment]  # Python then checks none
    decompressor, left, checksum = bz2.BZ2Decompressor(), entry.file_size, 0
    with zip_file.open(raw) as file:
        while not decompressor.eof:
            data = file.read(4096) if decompressor.needs_input else b""
            if decompressor.needs_input and not data:
                raise EOFError("it is cut off")
            chunk = decompressor.decompress(data, 1 << 18)
            left, checksum = left - len(chunk), zlib.crc32(chunk, checksum)
            if left < 0:
                raise zipfile.BadZipFile("it has more bytes than the zip's directory says")
            yield chunk
    if left or checksum != entry.CRC:
        raise zipfile.BadZipFile("its checksum is wrong")
