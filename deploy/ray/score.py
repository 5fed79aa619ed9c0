"""Score photos on Ray Data: `python -m app.score`, with actors on all machines of a cluster.

    python -m deploy.ray.score photos --output labels.csv --actors 2
    python -m deploy.ray.score s3://bucket/photos --output labels.parquet --address auto --actors 64

Each actor is a scorer of its own, with worker processes, and reads its photos itself. An actor that
dies is replaced, and the photos that it had are scored again. The rows come back to this command,
which writes the table, and goes on with the same arguments after it was killed.
"""

import asyncio
import atexit
import json
import os
from contextlib import AsyncExitStack
from typing import Any

import numpy as np

from app.cli import CommandError, command, end_interrupted, note, positive
from app.model.version_folder import find_version, load_card
from app.scoring.arguments import in_shard, job_of, make_parser, read_settings, settings_of_rows
from app.scoring.local import local_scorer
from app.scoring.row import Row
from app.scoring.run import score_photos
from app.scoring.sources import open_source
from app.scoring.table import Filling, Table
from app.settings import Settings
from deploy.ray.connect import connect, disconnect, prepare

PROG = "python -m deploy.ray.score"
_TASK = 256  # photos; so many are scored again, at most, when an actor dies


@command(PROG)
def main() -> None:
    """Run the command."""
    parser = make_parser(PROG, "Classify photos on Ray Data, and write a table.")
    parser.add_argument("--actors", type=positive, default=2, help="scorers at a time (2)")
    parser.add_argument("--address", help="of a running Ray; default: one of its own, here")
    parser.set_defaults(workers=1)
    arguments = parser.parse_args()
    prepare(arguments.address)
    if arguments.source == "-":
        raise CommandError("-: the actors cannot read this command's input. Name a file.")
    table = Table(arguments.output, arguments.restart)
    settings = read_settings(arguments)
    folder = find_version(settings.model, settings.model_version).absolute()
    card = load_card(folder)
    # The version stays the same, whatever is published meanwhile.
    settings = settings.model_copy(update={"model": folder, "model_version": None})
    scorer = (os.getcwd(), arguments.source, settings, arguments.concurrency)
    kept = settings_of_rows(settings, card, settings.engine)
    job = job_of(arguments, (card.name, card.version), kept, card.thresholds is not None)
    note(f"{card.name} {card.version} on Ray")
    try:
        paths = in_shard(open_source(arguments.source, settings.max_bytes).paths(), arguments)
        with table.filling(job, paths, card.labels) as rows:
            if rows.left:
                connect(arguments.address, arguments.actors * settings.workers, settings.workers)
                _score(rows, scorer, arguments.actors, settings.workers)
    except KeyboardInterrupt as error:
        disconnect()
        end_interrupted(PROG, error)


def _score(rows: Filling, scorer: tuple[Any, ...], actors: int, cpus: int) -> None:
    """Let actors score the photos that are left, and add their rows as they come."""
    import ray.data
    from ray.exceptions import RayError

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    # As bytes: a file's name may be no UTF-8, which Ray's tables need.
    items = [{"path": path.encode("utf-8", "surrogateescape")} for path in rows.left]
    tasks = max(-(-len(items) // _TASK), min(actors, len(items)))
    results = ray.data.from_items(items, override_num_blocks=tasks).map_batches(
        _Actor,
        fn_constructor_args=scorer,
        compute=ray.data.ActorPoolStrategy(size=min(actors, tasks)),
        batch_size=_TASK,
        num_cpus=cpus,
    )
    try:
        for result in results.iter_rows():
            rows.add(Row(**json.loads(result["row"])))
    except RayError as error:
        last = str(error).strip().splitlines()[-1]
        raise CommandError(f"the actors failed: {last}") from error


class _Actor:
    """A scorer and its event loop, in a process of Ray."""

    def __init__(
        self, folder: str, source: str, settings: Settings, concurrency: int | None
    ) -> None:
        os.chdir(folder)  # from which the paths are named
        self._source, self._max_bytes = open_source(source, settings.max_bytes), settings.max_bytes
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        opening = self._stack.enter_async_context(local_scorer(settings, concurrency))
        self._scorer = self._runner.run(opening)
        atexit.register(lambda: self._runner.run(self._stack.aclose()))

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        paths = [path.decode("utf-8", "surrogateescape") for path in batch["path"]]
        rows: list[Row] = []
        work = score_photos(self._source, paths, self._scorer, self._max_bytes, rows.append)
        self._runner.run(work)
        return {"row": np.array([json.dumps(row._asdict()) for row in rows], object)}


if __name__ == "__main__":
    main()
