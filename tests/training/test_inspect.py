"""The command that looks at a data set: its table, its JSON and its page."""

import json
import shutil
from pathlib import Path

import pytest

from tests import pictures
from tests.conftest import Command, write_classes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes; one photo is in both, one is of the other class, and one is broken."""
    path = write_classes(tmp_path_factory.mktemp("inspected") / "d", 30, ("down", "level"), 64)
    shutil.copy(path / "down" / "3.png", path / "level" / "copy <b>.png")
    (path / "level" / "noise.png").write_bytes(pictures.encode(pictures.noise(1, 64, 64)))
    (path / "level" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    return path


def test_the_findings_are_a_table_json_and_a_page(
    folder: Path, tmp_path: Path, run_here: Command
) -> None:
    report = tmp_path / "report"
    words = ["--cache", tmp_path / "cache", "--size", 96]
    done = run_here("training.inspect", folder, "--report", report, *words)
    assert done.returncode == 0, done.stderr
    assert "62 photos of 2 classes: down 30, level 32" in done.stdout
    assert "near duplicates across classes or subsets" in done.stdout
    assert "copy <b>.png" in done.stdout
    assert "level/broken.png" in done.stdout
    found = json.loads((report / "findings.json").read_text())
    pairs = [{name.partition("/")[2] for name in p["photos"]} for p in found["near_duplicates"]]
    assert {"down/3.png", "level/copy <b>.png"} in pairs
    assert {row["source"] for row in found["shortcuts"]} == {"file size", "shape", "border"}
    assert any("copy <b>.png" in row["photo"] for row in found["mislabels"])
    page = (report / "photos.html").read_text()
    assert "copy &lt;b&gt;.png" in page
    assert "<b>" not in page
    assert page.count("data:image/jpeg;base64,") >= 3
    again = run_here("training.inspect", folder, "--report", report, *words)
    assert (again.returncode, "it exists already" in again.stderr) == (2, True)


def test_a_missing_folder_is_one_line(tmp_path: Path, run_here: Command) -> None:
    done = run_here("training.inspect", tmp_path / "none")
    assert done.returncode == 2
    assert "no such folder" in done.stderr
    assert done.stderr.count("\n") == 1
