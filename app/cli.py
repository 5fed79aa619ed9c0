"""Argument parsing, error messages, exit codes and progress bars of all commands."""

import argparse
import functools
import io
import math
import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

from tqdm import tqdm

from app.model.card import ModelError


class CommandError(ValueError):
    """The command cannot continue; the message says what is wrong, expected and to be done."""


class Parser(argparse.ArgumentParser):
    """An argument parser that prints errors as one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Print the message and exit with 2."""
        self.exit(2, f"{self.prog}: error: {message} (see --help)\n")


def natural(text: str) -> int:
    """Parse a whole number from 0 to 2**63 - 1; an argparse type."""
    number = int(text)
    if not 0 <= number < 2**63:
        raise ValueError
    return number


def positive(text: str) -> int:
    """Parse a whole number from 1 to 2**63 - 1; an argparse type."""
    number = natural(text)
    if number == 0:
        raise ValueError
    return number


def positive_real(text: str) -> float:
    """Parse a finite number above 0; an argparse type."""
    number = float(text)
    if not 0 < number < math.inf:
        raise ValueError
    return number


def non_negative_real(text: str) -> float:
    """Parse a finite number from 0; an argparse type."""
    return 0.0 if float(text) == 0 else positive_real(text)


# argparse prints "invalid NAME value" with the name of the type's function.
natural.__name__ = "whole number"
positive.__name__ = "whole number from 1"
positive_real.__name__ = "number above 0"
non_negative_real.__name__ = "number from 0"


def require_writable(option: str, path: Path) -> None:
    """Check before a long computation that a folder can be created at `path`, given by `option`.

    Raises:
        CommandError: no folder can be created there.
    """
    parent = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    # The permission bits are not enough: root passes them also on a read-only file system.
    try:
        tempfile.TemporaryDirectory(prefix=".trial-", dir=parent).cleanup()
    except OSError as error:
        raise CommandError(
            f"{option} {path}: {parent} is not a folder that can be written to."
        ) from error


class Terminated(KeyboardInterrupt):
    """The process was asked to end by SIGTERM, as by `kill` or by stopping a container."""


def command(prog: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Decorate a command's main function: an expected failure is one line and exit code 2.

    Ctrl-C and SIGTERM end the command with one line too, and with 130 and 143.
    """

    def decorate(main: Callable[[], None]) -> Callable[[], None]:
        @functools.wraps(main)
        def run() -> None:
            if isinstance(sys.stdout, io.TextIOWrapper):
                # A terminal without UTF-8 cannot show every name of a file.
                sys.stdout.reconfigure(errors="backslashreplace")
            before = signal.signal(signal.SIGTERM, _terminate)
            try:
                main()
                return
            except (CommandError, ModelError) as error:
                message = str(error)
            except OSError as error:  # for example a full disk or a missing permission
                message = f"{error.filename}: " if error.filename else ""
                message += error.strerror or str(error)
            except KeyboardInterrupt as error:
                number = signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT
                Parser(prog).exit(128 + number, f"\n{prog}: interrupted{error}\n")
            finally:
                signal.signal(signal.SIGTERM, before)
            Parser(prog).exit(2, f"{prog}: error: {' '.join(message.split())}\n")

        return run

    return decorate


def end_interrupted(prog: str, error: KeyboardInterrupt) -> NoReturn:
    """End a command that goes on where it was when it is called again, with one line.

    It ends at once: threads that wait for a network would keep the process for minutes.
    """
    number = signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT
    print(f"\n{prog}: interrupted; run the same command again to continue", file=sys.stderr)
    sys.stderr.flush()
    os._exit(128 + number)


def _terminate(*_: object) -> NoReturn:
    raise Terminated


def note(text: str) -> None:
    """Print a remark on standard error, for example on files that are left out."""
    print(f"note: {text}", file=sys.stderr)


def shortened(names: Iterable[str], limit: int = 10) -> str:
    """Join names by commas; of many only the first `limit`, and the number of all.

    >>> shortened("abc", 2)
    'a, b, ... (3)'
    """
    every = list(names)
    return ", ".join(every[:limit]) + (f", ... ({len(every)})" if len(every) > limit else "")


def printable(name: str) -> str:
    """Replace control characters, and bytes that are not UTF-8, by escapes."""
    return re.sub(
        r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]",
        lambda found: found[0].encode("unicode_escape").decode(),
        name,
    )


def progress(items: Any, what: str, unit: str, **options: Any) -> "tqdm[Any]":
    """Create a progress bar; it is updated rarely in a log file, which keeps every update."""
    pace = 0.1 if sys.stderr.isatty() else 10.0
    return tqdm(items, what, unit=unit, mininterval=pace, maxinterval=pace, **options)
