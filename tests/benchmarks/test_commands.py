"""The benchmarks' command lines: quick help, and one line for what cannot be done."""

import re

import pytest

from tests.conftest import ROOT, Command

MODULES = (
    *(
        f"benchmarks.serving.{name}"
        for name in (
            "serve",
            "limit",
            "latency",
            "overload",
            "soak",
            "lifecycle",
            "familiarity",
            "front",
            "score",
            "ray_serve",
        )
    ),
    "benchmarks.training.familiarity",
    "tests.fuzz.fuzz",
    "tests.fuzz.hostile_service",
)

# name -> (words, what the line must say)
BAD_COMMANDS: dict[str, tuple[str, str]] = {
    "serve with no rounds": (
        "benchmarks.serving.serve --rounds 0",
        "invalid whole number from 1 value: '0'",
    ),
    "serve for no time": (
        "benchmarks.serving.serve --seconds 0",
        "invalid number above 0 value: '0'",
    ),
    "serve with odd clients": (
        "benchmarks.serving.serve --clients 1,x",
        "invalid list of numbers value: '1,x'",
    ),
    "serve without a model": (
        "benchmarks.serving.serve --model none",
        "none: no version of a model there",
    ),
    "serve of nobody": (
        "benchmarks.serving.serve --only nobody",
        "--only nobody: none of: FastAPI",
    ),
    "serve under no Python": (
        "benchmarks.serving.serve --peer-python none",
        "none: not a Python that runs",
    ),
    "score without a model": (
        "benchmarks.serving.score --model none --rounds 1",
        "none: no version of a model there",
    ),
    "limit without a model": ("benchmarks.serving.limit", "required: model"),
    "limit on no photos": (
        "benchmarks.serving.limit models/digits --photos tests",
        "tests: no .jpg file in it",
    ),
    "latency of nothing": (
        "benchmarks.serving.latency --model none",
        "none: no version of a model there",
    ),
    "front of nothing": (
        "benchmarks.serving.front --model none",
        "none: no version of a model there",
    ),
    "Ray Serve with nothing": (
        "benchmarks.serving.ray_serve --model none",
        "none: no version of a model there",
    ),
    "overload with another body": (
        "benchmarks.serving.overload --body json",
        "invalid choice: 'json'",
    ),
    "overload without photos": (
        "benchmarks.serving.overload --photos tests",
        "tests: no .jpg file in it",
    ),
    "soak that settles too late": (
        "benchmarks.serving.soak --requests 10 --settle 10",
        "fewer than --requests",
    ),
    "lifecycle of nothing": (
        "benchmarks.serving.lifecycle --starts 0 --swaps 0 --stops 0",
        "nothing to do",
    ),
    "familiarity of nothing": (
        "benchmarks.serving.familiarity none",
        "none: no version of a model there",
    ),
    "the cost of no familiarity": (
        "benchmarks.serving.familiarity models/cats-vs-dogs/1",
        "models/cats-vs-dogs/1 does not measure familiarity; train it again.",
    ),
    "scores of no familiarity": (
        "benchmarks.training.familiarity models/cats-vs-dogs/1 data --foreign tests",
        "models/cats-vs-dogs/1 does not measure familiarity; train it again.",
    ),
    "scores with an odd range": (
        "benchmarks.training.familiarity models/digits data --foreign tests --near wolves",
        "invalid range of WordNet ids value: 'wolves'",
    ),
    "fuzz with a negative seed": ("tests.fuzz.fuzz --seed -1", "invalid whole number value: '-1'"),
    "hostile files on no model": (
        "tests.fuzz.hostile_service --model none",
        "none: no version of a model there",
    ),
    "hostile files of no name": (
        "tests.fuzz.hostile_service --only nobody",
        "--only nobody: no hostile file has such a name. Expected a part of one of: jpeg-scans",
    ),
    "hostile files never": (
        "tests.fuzz.hostile_service --times 1,0",
        "invalid list of numbers value: '1,0'",
    ),
}


@pytest.mark.parametrize("name", BAD_COMMANDS)
def test_a_bad_command_is_one_line_and_exit_2(
    run_here: Command, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(ROOT)
    words, expected = BAD_COMMANDS[name]
    done = run_here(*words.split())
    errors = [line for line in done.stderr.splitlines() if ": error: " in line]
    assert done.returncode == 2, done.stderr
    assert len(errors) == 1
    assert expected in errors[0]


def test_so_it_is_as_a_process(command: Command) -> None:
    words, expected = BAD_COMMANDS["latency of nothing"]
    done = command(*words.split())
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert expected in done.stderr


@pytest.mark.parametrize("module", MODULES)
def test_help_is_quick_and_complete(command: Command, module: str) -> None:
    done = command(module, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: python -m {module}")
    assert done.stderr == ""


def test_soaking_shortly_counts_requests_and_reads_memory(command: Command) -> None:
    done = command("benchmarks.serving.soak", "--requests", 200, "--settle", 100, "--clients", 2)
    assert done.returncode == 0, done.stderr
    assert "| requests, by status | 200: 200 | 200 only |" in done.stdout
    memory = re.search(r"memory after 200 \| ([\d.]+) MB", done.stdout)
    assert memory
    assert 20 < float(memory[1]) < 2000


def test_fuzzing_shortly_finds_no_failure(command: Command) -> None:
    done = command("tests.fuzz.fuzz", "--count", 60, "--warm", 28)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "60 damaged photos, 0 failures" in done.stdout
