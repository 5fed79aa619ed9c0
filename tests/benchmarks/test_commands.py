"""The benchmarks' command lines: quick help, and one line for what cannot be done."""

import re

import pytest

from tests.conftest import Command

MODULES = ("serve", "limit", "latency", "overload", "soak", "lifecycle", "fuzz", "bombs")

# name -> (words, what the line must say)
BAD_COMMANDS: dict[str, tuple[str, str]] = {
    "serve with no rounds": ("serve --rounds 0", "invalid whole number from 1 value: '0'"),
    "serve for no time": ("serve --seconds 0", "invalid number above 0 value: '0'"),
    "serve with odd clients": ("serve --clients 1,x", "invalid list of numbers value: '1,x'"),
    "serve without a model": ("serve --model none", "none: no version of a model there"),
    "serve of nobody": ("serve --only nobody", "--only nobody: none of: FastAPI"),
    "serve under no Python": ("serve --peer-python none", "none: not a Python that runs"),
    "limit without a model": ("limit", "required: model"),
    "limit on no photos": ("limit models/digits --photos tests", "tests: no .jpg file in it"),
    "latency of nothing": ("latency --model none", "none: no version of a model there"),
    "overload with another body": ("overload --body json", "invalid choice: 'json'"),
    "overload without photos": ("overload --photos tests", "tests: no .jpg file in it"),
    "soak that settles too late": ("soak --requests 10 --settle 10", "fewer than --requests"),
    "lifecycle of nothing": ("lifecycle --starts 0 --swaps 0 --stops 0", "nothing to do"),
    "fuzz with a negative seed": ("fuzz --seed -1", "invalid whole number value: '-1'"),
    "bombs on no model": ("bombs --model none", "none: no version of a model there"),
}


@pytest.mark.parametrize("name", BAD_COMMANDS)
def test_a_bad_command_is_one_line_and_exit_2(command: Command, name: str) -> None:
    words, expected = BAD_COMMANDS[name]
    done = command(*f"benchmarks.{words}".split())
    errors = [line for line in done.stderr.splitlines() if ": error: " in line]
    assert done.returncode == 2, done.stderr
    assert len(errors) == 1
    assert expected in errors[0]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("module", MODULES)
def test_help_is_quick_and_complete(command: Command, module: str) -> None:
    done = command(f"benchmarks.{module}", "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: python -m benchmarks.{module}")
    assert done.stderr == ""


def test_soaking_shortly_counts_requests_and_reads_memory(command: Command) -> None:
    done = command("benchmarks.soak", "--requests", 200, "--settle", 100, "--clients", 2)
    assert done.returncode == 0, done.stderr
    assert "| requests, by status | 200: 200 | 200 only |" in done.stdout
    resident = re.search(r"resident after 200 \| ([\d.]+) MB", done.stdout)
    assert resident
    assert 20 < float(resident[1]) < 2000


def test_fuzzing_shortly_finds_no_failure(command: Command) -> None:
    done = command("benchmarks.fuzz", "--count", 60, "--warm", 28)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "60 damaged photos, 0 failures" in done.stdout
