"""Write the finished table: CSV, JSON lines or Parquet, by the extension of the file."""

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from app.cli import CommandError, printable
from app.scoring.row import Row

_GROUP = 50_000  # rows of a Parquet row group

Writer = Callable[[Iterable[Row], Path], None]


def writer_of(output: Path) -> Writer:
    """What writes rows in the format of the output's extension.

    Raises:
        CommandError: there is no such format, or its package is not installed.
    """
    writers = {".csv": _write_csv, ".jsonl": _write_jsonl, ".parquet": _write_parquet}
    writer = writers.get(output.suffix.lower())
    if writer is None:
        raise CommandError(f"{output}: the extension has to be one of {', '.join(writers)}.")
    if writer is _write_parquet:
        try:
            import pyarrow  # noqa: F401
        except ModuleNotFoundError as error:
            raise CommandError(
                f"{output}: Parquet needs the package pyarrow, of the extra 'score' "
                "(requirements/score.txt)."
            ) from error
    return writer


def write(rows: Iterable[Row], output: Path, writer: Writer) -> None:
    """Write all rows; the file is there with all of them, or not at all."""
    beside = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        writer(_readable(rows), beside)
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(output)
    finally:
        beside.unlink(missing_ok=True)


def _write_csv(rows: Iterable[Row], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(Row._fields)
        table.writerows(rows)


def _write_jsonl(rows: Iterable[Row], path: Path) -> None:
    with path.open("w", encoding="ascii") as file:
        for row in rows:
            file.write(json.dumps(row._asdict()) + "\n")


def _write_parquet(rows: Iterable[Row], path: Path) -> None:
    import pyarrow
    from pyarrow.parquet import ParquetWriter

    text = pyarrow.string()
    types = [pyarrow.float64() if name == "probability" else text for name in Row._fields]
    schema = pyarrow.schema(list(zip(Row._fields, types, strict=True)))
    with ParquetWriter(path, schema) as file:
        for group in _groups(rows):
            columns = zip(*group, strict=True)
            file.write_table(pyarrow.table(list(map(list, columns)), schema=schema))


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    every = iter(rows)
    while group := list(islice(every, _GROUP)):
        yield group


def _readable(rows: Iterable[Row]) -> Iterator[Row]:
    """The rows with escapes for what a line, or UTF-8, cannot have in a path."""
    for row in rows:
        path = row.path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        yield row._replace(path=printable(path))
