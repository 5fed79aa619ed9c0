"""What every command line of this package shares: one-line errors and exit codes."""

import argparse
import math
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from tqdm import tqdm

from app.model.card import ModelError


class CommandError(ValueError):
    """The command cannot go on. The message is one line: what, what was expected, what to do."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line instead of the whole usage."""

    def error(self, message: str) -> NoReturn:
        """Print the message and exit with 2."""
        self.exit(2, f"{self.prog}: error: {message} (see --help)\n")


def natural(text: str) -> int:
    """A whole number from 0, as an argument's type."""
    number = int(text)
    if not 0 <= number < 2**63:
        raise ValueError
    return number


def positive(text: str) -> int:
    """A whole number from 1, as an argument's type."""
    number = natural(text)
    if number == 0:
        raise ValueError
    return number


def positive_real(text: str) -> float:
    """A finite number above 0, as an argument's type."""
    number = float(text)
    if not 0 < number < math.inf:
        raise ValueError
    return number


# argparse says "invalid <name> value"; these are the words for the functions above.
natural.__name__ = "whole number"
positive.__name__ = "whole number from 1"
positive_real.__name__ = "number above 0"


def require_writable(option: str, path: Path) -> None:
    """Find out before hours of work whether a folder can be made at `path`.

    Raises:
        CommandError: it cannot.
    """
    parent = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    # For root everything has the permission, also where nothing can be made.
    try:
        tempfile.TemporaryDirectory(prefix=".trial-", dir=parent).cleanup()
    except OSError as error:
        raise CommandError(
            f"{option} {path}: {parent} is not a folder that can be written to."
        ) from error


def run(prog: str, main: Callable[[], None]) -> None:
    """Run a command's main function, turning expected failures into one line and exit 2."""
    try:
        main()
    except (CommandError, ModelError) as error:
        sys.exit(_fail(prog, str(error)))
    except OSError as error:  # a full disk, a folder without permission
        where = f"{error.filename}: " if error.filename else ""
        sys.exit(_fail(prog, f"{where}{error.strerror or error}"))
    except KeyboardInterrupt:
        print(f"\n{prog}: interrupted", file=sys.stderr)
        sys.exit(130)


def progress(items: Any, what: str, unit: str, **options: Any) -> "tqdm[Any]":
    """A progress bar with the time left; in a log file, where no line is redrawn, a slow one."""
    pace = 0.1 if sys.stderr.isatty() else 10.0
    return tqdm(items, what, unit=unit, mininterval=pace, maxinterval=pace, **options)


def _fail(prog: str, message: str) -> int:
    print(f"{prog}: error: {' '.join(message.split())}", file=sys.stderr)
    return 2
