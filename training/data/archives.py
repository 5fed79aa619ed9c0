"""Read the numbered cat and dog photos from a folder or a zip archive.

Kaggle's archive has `train/cat.N.jpg` and `train/dog.N.jpg` in a zip, or in a zip inside a zip.
Microsoft's archive has `PetImages/Cat/N.jpg` and `PetImages/Dog/N.jpg` in a zip. Both use the same
numbers for the same photos. All other files are ignored.
"""

import lzma
import re
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path, PurePosixPath

from training.cli import CommandError, printable, shortened
from training.data.photo_files import is_hidden, visible_files

CLASSES = ("cat", "dog")

Key = tuple[str, int]  # class and number

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
# What Python raises for a damaged entry, beside BadZipFile and bz2's OSError without a number.
_DAMAGE = (zlib.error, lzma.LZMAError, EOFError, struct.error, RuntimeError, ValueError)

_KAGGLE = re.compile(r"(cat|dog)\.(\d{1,9})\.jpe?g", re.IGNORECASE)
_NUMBER = re.compile(r"(\d{1,9})\.jpe?g", re.IGNORECASE)


class PhotoArchive:
    """The numbered photos of a folder or zip, by class and number."""

    def __init__(self) -> None:
        self._readers: dict[Key, list[tuple[str, Callable[[], bytes]]]] = {}

    @property
    def keys(self) -> set[Key]:
        """The (class, number) of every photo in the archive."""
        return set(self._readers)

    def add(self, path: str, read: Callable[[], bytes]) -> None:
        """Add a file if its path is that of a numbered photo; `read` returns its bytes."""
        key = parse_key(path)
        if key is not None:
            self._readers.setdefault(key, []).append((path, read))

    def read(self, key: Key) -> bytes:
        """Return the bytes of a photo.

        Raises:
            KeyError: the archive has no such photo.
            CommandError: two different files have this class and number.
            OSError, zipfile.BadZipFile: the file is damaged.
        """
        (path, read), *others = sorted(self._readers[key], key=lambda entry: entry[0])
        data = read()
        for other, read_other in others:
            if read_other() != data:
                raise CommandError(
                    f"{path} and {other} are different photos with the same number. "
                    "Name the folder of one of them as SOURCE."
                )
        return data


def parse_key(path: str) -> Key | None:
    """Return the class and number that a path stands for, or None.

    >>> key_of("train/cat.7.jpg"), key_of("PetImages/Dog/12.jpg"), key_of("test1/1.jpg")
    (('cat', 7), ('dog', 12), None)
    """
    pure = PurePosixPath(path)
    if match := _KAGGLE.fullmatch(pure.name):
        return match[1].lower(), int(match[2])
    parent = pure.parent.name.lower()
    if parent in CLASSES and (match := _NUMBER.fullmatch(pure.name)):
        return parent, int(match[1])
    return None


@contextmanager
def open_archive(source: Path) -> Iterator[PhotoArchive]:
    """Open a folder or a zip of numbered photos; a zip stays open inside the block.

    Raises:
        CommandError: `source` is neither, or it contains no numbered photo.
    """
    found = PhotoArchive()
    with ExitStack() as stack:
        if source.is_dir():
            _add_folder(found, source)
        elif source.is_file():
            _add_zip(found, source, stack)
        else:
            raise CommandError(f"{source}: no such folder or zip file.")
        if not found.keys:
            raise CommandError(
                f"{source}: no numbered photo in it. Expected cat.N.jpg and dog.N.jpg, or "
                "PetImages/Cat/N.jpg and PetImages/Dog/N.jpg."
            )
        yield found


def _add_folder(found: PhotoArchive, folder: Path) -> None:
    root = folder.resolve()
    unreadable: list[Path] = []
    for path in sorted(visible_files(root, unreadable)):
        if path.is_file():
            # Keep the folder's own name in the path, as SOURCE may itself be PetImages/Cat.
            found.add(path.relative_to(root.parent).as_posix(), path.read_bytes)
    if unreadable:
        raise CommandError(f"cannot be read: {shortened(map(str, unreadable))}.")


def _add_zip(found: PhotoArchive, path: Path, stack: ExitStack, title: str = "") -> None:
    title = title or str(path)
    try:
        zip_file = stack.enter_context(zipfile.ZipFile(path))
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError) as error:
        raise CommandError(f"{title}: not a readable zip file ({error}).") from error
    for entry in zip_file.infolist():
        name = entry.filename.replace("\\", "/")  # some programs for Windows write backslashes
        inner = name.lower().endswith(".zip")
        wanted = inner or parse_key(name) is not None
        if not wanted or is_hidden(PurePosixPath(name)):
            continue
        _require_readable(entry, title)
        if inner:
            _add_zip(found, _unpack(zip_file, entry, stack, title), stack, f"{title}/{name}")
        else:
            found.add(name, partial(_read, zip_file, entry))


def _require_readable(entry: zipfile.ZipInfo, title: str) -> None:
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


@contextmanager
def _damage_as_bad_zip(name: str) -> Iterator[None]:
    """Raise BadZipFile for a damaged entry, whatever Python raises for its method."""
    try:
        yield
    except _DAMAGE as error:
        raise zipfile.BadZipFile(f"{printable(name)}: {error}") from error
    except OSError as error:
        if error.errno is not None:  # not damage, for example a full disk
            raise
        raise zipfile.BadZipFile(f"{printable(name)}: {error}") from error


def _read(zip_file: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    with _damage_as_bad_zip(entry.filename):
        return zip_file.read(entry)


def _unpack(
    zip_file: zipfile.ZipFile, entry: zipfile.ZipInfo, stack: ExitStack, title: str
) -> Path:
    """Copy an inner zip to a temporary file, since seeking inside a compressed one is slow."""
    # The stack keeps the file open after this function, for as long as the archive is used.
    copy = stack.enter_context(tempfile.NamedTemporaryFile(suffix=".zip"))  # noqa: SIM115
    try:
        with _damage_as_bad_zip(entry.filename), zip_file.open(entry) as inner:
            shutil.copyfileobj(inner, copy, 1 << 20)
    except zipfile.BadZipFile as error:
        raise CommandError(f"{title}: {entry.filename} in it is damaged ({error}).") from error
    copy.flush()
    return Path(copy.name)
