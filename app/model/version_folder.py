"""A saved model's folder: finding a version, checking its files, reading them safely.

`models/<name>/<version>/` holds `card.json` and the files that the card lists with their SHA-256.
If a file is missing or changed, the folder is refused before any of its files is parsed, with one
line that names the file.
"""

import hashlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from pydantic import ValidationError

from app.model.card import CARD, Card, ModelError, ModelNotFound, Sha256

# Bytes. The confusion matrix of a thousand labels takes a few megabytes.
_LONGEST_CARD = 16 * 1024 * 1024


def find_version(path: Path, version: int | None = None) -> Path:
    """The version folder at `path`, or the newest one below it.

    Args:
        path: a version folder (`models/digits/1`), or the folder of all versions
            (`models/digits`), of which the highest number is taken.
        version: take this version instead of the highest.

    Raises:
        ModelNotFound: there is none.
    """
    if path.is_file():
        raise ModelNotFound(
            f"{path}: expected a model folder with {CARD} in it, found a file. "
            "Only folders written by training.fit are served."
        )
    if (path / CARD).is_file():
        if version is not None and path.name != str(version):
            raise ModelNotFound(f"{path} is a version folder, and not that of version {version}.")
        return path
    found = versions(path)
    if version is not None:
        found = [number for number in found if number == version]
    if not found:
        wanted = "version" if version is None else f"version {version}"
        raise ModelNotFound(
            f"{path}: no {wanted} of a model there (expected {path}/<number>/{CARD}). "
            "Name a folder that training.fit published, e.g. models/cats-vs-dogs."
        )
    return path / str(max(found))


def versions(path: Path) -> list[int]:
    """The version numbers under a model's folder, ascending; complete ones only."""
    if not path.is_dir():
        return []
    names = (entry.name for entry in path.iterdir() if (entry / CARD).is_file())
    return sorted(int(name) for name in names if name.isascii() and name.isdecimal())


def load_card(folder: Path, *, unchecked: Collection[str] = ()) -> Card:
    """Read a version folder's card and check every file that it lists.

    Args:
        folder: the version folder.
        unchecked: names of files that may be missing or changed, because they are about to be
            made again.

    Raises:
        ModelError: the card is missing or malformed, or a file is missing or changed.
    """
    try:
        with _opened(folder / CARD) as file:
            text = file.read(_LONGEST_CARD + 1)
        if len(text) > _LONGEST_CARD:
            raise ModelError(
                f"{folder / CARD}: not a valid card: longer than {_LONGEST_CARD:,} bytes."
            )
        card = Card.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise ModelError(f"{folder / CARD}: not a valid card: {where}: {first['msg']}.") from error
    # A renamed or copied folder: who asks for a version by number would get another version.
    if folder.name.isdecimal() and folder.name != str(card.version):
        raise ModelError(
            f"{folder}: its card is that of version {card.version}. Publish the version with "
            "training.fit, or give the folder the number on its card."
        )
    for name, expected in card.files.items():
        if name not in unchecked:
            check_file(folder / name, expected)
    return card


def check_file(path: Path, expected: Sha256) -> None:
    """Check a file against the SHA-256 on the card.

    Raises:
        ModelError: it is missing or changed, or no regular file inside its folder.
    """
    with _opened(path) as file:
        _compare(path, hashlib.file_digest(file, "sha256").hexdigest(), expected)


def read_file(path: Path, expected: Sha256) -> bytes:
    """The bytes of a file whose SHA-256 is that on the card.

    Raises:
        ModelError: as `check_file`.
    """
    with _opened(path) as file:
        content = file.read()
    _compare(path, hashlib.sha256(content).hexdigest(), expected)
    return content


def read_listed(folder: Path, card: Card, name: str) -> bytes | None:
    """The bytes of a file that not every version has, checked; None if the card lists none.

    Raises:
        ModelError: as `check_file`.
    """
    return read_file(folder / name, card.files[name]) if name in card.files else None


@contextmanager
def _opened(path: Path) -> Iterator[BufferedReader]:
    """Open a regular file. A named pipe would block, and a link could lead to any other file."""
    try:
        inside = path.resolve(strict=True).is_relative_to(path.parent.resolve())
        if not inside or not path.is_file():
            raise ModelError(
                f"{path}: not a regular file inside its folder. Copy the whole version folder "
                "again, with the files themselves."
            )
        with path.open("rb") as file:
            yield file
    except (OSError, RuntimeError) as error:  # the latter for links that go round in a circle
        reason = error.strerror if isinstance(error, OSError) else error
        raise ModelError(
            f"{path}: cannot be read ({reason}). Copy the whole version folder again."
        ) from error


def _compare(path: Path, actual: Sha256, expected: Sha256) -> None:
    if actual != expected:
        raise ModelError(
            f"{path}: its SHA-256 is {actual[:12]}..., the card says {expected[:12]}...: the file "
            "was changed after publishing. Copy the whole version folder again, or retrain."
        )


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
