"""The numbered originals: where cat N and dog N are, in whatever way they were shipped.

Kaggle ships `train/cat.N.jpg` and `train/dog.N.jpg`, in a zip, or in a zip inside a zip;
Microsoft ships `PetImages/Cat/N.jpg` and `PetImages/Dog/N.jpg` in a zip. Both number the
same photos alike. Everything else in them is passed over.
"""

import re
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path, PurePosixPath

from training.cli import CommandError

CLASSES = ("cat", "dog")

Key = tuple[str, int]  # class and number

_KAGGLE = re.compile(r"(cat|dog)\.(\d{1,9})\.jpe?g", re.IGNORECASE)
_NUMBER = re.compile(r"(\d{1,9})\.jpe?g", re.IGNORECASE)


class Originals:
    """The photos of a source. `read(key)` gives the bytes of one; `keys` says which are there."""

    def __init__(self) -> None:
        self._readers: dict[Key, list[tuple[str, Callable[[], bytes]]]] = {}

    @property
    def keys(self) -> set[Key]:
        """The (class, number) of every photo found."""
        return set(self._readers)

    def add(self, path: str, read: Callable[[], bytes]) -> None:
        """Take a file if its path is that of a numbered photo."""
        key = key_of(path)
        if key is not None:
            self._readers.setdefault(key, []).append((path, read))

    def read(self, key: Key) -> bytes:
        """The bytes of a photo.

        Raises:
            CommandError: two different files claim this number.
            OSError, zipfile.BadZipFile, zlib.error: the file itself is damaged.
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


def key_of(path: str) -> Key | None:
    """The class and number that a path stands for, or None.

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
def open_originals(source: Path) -> Iterator[Originals]:
    """Look through a folder or a zip; the zip stays open inside the block.

    Raises:
        CommandError: `source` is neither, or there is no numbered photo in it.
    """
    found = Originals()
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


def _add_folder(found: Originals, folder: Path) -> None:
    root = folder.resolve()
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            # The folder's own name counts: SOURCE may be PetImages/Cat's parent or above.
            found.add(path.relative_to(root.parent).as_posix(), path.read_bytes)


def _add_zip(found: Originals, path: Path, stack: ExitStack, shown: str = "") -> None:
    shown = shown or str(path)
    try:
        archive = stack.enter_context(zipfile.ZipFile(path))
    except (zipfile.BadZipFile, OSError) as error:
        raise CommandError(f"{shown}: not a readable zip file ({error}).") from error
    for entry in archive.infolist():
        if entry.is_dir() or entry.filename.startswith("__MACOSX/"):
            continue
        if entry.filename.lower().endswith(".zip"):
            inner = _unpack(archive, entry, stack, shown)
            _add_zip(found, inner, stack, f"{shown}/{entry.filename}")
        else:
            found.add(entry.filename, partial(archive.read, entry))


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, stack: ExitStack, shown: str) -> Path:
    """Copy an inner zip to a temporary file: reading inside a compressed one is quadratic."""
    # The stack outlives this function, as the archive inside has to.
    copy = stack.enter_context(tempfile.NamedTemporaryFile(suffix=".zip"))  # noqa: SIM115
    try:
        with archive.open(entry) as inner:
            while chunk := inner.read(1 << 20):
                copy.write(chunk)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise CommandError(f"{shown}: {entry.filename} in it is damaged ({error}).") from error
    copy.flush()
    return Path(copy.name)
