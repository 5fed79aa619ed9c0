"""Start to ready, model swaps under load, SIGTERM under load.

    python -m benchmarks.serving.lifecycle
    python -m benchmarks.serving.lifecycle --starts 10 --swaps 20 --stops 5

Starts: from the process's start to the first 200 of /readyz. Swaps: while clients post photos, a
newer version of the model is published, over and over; every other time SIGHUP announces it,
otherwise the service finds it by itself. Stops: SIGTERM while clients post photos; whatever had
been accepted before must be answered. The table goes to build/benchmarks/lifecycle.md. The defaults
take about a minute and a half.
"""

import statistics
import tempfile
from argparse import Namespace
from pathlib import Path

from app.model.card import find_version
from benchmarks.harness.load import OK, Run
from benchmarks.harness.photos import photos_of
from benchmarks.harness.server import service
from benchmarks.harness.table import markdown, milliseconds, percentile, publish, tell, timed
from benchmarks.serving.stops import UNREAD_SECONDS, Stop, stop_under_load
from benchmarks.serving.swaps import Swaps, swap_under_load
from training.cli import CommandError, Parser, natural, positive, run

PROG = "python -m benchmarks.serving.lifecycle"
MOST_SECONDS = 2.0
Rows = list[list[str]]


def main() -> None:
    """The command."""
    parser = Parser(PROG, description="Start, swap models and stop, under load.")
    parser.add_argument("--model", type=Path, default=Path("models/cats-vs-dogs/1"))
    parser.add_argument("--starts", type=natural, default=7, help="0 leaves them out")
    parser.add_argument("--swaps", type=natural, default=20, help="0 leaves them out")
    parser.add_argument("--stops", type=natural, default=5, help="0 leaves them out")
    parser.add_argument("--clients", type=positive, default=8)
    parser.add_argument("--photos", type=Path, help="a folder of JPEGs (default: made ones)")
    arguments = parser.parse_args()
    if not arguments.starts + arguments.swaps + arguments.stops:
        raise CommandError("--starts, --swaps and --stops are all 0: nothing to do.")
    model = find_version(arguments.model)
    photos = photos_of(arguments.photos)
    with timed("benchmarks.serving.lifecycle"):
        rows = _started(model, arguments) + _swapped(model, photos, arguments)
        rows += _stopped(model, photos, arguments)
    publish("lifecycle", markdown(["what", "measured", "wanted"], rows))


def _started(model: Path, arguments: Namespace) -> Rows:
    seconds = []
    for number in range(arguments.starts):
        with service(model) as server:
            seconds.append(server.ready_seconds)
        tell(f"start {number + 1}: ready after {seconds[-1]:.2f} s")
    if not seconds:
        return []
    measured = f"{statistics.median(seconds):.2f} s (up to {max(seconds):.2f} s)"
    return [[f"start to ready, median of {len(seconds)}", measured, f"<= {MOST_SECONDS:g} s"]]


def _swapped(model: Path, photos: list[bytes], arguments: Namespace) -> Rows:
    if not arguments.swaps:
        return []
    with tempfile.TemporaryDirectory() as folder:
        seen: Swaps = swap_under_load(
            model, Path(folder), photos, arguments.swaps, arguments.clients
        )
    times = seen.run.times()
    failed = len(seen.run.answers) - len(times)
    done = statistics.median(seen.seconds)
    return [
        [f"requests failed during {len(seen.seconds)} model swaps", _of(failed, seen.run), "0"],
        ["publication to the first answer of the new version", f"{done:.2f} s (median)", ""],
        ["p99 of a request meanwhile", milliseconds(percentile(times, 99)), ""],
    ]


def _stopped(model: Path, photos: list[bytes], arguments: Namespace) -> Rows:
    stops: list[Stop] = []
    for number in range(arguments.stops):
        stops.append(stop_under_load(model, photos, arguments.clients))
        tell(f"stop {number + 1}: {stops[-1]}")
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


def _of(failed: int, seen: Run) -> str:
    bad = {status: count for status, count in sorted(seen.statuses.items()) if status != OK}
    return f"{failed} of {len(seen.answers)}" + (f" {bad}" if bad else "")


if __name__ == "__main__":
    run(PROG, main)
