"""Find the class folders in a folder and the photos in them, and tell what is left out."""

import unicodedata
from dataclasses import dataclass
from pathlib import Path

from app.cli import CommandError, note, printable, shortened
from app.imaging.files import PHOTO_SUFFIXES, is_hidden_folder
from training.data.photo_files import FolderScan, scan, visible_folders


@dataclass(frozen=True)
class Photo:
    """A photo of a class; `name` is its path inside the class folder, in printable characters."""

    name: str
    sha256: str
    path: Path


def scan_classes(folder: Path) -> dict[str, list[Photo]]:
    """Return the photos of each class folder that has any, by label.

    A label is the folder's name in Unicode's form NFC. What is left out is named on standard
    error, in one line for each reason.

    Raises:
        CommandError: a class folder cannot be read, its name cannot be a label, or two names are
            the same word.
    """
    folders = _class_folders(folder)
    scans = {label: scan(path) for label, path in folders.items()}
    locked = [label for label, found in scans.items() if folders[label] in found.unreadable]
    if locked:
        raise CommandError(f"{folder}: class folders that cannot be read: {shortened(locked)}.")
    _tell_left_out(folder, scans)
    return {
        label: [
            Photo(printable(path.relative_to(folders[label]).as_posix()), digest, path)
            for path, digest in found.photos
        ]
        for label, found in scans.items()
        if found.photos
    }


def refuse_equal_subfolders(folder: Path) -> None:
    """Raise CommandError if all class folders have only the same two folders or more.

    Such folders may be subsets (`CLASS/train`), or classes themselves. One common folder, as in
    `CLASS/images/PHOTO`, is clear.
    """
    contents = [_only_folders(entry) for entry in visible_folders(folder)]
    if len(contents) > 1 and len(contents[0]) > 1 and all(c == contents[0] for c in contents):
        names = shortened(map(printable, sorted(contents[0])))
        raise CommandError(
            f"{folder}: every folder in it contains the same folders ({names}), so the classes "
            "are not clear. Expected FOLDER/CLASS/PHOTO or FOLDER/train/CLASS/PHOTO."
        )


def _class_folders(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for entry in visible_folders(folder):
        if printable(entry.name) != entry.name:
            raise CommandError(
                f"{folder}: the class folder {entry.name!a} has a control character or is "
                "not in UTF-8. Rename it."
            )
        label = unicodedata.normalize("NFC", entry.name)
        if label in found:
            raise CommandError(
                f"{folder}: the class folders {found[label].name!a} and {entry.name!a} "
                "are the same word in two Unicode forms. Move the photos of one into the other."
            )
        found[label] = entry
    return found


def _tell_left_out(folder: Path, scans: dict[str, FolderScan]) -> None:
    def tell(what: str, count: int, names: str) -> None:
        if count:
            note(f"{folder}: {what} ({count}): {names}")

    # A dot hides a folder everywhere; the other names could have been meant as classes.
    hidden = [
        printable(entry.name)
        for entry in sorted(folder.iterdir())
        if entry.is_dir() and is_hidden_folder(entry.name) and not entry.name.startswith(".")
    ]
    tell("folders skipped because systems use such names", len(hidden), shortened(hidden))
    others = {label: found.others for label, found in scans.items() if found.others}
    each = shortened(
        f"{label} {len(paths)} ({shortened((printable(path.name) for path in paths), 3)})"
        for label, paths in others.items()
    )
    tell("files left out because they are no photos", sum(map(len, others.values())), each)
    unreadable = [path for found in scans.values() for path in found.unreadable]
    names = (printable(path.relative_to(folder).as_posix()) for path in unreadable)
    tell("files or folders that cannot be read", len(unreadable), shortened(names))
    empty = [label for label, found in scans.items() if not found.photos]
    tell("folders skipped because they have no photo", len(empty), shortened(empty, 100))


def _only_folders(folder: Path) -> set[str]:
    """Return the names of the folders in `folder`; none if it has photos or cannot be read."""
    try:
        if any(entry.suffix.lower() in PHOTO_SUFFIXES for entry in folder.iterdir()):
            return set()
        return {entry.name for entry in visible_folders(folder)}
    except OSError:
        return set()
