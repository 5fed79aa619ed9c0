"""The table that a scoring writes: rows go into a journal, and at the end into the output."""

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from app.cli import CommandError, note, progress, require_writable
from app.scoring.formats import write, writer_of
from app.scoring.journal import Job, Journal, engine_before
from app.scoring.row import Row
from app.scoring.summary import Summary


class Table:
    """The output of a scoring.

    Args:
        output: a .csv, .jsonl or .parquet file.
        restart: replace it, and drop the rows of an earlier run.

    Attributes:
        engine: that of the rows of an earlier run, if there are any.

    Raises:
        CommandError: the file exists, or cannot be written.
    """

    def __init__(self, output: Path, restart: bool) -> None:
        self._writer = writer_of(output)
        if output.is_dir() or not output.parent.is_dir():
            wrong = "it is a folder" if output.is_dir() else f"there is no folder {output.parent}"
            raise CommandError(f"{output}: {wrong}. Name a file in a folder that exists.")
        if output.exists() and not restart:
            raise CommandError(
                f"{output} exists already. Name another output, or replace it with --restart."
            )
        require_writable("--output", output.parent)
        self._output, self._restart = output, restart
        self.engine = None if restart else engine_before(output)

    @contextmanager
    def filling(
        self, job: Job, paths: Sequence[str], labels: Collection[str]
    ) -> Iterator["Filling"]:
        """Within the block, rows are added. At its end all are there, and the table is written.

        Args:
            job: what is scored.
            paths: all photos.
            labels: the model's, to compare with the folders of the photos.

        Raises:
            CommandError: an earlier run had another job, or another process runs.
        """
        journal = Journal(self._output, job, self._restart)
        try:
            began = time.perf_counter()
            with Filling(journal, paths) as filling:
                yield filling
            rate = len(filling.left) / (time.perf_counter() - began)
            wanted = set(paths)
            if missing := len(wanted - journal.done):
                raise CommandError(f"{missing:,} photos got no row. Run the same command again.")
            summary = Summary(labels)
            write(summary.counted(journal.rows(wanted)), self._output, self._writer)
            journal.remove()
        finally:
            journal.close()
        speed = f" ({rate:.1f} photos a second)" if filling.left else ""
        print(f"{summary.text()}\nwrote {self._output}{speed}")


class Filling:
    """Adds rows, with a progress bar.

    Attributes:
        left: the paths of the photos that have no row yet.
    """

    def __init__(self, journal: Journal, paths: Sequence[str]) -> None:
        self.left = [path for path in paths if path not in journal.done]
        self._journal = journal
        before = len(paths) - len(self.left)  # rows for paths that left the source do not count
        if before:
            note(f"{before:,} of {len(paths):,} photos were scored before")
        self._bar = progress(None, "scoring", "photo", total=len(paths), initial=before)

    def __enter__(self) -> "Filling":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def add(self, row: Row) -> None:
        """Add a row; a second one for the same photo is dropped."""
        if row.path not in self._journal.done:
            self._journal.add(row)
            self._bar.update()
