"""The arguments that every way of scoring has: what is scored, by which model, and the table."""

import argparse
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from app.cli import CommandError, Parser, positive
from app.model.card import KERAS, Card
from app.scoring.journal import Job
from app.scoring.object_store import is_address
from app.settings import Settings, describe

_OF_SETTINGS = ("model", "model_version", "engine", "workers", "error", "min_familiarity")


def make_parser(prog: str, description: str) -> Parser:
    """The parser of a command that scores; it can be given more arguments."""
    parser = Parser(prog, description=description)
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
    parser.add_argument("--model", type=Path, help="as APP_MODEL; all APP_ settings count, too")
    parser.add_argument("--model-version", type=positive, help="as APP_MODEL_VERSION")
    parser.add_argument("--engine", help="as APP_ENGINE")
    parser.add_argument("--workers", type=positive, help="as APP_WORKERS; default: the cores")
    parser.add_argument("--error", type=float, help="as APP_ERROR")
    parser.add_argument("--min-familiarity", type=float, help="as APP_MIN_FAMILIARITY")
    return parser


def read_settings(arguments: argparse.Namespace) -> Settings:
    """The settings of the environment, with those that the arguments name.

    Raises:
        CommandError: one of them is wrong.
    """
    given = {name: getattr(arguments, name) for name in _OF_SETTINGS}
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise CommandError(describe(error)) from error


def job_of(
    arguments: argparse.Namespace,
    model: tuple[str, int],
    settings: Mapping[str, Any],
    decides: bool,
) -> Job:
    """What is scored, and how.

    Args:
        arguments: the command's.
        model: its name and version.
        settings: what else changes a row.
        decides: whether the model has thresholds.

    Raises:
        CommandError: the arguments have a threshold, and the model has none.
    """
    name, version = model
    if not decides and (arguments.error, arguments.min_familiarity) != (None, None):
        raise CommandError(
            f"{name} {version} has no thresholds, so --error and --min-familiarity mean nothing."
        )
    source = arguments.source
    if source != "-" and not is_address(source):
        source = str(Path(source).resolve())
    shard = "/".join(map(str, arguments.shard))
    return Job(source, shard, name, version, settings)


def settings_of_rows(settings: Settings, card: Card, engine: str) -> dict[str, Any]:
    """The settings that change a row, the engine, and which network it is by its checksum."""
    names = ("error", "min_familiarity", "max_bytes", "max_pixels")
    found = {name: getattr(settings, name) for name in names}
    formats, network = ", ".join(settings.formats), card.files[KERAS]
    return found | {"engine": engine, "formats": formats, "network": network}


def in_shard(paths: list[str], arguments: argparse.Namespace) -> list[str]:
    """The paths of one part. A path always is in the same part, whatever other paths there are.

    Raises:
        CommandError: there are no photos in any part.
    """
    if not paths:
        raise CommandError(f"{arguments.source}: no photos there.")
    index, count = arguments.shard
    encoded = ((path, path.encode("utf-8", "surrogateescape")) for path in paths)
    return [path for path, data in encoded if zlib.crc32(data) % count == index - 1]


def _shard(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is not I/N with I from 1 to N, as 2/8")
    return int(found[1]), int(found[2])
