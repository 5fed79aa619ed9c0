"""A scoring that is killed goes on with the same command: every photo has one row in the end."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli import CommandError
from app.scoring.journal import Job, Journal, partial_path
from app.scoring.row import Row
from tests import pictures
from tests.app.scoring.conftest import DIGITS, Score, read, scoring
from tests.conftest import ROOT, Command, striped

JOB = Job("/photos", "1/1", "digits", 1, {"error": None, "engine": "litert-float"})


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A list of 3,000 paths of 50 photos and a broken one."""
    folder = tmp_path_factory.mktemp("many")
    for number in range(50):
        data = pictures.encode(pictures.grey(striped(number % 3, number, 200)))
        (folder / f"{number}.png").write_bytes(data)
    (folder / "broken.png").write_bytes(b"broken")
    names = [*(f"{number}.png" for number in range(49, -1, -1)), "broken.png"]
    # The same file by many paths: a/../, b/../, ...
    for word in range(60):
        (folder / f"f{word}").mkdir()
    lines = [f"{folder}/f{word}/../{name}" for word in range(60) for name in names]
    (folder / "list.txt").write_text("\n".join(lines[:3000]))
    return folder / "list.txt"


def test_killed_at_random_it_has_each_photo_once(many: Path, tmp_path: Path) -> None:
    output = tmp_path / "rows.jsonl"
    places = sorted(random.Random(3).sample(range(1, 2500), 3))
    for rows in places:
        with scoring(many, output, rows) as process:
            process.kill()
        assert not output.exists()
    done = subprocess.run(
        [sys.executable, "-m", "app.score", str(many), "--output", str(output), "--model", DIGITS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "photos were scored before" in done.stderr
    assert [row.path for row in read(output)] == many.read_text().splitlines()
    assert {row.problem for row in read(output)} == {None, "unsupported-format"}
    assert os.listdir(tmp_path) == ["rows.jsonl"]


def test_the_end_of_a_service_manager_ends_it_in_one_line(many: Path, tmp_path: Path) -> None:
    output = tmp_path / "rows.csv"
    with scoring(many, output, 10) as process:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 143
    assert errors.splitlines()[-1].endswith("interrupted; run the same command again to continue")
    assert "Traceback" not in errors


def test_a_second_one_for_the_same_output_is_refused(
    many: Path, tmp_path: Path, run_here: Command
) -> None:
    output = tmp_path / "rows.csv"
    with scoring(many, output, 1) as process:
        process.send_signal(signal.SIGSTOP)
        done = run_here("app.score", many, "--output", output, "--model", DIGITS)
    assert done.returncode == 2
    assert "another app.score is writing it" in done.stderr


@pytest.mark.parametrize("torn", [b'{"path":"c.p', b"\x00" * 50, b'{"path":"c.png"}', b"[]\n"])
def test_half_a_row_is_dropped(tmp_path: Path, torn: bytes) -> None:
    output = tmp_path / "rows.csv"
    journal = Journal(output, JOB)
    journal.add(Row("b\udcff.png", "1", 0.5))
    journal.add(Row("a.png", problem="broken-photo", detail="x"))
    journal.close()
    with journal.path.open("ab") as file:
        file.write(torn)
    again = Journal(output, JOB)
    assert again.done == {"b\udcff.png", "a.png"}
    again.add(Row("c.png", "0", 1.0))
    wanted = ["b\udcff.png", "c.png", "a.png"]
    assert [row.path for row in again.rows(wanted)] == ["b\udcff.png", "a.png", "c.png"]
    again.close()


def test_a_torn_first_line_begins_anew(tmp_path: Path) -> None:
    output = tmp_path / "rows.csv"
    (tmp_path / "rows.csv.partial").write_bytes(b'{"source":"pho')
    journal = Journal(output, JOB)
    journal.add(Row("a.png", "1", 0.5))
    assert [row.path for row in journal.rows({"a.png"})] == ["a.png"]
    journal.close()


def test_rows_of_another_job_are_not_mixed_in(tmp_path: Path) -> None:
    output = tmp_path / "rows.csv"
    Journal(output, JOB).close()
    other = Job("/photos", "1/1", "digits", 2, {"error": 0.01, "engine": "litert-float"})
    with pytest.raises(CommandError, match=r"version 1 and not 2, error None and not 0\.01"):
        Journal(output, other)
    Journal(output, JOB).close()  # the lock is free again


def test_a_file_that_is_no_journal_is_kept(tmp_path: Path) -> None:
    partial = tmp_path / "rows.csv.partial"
    partial.write_bytes(b"a letter\nto a friend\n")
    with pytest.raises(CommandError, match="was not written by"):
        Journal(tmp_path / "rows.csv", JOB)
    assert partial.read_bytes() == b"a letter\nto a friend\n"


def test_restart_drops_the_rows(score: Score, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "rows-0.jsonl"  # the first name that `score` uses
    output.write_text("old")
    Journal(output, JOB).close()
    assert len(score(folder, "--restart")) == 20


def test_restart_leaves_a_running_one_alone(many: Path, tmp_path: Path, run_here: Command) -> None:
    output = tmp_path / "rows.jsonl"
    with scoring(many, output, 50) as process:
        done = run_here("app.score", many, "--output", output, "--model", DIGITS, "--restart")
        assert process.wait(120) == 0
    assert done.returncode == 2
    assert "another app.score is writing it" in done.stderr
    assert [row.path for row in read(output)] == many.read_text().splitlines()


def test_rows_of_photos_that_are_gone_are_left_out(
    folder: Path, tmp_path: Path, run_here: Command
) -> None:
    output = tmp_path / "rows.jsonl"
    with scoring(folder, output, 5) as process:
        process.kill()
    first = json.loads(partial_path(output).read_bytes().splitlines()[1])["path"]
    (folder / first).unlink()
    (folder / "new.png").write_bytes((folder / "7" / "0.png").read_bytes())
    done = run_here("app.score", folder, "--output", output, "--model", DIGITS)
    assert not done.returncode, done.stderr
    found = [row.path for row in read(output)]
    assert first not in found
    assert "new.png" in found
    assert len(found) == len(set(found)) == 20


@pytest.mark.parametrize(
    ("variable", "value"), [("APP_MAX_PIXELS", "4000"), ("APP_FORMATS", "PNG"), ("APP_ERROR", ".2")]
)
def test_rows_of_other_settings_are_not_mixed_in(
    variable: str,
    value: str,
    folder: Path,
    tmp_path: Path,
    run_here: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output = tmp_path / "rows.jsonl"
    with scoring(folder, output, 3) as process:
        process.kill()
    monkeypatch.setenv(variable, value)
    done = run_here("app.score", folder, "--output", output, "--model", DIGITS)
    assert done.returncode == 2
    assert variable.removeprefix("APP_").lower() in done.stderr


def test_the_engine_of_the_first_start_goes_on(
    folder: Path, tmp_path: Path, run_here: Command
) -> None:
    output = tmp_path / "rows.jsonl"
    model = ("--model", DIGITS.parent / "2")  # has a network in int8, too
    for engine in ("litert-int8", "litert-float"):
        with scoring(folder, output, 3, *model, "--engine", engine) as process:
            process.kill()
        done = run_here("app.score", folder, "--output", output, *model)
        assert not done.returncode, done.stderr
        assert f"note: digits 2 with {engine} " in done.stderr
        output.unlink()
