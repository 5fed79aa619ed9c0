"""Find the photos in a folder, without hidden and system folders and files of other kinds."""

import hashlib
import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from app.imaging.formats import format_of

_SYSTEM_FOLDERS = {"__macosx", "lost+found", "system volume information"}
PHOTO_SUFFIXES = {
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff",
    ".avif", ".heic", ".heif",
}  # fmt: skip


@dataclass
class FolderScan:
    """The files of a folder: photos with their SHA-256, other files, and unreadable entries."""

    photos: list[tuple[Path, str]] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    unreadable: list[Path] = field(default_factory=list)


def is_hidden_folder(name: str) -> bool:
    """Whether a folder of this name belongs to a system or a program: `.git`, `@eaDir`, ..."""
    return name.startswith((".", "@", "#", "$")) or name.casefold() in _SYSTEM_FOLDERS


def is_hidden(path: PurePath) -> bool:
    """Whether a file is hidden or lies in a hidden folder; `path` is relative to the data set."""
    return path.name.startswith(".") or any(map(is_hidden_folder, path.parts[:-1]))


def visible_folders(path: Path) -> list[Path]:
    """Return the folders in `path` that are not hidden, by name."""
    visible = (e for e in path.iterdir() if e.is_dir() and not is_hidden_folder(e.name))
    return sorted(visible, key=lambda entry: entry.name)


def visible_files(folder: Path, unreadable: list[Path]) -> Iterator[Path]:
    """Yield the files at any depth that are not hidden; add unreadable folders to `unreadable`."""

    def note_error(error: OSError) -> None:
        unreadable.append(Path(error.filename))

    for parent, folders, files in os.walk(folder, onerror=note_error):
        folders[:] = [name for name in folders if not is_hidden_folder(name)]
        yield from (Path(parent, name) for name in files if not name.startswith("."))


def scan(folder: Path) -> FolderScan:
    """Read all visible files of a folder on all cores, and sort out those that are no photos.

    A file is a photo if its first bytes say so. A file with the extension of a photo counts as one
    too: if its content is broken, decoding reports it.
    """
    found = FolderScan()
    paths = sorted(visible_files(folder, found.unreadable))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, digest in zip(paths, pool.map(_photo_digest, paths), strict=True):
            if isinstance(digest, OSError):
                found.unreadable.append(path)
            elif digest is None:
                found.others.append(path)
            else:
                found.photos.append((path, digest))
    return found


def _photo_digest(path: Path) -> str | OSError | None:
    """Return the SHA-256 of a photo, None for another file, or why it cannot be read."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        with path.open("rb") as file:
            if path.suffix.lower() not in PHOTO_SUFFIXES and format_of(file.read(256)) is None:
                return None
            file.seek(0)
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return error
