"""Folders that are complete or not there: written beside, renamed into place."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training.cli import CommandError

_MARK = ".partial-"


@contextmanager
def staged(destination: Path, *, replace: bool = False) -> Iterator[Path]:
    """A fresh folder that becomes `destination` when the block ends without an exception.

    Until then `destination` is untouched; after an exception the fresh folder is gone. What
    a killed process left beside it is removed by the next call.

    Args:
        destination: the folder to make.
        replace: an existing `destination` gives way; otherwise it is an error.

    Raises:
        CommandError: `destination` exists and `replace` is false.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(destination)
    fresh = destination.with_name(f".{destination.name}{_MARK}{os.getpid()}")
    fresh.mkdir()
    try:
        yield fresh
        _move(fresh, destination, replace)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def _move(fresh: Path, destination: Path, replace: bool) -> None:
    if not destination.exists():
        fresh.rename(destination)
        return
    if not replace:
        raise CommandError(f"{destination} exists already; nothing was changed.")
    # A folder cannot be renamed onto a full one: the old one steps aside first.
    aside = Path(tempfile.mkdtemp(prefix=f".{destination.name}.old-", dir=destination.parent))
    destination.rename(aside / destination.name)
    fresh.rename(destination)
    shutil.rmtree(aside)


def _remove_leftovers(destination: Path) -> None:
    for leftover in destination.parent.glob(f".{destination.name}{_MARK}*"):
        process = leftover.name.rpartition("-")[2]
        if process.isdecimal() and not _is_alive(int(process)):
            shutil.rmtree(leftover, ignore_errors=True)


def _is_alive(process: int) -> bool:
    if process == os.getpid():
        return False  # our own number, from an earlier start of a container
    if os.name != "posix":
        return True  # Windows has no harmless signal to ask with
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def write_text(path: Path, text: str) -> None:
    """Write a text file whole: readers see the old content or the new, never a part."""
    fresh = path.with_name(f".{path.name}{_MARK}{os.getpid()}")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
