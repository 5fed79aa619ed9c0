"""What the tests of scoring share: a folder of photos and of what is none, and the command."""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.scoring.row import Row
from tests import pictures
from tests.conftest import ROOT, Command, striped, write_classes

DIGITS = ROOT / "models" / "digits" / "1"
LABELS = ("7", "3", "0")  # labels of the digits model, with other numbers of photos


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    """The command, run in this process, directs the log to the standard error of the moment."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Photos in folders with the names of labels, one without, and files that need care."""
    base = tmp_path / "photos"
    for number, label in enumerate(LABELS):
        write_classes(base, 3 + 2 * number, (label,))
    photo = pictures.encode(pictures.grey(striped(1, 99)))
    (base / "deep" / "deeper").mkdir(parents=True)
    files = {
        "no-extension": photo,
        "deep/deeper/Ünï \n line.PNG": photo,
        "deep/broken.png": photo[:100],
        "deep/empty.jpg": b"",
        "deep/text.jpg": b"no photo at all",
        "notes.txt": b"not to be scored",
        ".hidden.png": photo,
        "@eaDir/thumb.png": photo,
    }
    (base / "@eaDir").mkdir()
    for name, content in files.items():
        (base / name).write_bytes(content)
    return base


@pytest.fixture
def odd(folder: Path) -> str:
    """The path of a photo whose name is not UTF-8, in the folder."""
    name = os.fsdecode(b"deep/\xff\xfe.png")
    try:
        (folder / name).write_bytes(pictures.encode(pictures.grey(striped(2, 98))))
    except OSError:
        pytest.skip("this file system has only names in UTF-8")
    return name


Score = Callable[..., list[Row]]


@pytest.fixture
def score(run_here: Command, tmp_path: Path) -> Score:
    """Runs the command with the digits model, and returns the rows that it wrote."""
    numbers = iter(range(100))

    def run(*words: object, model: bool = True) -> list[Row]:
        output = tmp_path / f"rows-{next(numbers)}.jsonl"
        given = ("--model", DIGITS) if model else ()
        done = run_here("app.score", *words, "--output", output, *given)
        assert not done.returncode, done.stderr
        assert not output.with_name(output.name + ".partial").exists()
        return read(output)

    return run


@contextmanager
def scoring(
    source: Path, output: Path, rows: int, *words: object
) -> Iterator["subprocess.Popen[str]"]:
    """The command as a process of its own, from when it has written so many rows."""
    given = words or ("--model", DIGITS)
    with subprocess.Popen(
        [sys.executable, "-m", "app.score", *map(str, (source, "--output", output, *given))],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            partial = output.with_name(output.name + ".partial")
            end = time.monotonic() + 120
            while not partial.exists() or partial.read_bytes().count(b"\n") <= rows:
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < end
                time.sleep(0.001)
            yield process
        finally:
            process.kill()


def read(path: Path) -> list[Row]:
    """The rows of a file of JSON lines."""
    return [Row(**json.loads(line)) for line in path.read_text().splitlines()]
