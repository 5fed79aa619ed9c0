"""Write a folder or a text file atomically: readers see all of it or nothing."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.cli import CommandError

_PARTIAL = ".partial-"


@contextmanager
def atomic_folder(destination: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield a temporary folder and rename it to `destination` when the block ends.

    An exception in the block deletes the temporary folder and leaves `destination` as it was.
    Each call also deletes the temporary folders that killed processes left behind.

    Args:
        destination: the folder to create.
        replace: replace an existing `destination` instead of raising an error.

    Raises:
        CommandError: `destination` exists and `replace` is false.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(destination)
    temporary = destination.with_name(f".{destination.name}{_PARTIAL}{os.getpid()}")
    temporary.mkdir()
    try:
        yield temporary
        _move(temporary, destination, replace)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _move(temporary: Path, destination: Path, replace: bool) -> None:
    if not destination.exists():
        temporary.rename(destination)
        return
    if not replace:
        raise CommandError(f"{destination} exists already; nothing was changed.")
    # A folder cannot be renamed onto a folder that has files: move the old one away first.
    aside = Path(tempfile.mkdtemp(prefix=f".{destination.name}.old-", dir=destination.parent))
    destination.rename(aside / destination.name)
    temporary.rename(destination)
    shutil.rmtree(aside)


def _remove_leftovers(destination: Path) -> None:
    for leftover in destination.parent.glob(f".{destination.name}{_PARTIAL}*"):
        process = leftover.name.rpartition("-")[2]
        if process.isdecimal() and not _is_alive(int(process)):
            shutil.rmtree(leftover, ignore_errors=True)


def _is_alive(process: int) -> bool:
    if process == os.getpid():
        return False  # an earlier container had a process with the same id
    if os.name != "posix":
        return True  # Windows has no signal that only checks whether a process exists
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def write_text(path: Path, text: str) -> None:
    """Replace a text file (UTF-8) atomically: readers see the old content or the new one."""
    temporary = path.with_name(f".{path.name}{_PARTIAL}{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
