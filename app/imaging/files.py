"""Which files are photos by their names, without hidden files and the folders of systems."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePath

_SYSTEM_FOLDERS = {"__macosx", "lost+found", "system volume information"}
PHOTO_SUFFIXES = {
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff",
    ".avif", ".heic", ".heif",
}  # fmt: skip


def is_hidden_folder(name: str) -> bool:
    """Whether a folder of this name belongs to a system or a program: `.git`, `@eaDir`, ..."""
    return name.startswith((".", "@", "#", "$")) or name.casefold() in _SYSTEM_FOLDERS


def is_hidden(path: PurePath) -> bool:
    """Whether a file is hidden or lies in a hidden folder; `path` is relative to the data set."""
    return path.name.startswith(".") or any(map(is_hidden_folder, path.parts[:-1]))


def visible_files(folder: Path, unreadable: list[Path]) -> Iterator[Path]:
    """Yield the files at any depth that are not hidden; add unreadable folders to `unreadable`."""

    def note_error(error: OSError) -> None:
        unreadable.append(Path(error.filename))

    for parent, folders, files in os.walk(folder, onerror=note_error):
        folders[:] = [name for name in folders if not is_hidden_folder(name)]
        yield from (Path(parent, name) for name in files if not name.startswith("."))
