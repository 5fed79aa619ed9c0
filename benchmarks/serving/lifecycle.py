"""Measure the service's start, model swaps under load, and SIGTERM under load.

    python -m benchmarks.serving.lifecycle
    python -m benchmarks.serving.lifecycle --starts 10 --swaps 20 --stops 5

Starts: the time from the process's start to the first 200 of /readyz. Swaps: newer versions of the
model are published while clients post photos; every other one is announced by SIGHUP, the service
finds the rest by polling. Stops: the service gets SIGTERM while clients post photos and must answer
all requests that it had accepted. The table goes to build/benchmarks/lifecycle.md.
"""

import statistics
import tempfile
from argparse import Namespace
from pathlib import Path

from app.cli import CommandError, Parser, command, natural, positive
from app.model.version_folder import find_version
from benchmarks.harness.load import OK, LoadResult
from benchmarks.harness.photos import load_photos
from benchmarks.harness.server import running_service
from benchmarks.harness.table import (
    log,
    markdown_table,
    milliseconds,
    percentile,
    timed,
    write_result,
)
from benchmarks.serving.stops import UNREAD_SECONDS, StopResult, stop_under_load
from benchmarks.serving.swaps import SwapResult, swap_under_load

PROG = "python -m benchmarks.serving.lifecycle"
MOST_SECONDS = 2.5
Rows = list[list[str]]


@command(PROG)
def main() -> None:
    """Run the command."""
    parser = Parser(PROG, description="Start, swap models and stop, under load.")
    parser.add_argument("--model", type=Path, default=Path("models/cats-vs-dogs/1"))
    parser.add_argument("--starts", type=natural, default=7, help="0 skips them")
    parser.add_argument("--swaps", type=natural, default=20, help="0 skips them")
    parser.add_argument("--stops", type=natural, default=5, help="0 skips them")
    parser.add_argument("--clients", type=positive, default=8)
    parser.add_argument("--photos", type=Path, help="a folder of JPEGs (default: generated ones)")
    arguments = parser.parse_args()
    if not arguments.starts + arguments.swaps + arguments.stops:
        raise CommandError("--starts, --swaps and --stops are all 0: nothing to do.")
    model = find_version(arguments.model)
    photos = load_photos(arguments.photos)
    with timed("benchmarks.serving.lifecycle"):
        rows = _measure_starts(model, arguments) + _swap_halves(model, photos, arguments)
        rows += _measure_stops(model, photos, arguments)
    write_result("lifecycle", markdown_table(["what", "measured", "wanted"], rows))


def _measure_starts(model: Path, arguments: Namespace) -> Rows:
    seconds = []
    for number in range(arguments.starts):
        with running_service(model) as server:
            seconds.append(server.ready_seconds)
        log(f"start {number + 1}: ready after {seconds[-1]:.2f} s")
    if not seconds:
        return []
    measured = f"{statistics.median(seconds):.2f} s (up to {max(seconds):.2f} s)"
    return [[f"start to ready, median of {len(seconds)}", measured, f"<= {MOST_SECONDS:g} s"]]


def _swap_halves(model: Path, photos: list[bytes], arguments: Namespace) -> Rows:
    if not arguments.swaps:
        return []
    with tempfile.TemporaryDirectory() as folder:
        swaps: SwapResult = swap_under_load(
            model, Path(folder), photos, arguments.swaps, arguments.clients
        )
    times = swaps.run.times()
    failed = len(swaps.run.answers) - len(times)
    done = statistics.median(swaps.seconds)
    return [
        [
            f"requests failed during {len(swaps.seconds)} model swaps",
            _describe_failures(failed, swaps.run),
            "0",
        ],
        ["publication to the first answer of the new version", f"{done:.2f} s (median)", ""],
        ["p99 of a request meanwhile", milliseconds(percentile(times, 99)), ""],
    ]


def _measure_stops(model: Path, photos: list[bytes], arguments: Namespace) -> Rows:
    stops: list[StopResult] = []
    for number in range(arguments.stops):
        stops.append(stop_under_load(model, photos, arguments.clients))
        log(f"stop {number + 1}: {stops[-1]}")
    if not stops:
        return []
    accepted = sum(stop.accepted for stop in stops)
    failed = sum(stop.failed for stop in stops)
    unread = sum(stop.unread for stop in stops)
    later = {
        "answered": sum(stop.answered for stop in stops),
        "503": sum(stop.refused for stop in stops),
        "no connection": sum(stop.unconnected for stop in stops),
        "closed unanswered": sum(stop.dropped for stop in stops),
    }
    codes = sorted({stop.exit_code for stop in stops})
    slowest = max(stop.seconds for stop in stops)
    return [
        [f"accepted requests failed by {len(stops)} SIGTERMs", f"{failed} of {accepted}", "0"],
        [f"sent in the {UNREAD_SECONDS:g} s before, not yet read: 503", f"{unread}", ""],
        ["sent after SIGTERM", ", ".join(f"{key}: {n}" for key, n in later.items()), ""],
        ["exit codes", ", ".join(map(str, codes)), "0"],
        ["SIGTERM to the process's end, longest", f"{slowest:.2f} s", ""],
    ]


def _describe_failures(failed: int, swaps: LoadResult) -> str:
    bad = {status: count for status, count in sorted(swaps.statuses.items()) if status != OK}
    return f"{failed} of {len(swaps.answers)}" + (f" {bad}" if bad else "")


if __name__ == "__main__":
    main()
