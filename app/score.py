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
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from app import logs
from app.cli import CommandError, command, end_interrupted, note, positive_real
from app.scoring.arguments import in_shard, job_of, make_parser, read_settings
from app.scoring.local import LocalScorer, local_scorer
from app.scoring.remote import RemoteScorer, remote_scorer
from app.scoring.run import score_photos
from app.scoring.sources import Source, open_source
from app.scoring.table import Table
from app.settings import Settings

PROG = "python -m app.score"
_PATIENCE = 300.0
KEY = "CATS_VS_DOGS_API_KEY"


@command(PROG)
def main() -> None:
    """Run the command."""
    arguments = _parse()
    table = Table(arguments.output, arguments.restart)
    logs.set_up("console", "warning")
    settings = read_settings(arguments)
    if settings.engine in ("auto", "litert") and (engine := table.engine):
        settings = settings.model_copy(update={"engine": engine})  # which another start chose
    source = open_source(arguments.source, settings.max_bytes)
    try:
        paths = in_shard(source.paths(), arguments)
        asyncio.run(_score(arguments, settings, source, paths, table))
    except KeyboardInterrupt as error:
        end_interrupted(PROG, error)


def _parse() -> argparse.Namespace:
    parser = make_parser(PROG, "Classify all photos of a folder, and write a table.")
    service = parser.add_argument_group("through a service")
    service.add_argument("--url", help="its address, as http://127.0.0.1:8000")
    service.add_argument(
        "--api-key-file", type=Path, help=f"a file with its API key (default: the variable {KEY})"
    )
    service.add_argument(
        "--patience", type=positive_real, help="seconds of tries for a photo (300)"
    )
    arguments = parser.parse_args()
    for name in ("model", "model_version", "engine", "workers"):
        if arguments.url and getattr(arguments, name) is not None:
            parser.error(f"--{name.replace('_', '-')} is not for --url: the service has its own")
    for name in ("api_key_file", "patience"):
        if not arguments.url and getattr(arguments, name) is not None:
            parser.error(f"--{name.replace('_', '-')} is for --url alone")
    return arguments


async def _score(
    arguments: argparse.Namespace,
    settings: Settings,
    source: Source,
    paths: list[str],
    table: Table,
) -> None:
    async with _scorer(arguments, settings) as scorer:
        model = (scorer.name, scorer.version)
        job = job_of(arguments, model, scorer.settings, scorer.decides)
        note(f"{scorer.name} {scorer.version} with {scorer.description}")
        with table.filling(job, paths, scorer.labels) as filling:
            await score_photos(source, filling.left, scorer, settings.max_bytes, filling.add)


@asynccontextmanager
async def _scorer(
    arguments: argparse.Namespace, settings: Settings
) -> AsyncIterator[LocalScorer | RemoteScorer]:
    if not arguments.url:
        async with local_scorer(settings, arguments.concurrency) as local:
            yield local
        return
    async with remote_scorer(
        arguments.url,
        _key(arguments.api_key_file),
        {"error": arguments.error, "min_familiarity": arguments.min_familiarity},
        arguments.concurrency,
        arguments.patience or _PATIENCE,
    ) as remote:
        yield remote


def _key(file: Path | None) -> str:
    """The API key; nothing without one. Messages do not show it.

    Raises:
        CommandError: it is no key.
    """
    found = file.read_bytes() if file else os.environb.get(KEY.encode(), b"")
    if not re.fullmatch(rb"[!-~]*", found.strip()):
        where = f"--api-key-file {file}" if file else KEY
        raise CommandError(f"{where}: it has to hold one key, of ASCII characters without spaces.")
    return found.strip().decode("ascii")


if __name__ == "__main__":
    main()
