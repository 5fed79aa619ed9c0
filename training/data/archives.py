"""Read the numbered cat and dog photos from a folder or a zip archive.

Kaggle's archive has `train/cat.N.jpg` and `train/dog.N.jpg` in a zip, or in a zip inside a zip.
Microsoft's archive has `PetImages/Cat/N.jpg` and `PetImages/Dog/N.jpg` in a zip. Both use the same
numbers for the same photos. All other files are ignored.
"""

import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path, PurePosixPath

from app.cli import CommandError, printable, shortened
from app.imaging.files import is_hidden, visible_files
from training.data.inner_zips import InnerZips
from training.data.zip_entries import open_zip, read_photo, require_photo_size, require_readable

CLASSES = ("cat", "dog")

Key = tuple[str, int]  # class and number

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
            UnreadablePhoto: the file is damaged or too large.
            OSError: the file cannot be read.
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
            _add_zip(found, open_zip(source, str(source), stack), InnerZips(stack), str(source))
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
            found.add(path.relative_to(root.parent).as_posix(), partial(_read_file, path))
    if unreadable:
        raise CommandError(f"cannot be read: {shortened(map(str, unreadable))}.")


def _add_zip(
    found: PhotoArchive, zip_file: zipfile.ZipFile, inner: InnerZips, title: str, depth: int = 0
) -> None:
    for entry in zip_file.infolist():
        name = entry.filename.replace("\\", "/")  # some programs for Windows write backslashes
        is_zip = name.lower().endswith(".zip")
        wanted = is_zip or parse_key(name) is not None
        if not wanted or is_hidden(PurePosixPath(name)):
            continue
        require_readable(entry, title)
        if is_zip:
            path = f"{title}/{printable(name)}"
            opened = inner.open(zip_file, entry, path, depth + 1)
            _add_zip(found, opened, inner, path, depth + 1)
        else:
            found.add(name, partial(read_photo, zip_file, entry))


def _read_file(path: Path) -> bytes:
    require_photo_size(path.stat().st_size)
    return path.read_bytes()
