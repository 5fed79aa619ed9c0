"""Where the photos to score come from: a folder, a zip, a list of paths or an object store."""

import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Protocol

from app.cli import CommandError, shortened
from app.imaging.files import PHOTO_SUFFIXES, is_hidden, visible_files
from app.scoring.object_store import ObjectStore, is_address

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # those that Python unpacks in little memory


class Unreadable(Exception):
    """One photo's bytes cannot be had; the message says why. The others can still be scored."""


class TooManyBytes(Exception):
    """One photo's file is larger than the limit; `actual` is in bytes."""

    def __init__(self, actual: int) -> None:
        super().__init__(f"{actual:,} bytes")
        self.actual = actual


class Source(Protocol):
    """Photos by their paths. `read` may be called in several threads at a time."""

    def paths(self) -> list[str]:
        """The paths of all photos, each once, in an order that stays the same."""

    def read(self, path: str) -> bytes:
        """The bytes of a photo's file.

        Raises:
            Unreadable, TooManyBytes: this photo cannot be read.
        """


def open_source(name: str, max_bytes: int) -> Source:
    """The source of this name: a folder, a zip, a list of paths, or an address as s3://bucket/path.

    Args:
        name: as the user wrote it; "-" is a list of paths on standard input.
        max_bytes: larger files are not read.

    Raises:
        CommandError: there is no such source, or it cannot be read.
    """
    if not name:
        raise CommandError("the source is empty. Name a folder, or . for this one.")
    if is_address(name):
        return Objects(name, max_bytes)
    path = Path(name)
    if path.is_dir():
        return Folder(path, max_bytes)
    if name != "-" and not path.is_file():
        raise CommandError(
            f"{name}: no such file or folder. Name a folder, a zip, a text file with a path in "
            "each line, or an object store as s3://bucket/path."
        )
    if name != "-" and zipfile.is_zipfile(path):
        return Zip(path, max_bytes)
    suffix = path.suffix.lower()
    if suffix == ".zip" or suffix in PHOTO_SUFFIXES:
        wrong = "a damaged or unfinished zip" if suffix == ".zip" else "one photo: name its folder"
        raise CommandError(f"{name}: it is {wrong}.")
    return Listed(name, max_bytes)


def looks_like_photo(path: PurePosixPath) -> bool:
    """Whether a file may be a photo: it has a photo's extension or none, and is not hidden."""
    suffix = path.suffix.lower()
    return (not suffix or suffix in PHOTO_SUFFIXES) and not is_hidden(path)


class Folder:
    """The photos at any depth below a folder; their paths are relative to it."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder, self._max_bytes = folder, max_bytes

    def paths(self) -> list[str]:
        """See `Source`."""
        locked: list[Path] = []
        files = visible_files(self._folder, locked)
        found = (PurePosixPath(file.relative_to(self._folder).as_posix()) for file in files)
        kept = sorted(str(path) for path in found if looks_like_photo(path))
        if locked:
            raise CommandError(f"folders that cannot be read: {shortened(map(str, locked))}.")
        return kept

    def read(self, path: str) -> bytes:
        """See `Source`."""
        return _read_file(self._folder / path, self._max_bytes)


class Zip:
    """The photos in a zip. Zips in it are not looked into."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise CommandError(f"{path}: not a readable zip file ({error}).") from error
        self._max_bytes = max_bytes

    def paths(self) -> list[str]:
        """See `Source`."""
        names = {entry.filename for entry in self._zip.infolist() if not entry.is_dir()}
        return sorted(name for name in names if looks_like_photo(PurePosixPath(name)))

    def read(self, path: str) -> bytes:
        """See `Source`."""
        try:
            entry = self._zip.getinfo(path)
        except KeyError as error:
            raise Unreadable("it is not in the zip any more") from error
        if entry.file_size > self._max_bytes:
            raise TooManyBytes(entry.file_size)
        if entry.flag_bits & 1 or entry.compress_type not in _METHODS:
            raise Unreadable("it is encrypted, or packed by another method than Deflate")
        try:
            with self._zip.open(entry) as file:
                return file.read(self._max_bytes + 1)  # to its end, where the checksum is
        except Exception as error:  # a damaged zip raises many kinds
            raise Unreadable(f"it is damaged in the zip: {error}") from error


class Listed:
    """The photos whose paths, or addresses in an object store, a file lists, one in each line."""

    def __init__(self, name: str, max_bytes: int) -> None:
        self._name, self._max_bytes = name, max_bytes
        self._store = ObjectStore()

    def paths(self) -> list[str]:
        """See `Source`."""
        try:
            if self._name == "-":
                return _lines(sys.stdin)
            # With or without the mark that some editors of Windows put at the beginning.
            with open(self._name, encoding="utf-8-sig", errors="surrogateescape") as file:
                return _lines(file)
        except (OSError, ValueError) as error:
            raise CommandError(f"{self._name}: cannot be read as a list ({error}).") from error

    def read(self, path: str) -> bytes:
        """See `Source`."""
        if is_address(path):
            return _read_object(self._store, path, self._max_bytes)
        return _read_file(Path(path), self._max_bytes)


class Objects:
    """The photos below an address in an object store; their paths are relative to it."""

    def __init__(self, address: str, max_bytes: int) -> None:
        self._address, self._max_bytes = address.rstrip("/"), max_bytes
        self._store = ObjectStore()

    def paths(self) -> list[str]:
        """See `Source`."""
        found = self._store.list(self._address)
        return sorted(path for path in found if looks_like_photo(PurePosixPath(path)))

    def read(self, path: str) -> bytes:
        """See `Source`."""
        return _read_object(self._store, f"{self._address}/{path}", self._max_bytes)


def _lines(file: Iterable[str]) -> list[str]:
    lines = dict.fromkeys(line.rstrip("\r\n") for line in file)
    if any("\0" in line for line in lines):
        raise ValueError("it is no text. Name the folder of a photo, not the photo itself")
    return [line for line in lines if line]


def _read_file(path: Path, max_bytes: int) -> bytes:
    try:
        if not path.is_file():  # a named pipe would block
            raise Unreadable("there is no such file" if not path.exists() else "it is no file")
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
            if len(data) > max_bytes:
                raise TooManyBytes(path.stat().st_size)
            return data
    except (OSError, ValueError) as error:  # the latter for a zero byte in the path
        reason = error.strerror if isinstance(error, OSError) else error
        raise Unreadable(str(reason)) from error


def _read_object(store: ObjectStore, address: str, max_bytes: int) -> bytes:
    try:
        size, data = store.read(address, max_bytes)
    except (FileNotFoundError, PermissionError) as error:
        raise Unreadable(str(error)) from error
    if data is None:
        raise TooManyBytes(size)
    return data
