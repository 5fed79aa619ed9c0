"""The rows of a scoring that is not finished, in `<output>.partial`: a killed one goes on there.

The first line says what is scored, and how. Each further line is a row, as JSON. What stands behind
the last whole line is dropped: a killed process may have written half of one.
"""

import json
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from app.cli import CommandError
from app.scoring.row import Row


@dataclass(frozen=True)
class Job:
    """What must be the same when a scoring goes on; otherwise its rows would not fit together.

    Attributes:
        source: the photos, as an absolute path or an address.
        shard: the part of them.
        model, version: what scores them.
        settings: what else changes a row, by name: values that JSON has.
    """

    source: str
    shard: str
    model: str
    version: int
    settings: Mapping[str, Any]


class Journal:
    """Appends rows; `close` it at the end.

    Args:
        output: the file that will have the rows in the end.
        job: what is scored.
        restart: drop the rows that are there, whatever their job.

    Raises:
        CommandError: rows of another job are there, or another process writes them.
    """

    def __init__(self, output: Path, job: Job, restart: bool = False) -> None:
        self.path = partial_path(output)
        self._file = _opened(self.path)
        try:
            if restart:
                self._file.truncate(0)
            self.done = self._begin(job)
        except BaseException:
            self._file.close()
            raise

    def add(self, row: Row) -> None:
        """Append a row; it is in the file when this returns, whatever kills the process then."""
        self._file.write(_line(row._asdict()))
        self._file.flush()
        self.done.add(row.path)

    def rows(self, wanted: Collection[str]) -> Iterator[Row]:
        """The rows of the wanted paths, in the order in which they were written."""
        self._file.seek(0)
        next(self._file, None)
        for line in self._file:
            row = Row(**json.loads(line))
            if row.path in wanted:  # others have left the source since
                yield row

    def remove(self) -> None:
        """Delete the file, and release it."""
        self.path.unlink()
        self.close()

    def close(self) -> None:
        """Release the file."""
        self._file.close()

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


def engine_before(output: Path) -> str | None:
    """The engine of the rows that are there: at another start, another one may be the fastest."""
    try:
        with partial_path(output).open("rb") as file:
            found = json.loads(file.readline())["settings"]["engine"]
            return found if isinstance(found, str) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _opened(path: Path) -> IO[bytes]:
    """Open the file for this process alone; the system releases it when the process ends."""
    while True:
        file = path.open("a+b")
        try:
            _lock(file, path)
            # The process before this one may have deleted it between the two.
            if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except BaseException:
            file.close()
            raise
        file.close()


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
    new = _flat(asdict(job))
    try:
        old = _flat(json.loads(first))
    except (ValueError, KeyError, TypeError):
        old = {}
    if old.keys() != new.keys():
        raise CommandError(
            f"{path}: it was not written by app.score of this release. Remove it, or name another "
            "output."
        )
    other = [
        f"{name} {old[name]!r} and not {new[name]!r}" for name in new if old[name] != new[name]
    ]
    if other:
        raise CommandError(
            f"{path}: it has the rows of another scoring: {', '.join(other)}. Use the same "
            "arguments to go on, --restart to drop these rows, or another output."
        )


def _flat(job: dict[str, Any]) -> dict[str, Any]:
    return {**job, **job["settings"], "settings": None}


def _lock(file: IO[bytes], path: Path) -> None:
    if os.name != "posix":
        return
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise CommandError(f"{path}: another app.score is writing it.") from error
