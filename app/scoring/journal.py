"""The rows of a scoring that is not finished, in `<output>.partial`: a killed one goes on there.

The first line says what is scored, and by which model. Each further line is a row, as JSON. What
stands behind the last whole line is dropped: a killed process may have written half of one.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from app.cli import CommandError
from app.scoring.row import Row


@dataclass(frozen=True)
class Job:
    """What must be the same when a scoring goes on; otherwise its rows would not fit together."""

    source: str
    model: str
    version: int
    shard: str
    error: float | None
    min_familiarity: float | None


class Journal:
    """Appends rows; `close` it at the end.

    Args:
        output: the file that will have the rows in the end.
        job: what is scored.

    Raises:
        CommandError: rows of another job are there, or another process writes them.
    """

    def __init__(self, output: Path, job: Job) -> None:
        self.path = partial_path(output)
        self._file: IO[bytes] = self.path.open("a+b")
        try:
            _lock(self._file, self.path)
            self.done = self._begin(job)
        except BaseException:
            self._file.close()
            raise

    def add(self, row: Row) -> None:
        """Append a row; it is in the file when this returns, whatever kills the process then."""
        self._file.write(_line(row._asdict()))
        self._file.flush()
        self.done.add(row.path)

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def rows(self) -> Iterator[Row]:
        """All rows, in the order in which they were written."""
        with self.path.open("rb") as file:
            next(file, None)
            for line in file:
                yield Row(**json.loads(line))

    def _begin(self, job: Job) -> set[str]:
        """Write the first line, or check it and drop what is cut off; return the paths there."""
        self._file.seek(0)
        first = self._file.readline()
        if not first.endswith(b"\n"):
            self._file.truncate(0)
            self._file.write(_line(asdict(job)))
            self._file.flush()
            return set()
        _compare(first, job, self.path)
        done, end = set(), len(first)
        for line in self._file:
            row = _parsed(line)
            if row is None:
                break
            done.add(row.path)
            end += len(line)
        self._file.truncate(end)
        return done


def partial_path(output: Path) -> Path:
    """Where the rows are until all are there."""
    return output.with_name(output.name + ".partial")


def _line(members: dict[str, Any]) -> bytes:
    # ASCII: a file's name may have bytes that are not UTF-8, which become escapes.
    return json.dumps(members, separators=(",", ":")).encode("ascii") + b"\n"


def _parsed(line: bytes) -> Row | None:
    """The row of a line, or None for a damaged one."""
    try:
        return Row(**json.loads(line)) if line.endswith(b"\n") else None
    except (ValueError, TypeError):
        return None


def _compare(first: bytes, job: Job, path: Path) -> None:
    try:
        before = json.loads(first)
    except ValueError:
        before = None
    now = asdict(job)
    if not isinstance(before, dict) or before.keys() != now.keys():
        raise CommandError(
            f"{path}: it was not written by app.score. Remove it, or name another output."
        )
    other = [
        f"{name} {before[name]!r} and not {now[name]!r}"
        for name in now
        if before[name] != now[name]
    ]
    if other:
        raise CommandError(
            f"{path}: it has the rows of another scoring: {', '.join(other)}. Use the same "
            "arguments to go on, --restart to drop these rows, or another output."
        )


def _lock(file: IO[bytes], path: Path) -> None:
    """Let only one process write; the system releases the lock when the process ends."""
    if os.name != "posix":
        return
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise CommandError(f"{path}: another app.score is writing it.") from error
