import subprocess
import sys
from dataclasses import replace

import pytest

from benchmarks.harness.load import BROKEN, OK, Answer, LoadResult
from tests.fuzz.memory_sampler import Usage, memory_sampler
from tests.fuzz.siege import Bounds, Outcome, Reply

BOUNDS = Bounds(own_seconds=10.5, honest_seconds=1, memory=100)
FINE = Outcome(
    [Reply(413, "too-expensive", 10.4), Reply(504, "deadline-passed", 10.5)],
    photos=LoadResult([Answer(OK, 0, 0.9)]),
    livez=LoadResult([Answer(OK, 0, 0.1)]),
    usage=Usage(peak=300),
    idle=200,
)


def load(status: int = OK, seconds: float = 0.1, unsent: int = 0) -> LoadResult:
    return LoadResult([Answer(OK, 0, 0.1), Answer(status, 0, seconds)], unsent=unsent)


def test_within_the_bounds() -> None:
    assert FINE.broken(BOUNDS) == []
    assert FINE.statuses == "1 x 413 too-expensive, 1 x 504 deadline-passed"


@pytest.mark.parametrize(
    ("outcome", "broken"),
    [
        (replace(FINE, replies=[Reply(500, "internal-error", 1)]), "answer 500"),
        (replace(FINE, replies=[Reply(503, "draining", 1)]), "answer 503"),
        (replace(FINE, replies=[Reply(BROKEN, "ReadError", 1)]), "answer missing"),
        (replace(FINE, replies=[Reply(OK, "", 10.6)]), "own answer after 10.6 s"),
        (replace(FINE, photos=load(504)), "1 photos failed"),
        (replace(FINE, photos=load(429)), "1 photos failed"),
        (replace(FINE, photos=load(BROKEN)), "1 photos failed"),
        (replace(FINE, photos=load(unsent=2)), "2 photos failed"),
        (replace(FINE, photos=load(seconds=1.1)), "1 photos late"),
        (replace(FINE, livez=load(503)), "1 /livez failed"),
        (replace(FINE, livez=load(seconds=1.1)), "1 /livez late"),
        (replace(FINE, usage=Usage(peak=301)), "0.0 MB over idle"),
    ],
)
def test_a_broken_bound_is_named(outcome: Outcome, broken: str) -> None:
    assert outcome.broken(BOUNDS) == [broken]


def test_memory_without_a_bound() -> None:
    assert replace(FINE, usage=Usage(peak=10**12)).broken(replace(BOUNDS, memory=None)) == []


# A process whose child takes 60 MB and ends, while the parent itself takes 30 MB.
PARENT = """
import subprocess, sys
sys.stdin.readline()
x = bytearray(30 * 2**20)
subprocess.run([sys.executable, "-c", "x = bytearray(60 * 2**20); import time; time.sleep(0.5)"])
print("done", flush=True)
sys.stdin.readline()
"""


def test_the_memory_of_all_processes_is_sampled() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        with memory_sampler(process.pid) as sampler:
            idle = sampler.read()
            process.stdin.write(b"\n")
            process.stdin.flush()
            assert process.stdout.readline() == b"done\n"
            usage = sampler.read()
        process.kill()
    assert idle.started == 0
    assert 90 * 2**20 < usage.peak - idle.now < 110 * 2**20
    assert 60 * 2**20 < usage.largest < 90 * 2**20
    assert usage.started == 1
    assert len(usage.highest) == 2
