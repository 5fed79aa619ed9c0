"""Wrong arguments give one line and exit code 2, and nothing is written."""

import zipfile
from pathlib import Path

import pytest

from tests.app.scoring.conftest import DIGITS
from tests.conftest import Command


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the files that the cases below name, in the current folder."""
    monkeypatch.chdir(tmp_path)
    assert folder == tmp_path / "photos"
    Path("empty").mkdir()
    Path("empty.txt").touch()
    Path("there.csv").write_text("mine")
    Path("folder.csv").mkdir()
    Path("cut.zip").write_bytes(b"PK\x03\x04 and so on")
    Path("two").write_text("one-secret\ntwo-secret\n")
    Path("binary.txt").write_bytes(b"\xff\x00\xfe" * 10)
    with zipfile.ZipFile("without.zip", "w") as archive:
        archive.writestr("notes.txt", "no photo")
    Path("damaged.zip").write_bytes(
        Path("without.zip").read_bytes().replace(b"PK\x01\x02", b"PKXX")
    )


CASES = {
    "nowhere --output o.csv": "nowhere: no such file or folder",
    "empty --output o.csv": "empty: no photos there",
    "empty.txt --output o.csv": "empty.txt: no photos there",
    "without.zip --output o.csv": "without.zip: no photos there",
    "damaged.zip --output o.csv": "damaged.zip: not a readable zip file",
    "photos --output o.txt": "the extension has to be one of .csv, .jsonl, .parquet",
    "photos --output there.csv": "there.csv exists already",
    "photos --output no/o.csv": "there is no folder no",
    "photos --output o.csv --shard 0/2": "'0/2' is not I/N",
    "photos --output o.csv --shard 3/2": "'3/2' is not I/N",
    "photos --output o.csv --concurrency 0": "--concurrency",
    "photos --output o.csv --error 0.7": "APP_ERROR=0.7",
    "photos --output o.csv --engine fast": "APP_ENGINE='fast'",
    "photos --output o.csv --model empty": "empty: no version of a model there",
    "photos --output o.csv --model-version 9": "no version 9",
    "photos --output photos": "the extension has to be one of",
    "photos --output folder.csv": "folder.csv: it is a folder",
    "photos --output folder.csv --restart": "folder.csv: it is a folder",
    "photos --output o.csv --patience 3": "--patience is for --url alone",
    "photos --output o.csv --error 0.01": "digits 1 has no thresholds",
    "photos/7/0.png --output o.csv": "photos/7/0.png: it is one photo: name its folder",
    "cut.zip --output o.csv": "cut.zip: it is a damaged or unfinished zip",
    "binary.txt --output o.csv": "binary.txt: cannot be read as a list (it is no text",
    "photos --output o.csv --url 127.0.0.1:9100": "--url: it is no address",
    "photos --output o.csv --url http://127.0.0.1:99999": "--url: it is no address",
    "photos --output o.csv --url http://me:secret@127.0.0.1:9": "--url http://127.0.0.1:9/: no",
    "photos --output o.csv --url http://127.0.0.1:9 --api-key-file two": "two: it has to hold one",
    "photos --output o.csv --url http://127.0.0.1:9 --api-key-file photos/7/0.png": "hold one key",
    "photos --output o.csv --url http://127.0.0.1:9 --workers 2": "--workers is not for --url",
    "photos --output o.csv --url http://127.0.0.1:9": "--url http://127.0.0.1:9/: no answer",
    "photos --output o.csv --url file:///etc": "--url: it is no address",
    "photos --output o.csv --url http://127.0.0.1:9 --api-key-file no": "no: No such file",
    "photos": "--output",
}


@pytest.mark.parametrize("words", CASES)
def test_wrong_arguments_are_one_line(words: str, run_here: Command, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    given = [] if "--model" in words or "--url" in words else ["--model", DIGITS]
    done = run_here("app.score", *words.split(), *given)
    assert done.returncode == 2
    last = [line for line in done.stderr.splitlines() if not line.startswith("INFO")]
    assert len(last) == 1, done.stderr
    assert last[0].startswith("python -m app.score: error: ")
    assert CASES[words] in last[0]
    assert "secret" not in done.stderr
    assert sorted(tmp_path.iterdir()) == before
    assert Path("there.csv").read_text() == "mine"
