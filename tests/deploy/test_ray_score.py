"""Scoring on a Ray cluster of two nodes, while a process of each kind is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.scoring.row import Row
from benchmarks.harness.memory import process_tree
from tests import pictures
from tests.app.scoring.conftest import DIGITS, read
from tests.app.scoring.test_score import rounded
from tests.conftest import ROOT, Command, striped
from tests.deploy.ray_cluster import Cluster, command_line, kill_group, running_cluster, second_node

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """One node of one CPU."""
    with running_cluster(1) as running:
        yield running


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A list of 4,000 paths: photos of several sizes, a broken one, a name that is not UTF-8."""
    folder = tmp_path_factory.mktemp("photos")
    names = [f"{number}.png" for number in range(9)] + [os.fsdecode(b"\xff.png"), "broken.png"]
    for number, name in enumerate(names):
        data = pictures.encode(pictures.grey(striped(number % 3, number, 60 + 20 * number)))
        (folder / name).write_bytes(data[:200] if name == "broken.png" else data)
    lines = []
    for number in range(4000):
        parent = folder / f"f{number // len(names)}"
        parent.mkdir(exist_ok=True)
        lines.append(f"{parent}/../{names[number % len(names)]}")
    (folder / "list.txt").write_bytes(os.fsencode("\n".join(lines)))
    return folder / "list.txt"


def start(cluster: Cluster, photos: Path, output: Path) -> "subprocess.Popen[str]":
    """The command, on the cluster."""
    words = [photos, "--output", output, "--model", DIGITS, "--engine", "litert-float"]
    words += ["--address", f"127.0.0.1:{cluster.gcs}", "--actors", 2]
    return subprocess.Popen(
        [sys.executable, "-m", "deploy.ray.score", *map(str, words)],
        cwd=ROOT,
        env=os.environ | cluster.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(output: Path, rows: int, process: "subprocess.Popen[str]") -> None:
    """Wait until so many rows are written, and not all."""
    partial = output.with_name(output.name + ".partial")
    deadline = time.monotonic() + 120
    while not partial.exists() or partial.read_bytes().count(b"\n") <= rows:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def actors(of: int) -> list[int]:
    """The processes below another one that score."""
    return [pid for pid in process_tree(of) if "MapWorker" in command_line(pid)]


def sort(rows: list[Row]) -> list[Row]:
    return sorted(rounded(rows), key=lambda row: row.path)


def test_the_rows_are_those_of_app_score_whatever_is_killed(
    cluster: Cluster, photos: Path, tmp_path: Path, run_here: Command
) -> None:
    output, plain = tmp_path / "ray.jsonl", tmp_path / "plain.jsonl"
    with second_node(cluster) as node:
        with start(cluster, photos, output) as first:
            wait_for(output, 300, first)
            first.terminate()
            printed, _ = first.communicate(timeout=60)
            assert first.returncode == 143, printed
            assert "interrupted; run the same command again to continue" in printed
        with start(cluster, photos, output) as command:
            wait_for(output, 900, command)
            (actor,) = actors(cluster.pid)
            os.kill(actor, signal.SIGKILL)
            wait_for(output, 1800, command)
            assert actors(node.pid)
            kill_group(node)
            printed, _ = command.communicate(timeout=120)
            assert command.returncode == 0, printed
    done = run_here(
        "app.score", photos, "--output", plain, "--model", DIGITS, "--engine", "litert-float"
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "photos were scored before" in printed
    assert len(read(output)) == 4000
    assert sort(read(output)) == sort(read(plain))


def test_an_address_without_a_ray_is_one_line_at_once(photos: Path, tmp_path: Path) -> None:
    words = [photos, "--output", tmp_path / "o.csv", "--address", "127.0.0.1:9"]
    done = subprocess.run(
        [sys.executable, "-m", "deploy.ray.score", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(
        "python -m deploy.ray.score: error: --address 127.0.0.1:9: no Ray"
    )
    assert len(done.stderr.splitlines()) == 1
    assert os.listdir(tmp_path) == []
