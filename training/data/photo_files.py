"""Find the photos in a folder by their content, and tell what is left out."""

import hashlib
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from app.imaging.files import PHOTO_SUFFIXES, is_hidden_folder, visible_files
from app.imaging.formats import format_of


@dataclass
class FolderScan:
    """The files of a folder: photos with their SHA-256, other files, and unreadable entries."""

    photos: list[tuple[Path, str]] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    unreadable: list[Path] = field(default_factory=list)


def visible_folders(path: Path) -> list[Path]:
    """Return the folders in `path` that are not hidden, by name."""
    visible = (e for e in path.iterdir() if e.is_dir() and not is_hidden_folder(e.name))
    return sorted(visible, key=lambda entry: entry.name)


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
