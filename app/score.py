"""Classify all photos of a folder, a zip, a list or an object store, and write a table.

    python -m app.score photos --output labels.csv
    python -m app.score s3://bucket/photos --output labels.parquet --shard 1/4
    python -m app.score photos --output labels.jsonl --url http://127.0.0.1:8000

The photos go through the same decoder, worker processes and network as in the service. A scoring
that was interrupted goes on with the same command.
"""

import argparse
import asyncio
import os
import re
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import ValidationError

from app import logs
from app.cli import CommandError, Parser, command, note, positive, positive_real, progress
from app.scoring.formats import write, writer_of
from app.scoring.journal import Job, Journal, partial_path
from app.scoring.local import LocalScorer, local_scorer
from app.scoring.remote import RemoteScorer, remote_scorer
from app.scoring.row import Row
from app.scoring.run import score_photos
from app.scoring.sources import Source, open_source
from app.scoring.summary import Summary
from app.settings import Settings, describe

PROG = "python -m app.score"
KEY = "CATS_VS_DOGS_API_KEY"
_AT_LEAST = 16  # photos at a time


@command(PROG)
def main() -> None:
    """Run the command."""
    arguments = _parse()
    writer = writer_of(arguments.output)
    if arguments.output.exists() and not arguments.restart:
        raise CommandError(
            f"{arguments.output} exists already. Name another output, or replace it with --restart."
        )
    if not arguments.output.parent.is_dir():
        raise CommandError(f"{arguments.output}: there is no folder {arguments.output.parent}.")
    logs.set_up("console", "warning")
    settings = _settings(arguments)
    source = open_source(arguments.source, settings.max_bytes)
    paths = _in_shard(source.paths(), *arguments.shard)
    if not paths:
        raise CommandError(f"{arguments.source}: no photos there{_of_shard(arguments.shard)}.")
    if arguments.restart:
        partial_path(arguments.output).unlink(missing_ok=True)
    try:
        journal, labels = asyncio.run(_score(arguments, settings, source, paths))
    except KeyboardInterrupt as error:
        raise type(error)("; the same command goes on") from error
    summary = Summary(labels)
    write(summary.counted(journal.rows()), arguments.output, writer)
    journal.path.unlink()
    journal.close()
    print(f"{summary.text()}\nwrote {arguments.output}")


def _parse() -> argparse.Namespace:
    parser = Parser(PROG, description="Classify all photos of a folder, and write a table.")
    parser.add_argument(
        "source",
        help="a folder, a zip, a text file with a path in each line (-: standard input), or an "
        "object store as s3://bucket/path, gs://... or az://...",
    )
    parser.add_argument(
        "--output", type=Path, required=True, help="the table: a .csv, .jsonl or .parquet file"
    )
    parser.add_argument("--restart", action="store_true", help="drop the rows of an earlier run")
    parser.add_argument(
        "--shard", type=_shard, default=(1, 1), help="only part I of N, as 2/8; parts never overlap"
    )
    parser.add_argument(
        "--concurrency", type=positive, help="photos at a time, which are in memory then"
    )
    parser.add_argument("--error", type=float, help="as APP_ERROR")
    parser.add_argument("--min-familiarity", type=float, help="as APP_MIN_FAMILIARITY")
    here = parser.add_argument_group("in this process; all other APP_ settings count, too")
    here.add_argument("--model", type=Path, help="as APP_MODEL")
    here.add_argument("--model-version", type=positive, help="as APP_MODEL_VERSION")
    here.add_argument("--engine", help="as APP_ENGINE")
    here.add_argument("--workers", type=positive, help="as APP_WORKERS; default: the cores")
    service = parser.add_argument_group("through a service")
    service.add_argument("--url", help="its address, as http://127.0.0.1:8000")
    service.add_argument(
        "--api-key-file", type=Path, help=f"a file with its API key (default: the variable {KEY})"
    )
    service.add_argument(
        "--patience", type=positive_real, default=300, help="seconds of tries for a photo (300)"
    )
    arguments = parser.parse_args()
    for name in ("model", "model_version", "engine", "workers"):
        if arguments.url and getattr(arguments, name) is not None:
            parser.error(f"--{name.replace('_', '-')} is not for --url: the service has its own")
    return arguments


def _shard(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is not I/N with I from 1 to N, as 2/8")
    return int(found[1]), int(found[2])


def _in_shard(paths: list[str], index: int, count: int) -> list[str]:
    """The paths of one part. A path always is in the same part, whatever other paths there are."""
    if count == 1:
        return paths
    encoded = ((path, path.encode("utf-8", "surrogateescape")) for path in paths)
    return [path for path, data in encoded if zlib.crc32(data) % count == index - 1]


def _of_shard(shard: tuple[int, int]) -> str:
    return "" if shard[1] == 1 else f" in part {shard[0]}/{shard[1]}"


def _settings(arguments: argparse.Namespace) -> Settings:
    """The settings of the environment, with those that the arguments name."""
    names = ("model", "model_version", "engine", "workers", "error", "min_familiarity")
    given = {name: getattr(arguments, name) for name in names}
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
        if arguments.concurrency is None:
            arguments.concurrency = max(_AT_LEAST, 0 if arguments.url else 8 * settings.workers)
        places = min(
            arguments.concurrency, 1000
        )  # so that no photo of these is refused as one more
        return settings.model_copy(update={"max_batch": places, "max_queue": places})
    except ValidationError as error:
        raise CommandError(describe(error)) from error


@asynccontextmanager
async def _scorer(
    arguments: argparse.Namespace, settings: Settings
) -> AsyncIterator[LocalScorer | RemoteScorer]:
    if not arguments.url:
        async with local_scorer(settings) as local:
            yield local
        return
    given = {"error": arguments.error, "min_familiarity": arguments.min_familiarity}
    parameters = {name: value for name, value in given.items() if value is not None}
    key = _key(arguments.api_key_file)
    concurrency, patience = arguments.concurrency, arguments.patience
    async with remote_scorer(arguments.url, key, parameters, concurrency, patience) as remote:
        yield remote


def _key(file: Path | None) -> str | None:
    text = file.read_text(encoding="utf-8") if file else os.environ.get(KEY, "")
    return text.strip() or None


async def _score(
    arguments: argparse.Namespace, settings: Settings, source: Source, paths: list[str]
) -> tuple[Journal, tuple[str, ...]]:
    """Score what is not in the journal yet; return it complete, and the model's labels."""
    async with _scorer(arguments, settings) as scorer:
        strictness = (arguments.error, arguments.min_familiarity)
        shard = "/".join(map(str, arguments.shard))
        job = Job(arguments.source, scorer.name, scorer.version, shard, *strictness)
        journal = Journal(arguments.output, job)
        try:
            await _score_left(arguments, settings, source, paths, scorer, journal)
        except BaseException:
            journal.close()
            raise
        return journal, tuple(scorer.labels)


async def _score_left(
    arguments: argparse.Namespace,
    settings: Settings,
    source: Source,
    paths: list[str],
    scorer: LocalScorer | RemoteScorer,
    journal: Journal,
) -> None:
    left = [path for path in paths if path not in journal.done]
    before = len(paths) - len(left)
    note(f"{scorer.name} {scorer.version} with {scorer.description}")
    if before:
        note(f"{before:,} of {len(paths):,} photos were scored before")
    with progress(None, "scoring", "photo", total=len(paths), initial=before) as bar:

        def add(row: Row) -> None:
            journal.add(row)
            bar.update()

        await score_photos(source, left, scorer, arguments.concurrency, settings.max_bytes, add)


if __name__ == "__main__":
    main()
