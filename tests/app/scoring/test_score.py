"""The command, as users run it: what it reads, writes and says."""

import csv
import io
import os
import re
import zipfile
from pathlib import Path

import pytest
from pyarrow import parquet

from app.model.classifier import Classifier
from app.scoring.row import Row
from app.settings import Settings
from tests import pictures
from tests.app.scoring.conftest import DIGITS, LABELS, Score, read
from tests.conftest import Command, striped


def test_a_row_is_what_the_classifier_says(score: Score, folder: Path) -> None:
    rows = {row.path: row for row in score(folder)}
    classifier = Classifier.load(DIGITS)
    path = f"{LABELS[1]}/2.png"
    expected = classifier.predict((folder / path).read_bytes())
    assert rows[path].label == expected.label
    assert rows[path].probability == pytest.approx(expected.probability, abs=1e-6)


def test_each_photo_has_one_row_in_the_order_of_the_paths(score: Score, folder: Path) -> None:
    paths = [row.path for row in score(folder)]
    labelled = [
        f"{label}/{number}.png"
        for count, label in zip((3, 5, 7), LABELS, strict=True)
        for number in range(count)
    ]
    others = ["no-extension", r"deep/deeper/Ünï \n line.PNG", "deep/broken.png", "deep/empty.jpg"]
    assert paths == sorted([*labelled, *others, "deep/text.jpg"])


def test_photos_that_cannot_be_used_have_their_problem(score: Score, folder: Path) -> None:
    (folder / "deep" / "huge.png").write_bytes(pictures.png_claiming(20_000, 20_000))
    os.truncate(folder / "deep" / "empty.jpg", Settings().max_bytes + 1)
    (folder / "gone.png").symlink_to("nowhere")
    os.mkfifo(folder / "pipe.png")
    found = {row.path: row for row in score(folder) if row.problem}
    assert {path: row.problem for path, row in found.items()} == {
        "deep/broken.png": "broken-photo",
        "deep/empty.jpg": "too-many-bytes",
        "deep/huge.png": "too-many-pixels",
        "deep/text.jpg": "unsupported-format",
        "gone.png": "unreadable",
        "pipe.png": "unreadable",
    }
    assert all(row.detail and row.label is None for row in found.values())


def test_the_summary_counts_and_compares_with_the_folders(
    run_here: Command, folder: Path, tmp_path: Path
) -> None:
    done = run_here("app.score", folder, "--output", tmp_path / "o.jsonl", "--model", DIGITS)
    rows = read(tmp_path / "o.jsonl")
    labelled = [row for row in rows if row.path.split("/")[0] in LABELS]
    right = sum(row.path.split("/")[0] == row.label for row in labelled)
    lines = done.stdout.splitlines()
    assert lines[0] == "20 photos, 17 of them with a label"
    assert sorted(lines[1].removeprefix("problems: ").split(", ")) == [
        "1 broken-photo", "1 empty-photo", "1 unsupported-format",
    ]  # fmt: skip
    assert lines[2].startswith(f"accuracy: {100 * right / 15:.2f} %, {right} of 15 photos")
    assert re.fullmatch(rf"wrote {tmp_path}/o\.jsonl \([0-9.]+ photos a second\)", lines[3])


def test_decisions_are_in_the_rows(score: Score, folder: Path) -> None:
    model = DIGITS.parent / "2"
    rows = score(folder, "--model", model, model=False)
    strict = score(folder, "--model", model, "--min-familiarity", 1, model=False)
    assert {row.decision for row in rows if row.label} <= {"accept", "unsure", "unknown"}
    assert {row.decision for row in strict if row.label} == {"unknown"}


@pytest.mark.parametrize("workers", [1, 3])
def test_the_number_of_workers_changes_nothing(score: Score, folder: Path, workers: int) -> None:
    assert rounded(score(folder, "--workers", workers, "--concurrency", 2)) == rounded(
        score(folder)
    )


def test_a_zip_has_the_rows_of_its_folder(score: Score, folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*"), reverse=True):
            archive.write(path, path.relative_to(folder))
    assert rounded(score(tmp_path / "photos.zip")) == rounded(score(folder))


def test_damaged_entries_of_a_zip_are_rows(score: Score, tmp_path: Path) -> None:
    photo = pictures.encode(pictures.grey(striped(0, 1)))
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo("packed.png"), photo, zipfile.ZIP_LZMA)
        archive.writestr("damaged.png", photo)
        archive.writestr("good.png", photo + b"end")
    data = bytearray(path.read_bytes())
    data[data.index(b"damaged.png") + 60] ^= 1
    path.write_bytes(data)
    rows = {row.path: row for row in score(path)}
    assert {name: row.problem for name, row in rows.items()} == {
        "damaged.png": "unreadable", "good.png": None, "packed.png": "unreadable",
    }  # fmt: skip
    assert "damaged" in str(rows["damaged.png"].detail)


def test_a_list_names_each_photo_once_in_its_order(
    score: Score, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [f"{folder}/7/2.png", f"{folder}/3/0.png", f"{folder}/missing.png"]
    text = "\n".join([wanted[0], "", *wanted, wanted[1]])
    (tmp_path / "list.txt").write_text(text)
    rows = score(tmp_path / "list.txt")
    assert [row.path for row in rows] == wanted
    assert [row.problem for row in rows] == [None, None, "unreadable"]
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert rounded(score("-")) == rounded(rows)


def test_parts_have_every_photo_once(score: Score, folder: Path) -> None:
    parts = [score(folder, "--shard", f"{index}/3") for index in (1, 2, 3)]
    together = sorted(row for part in parts for row in rounded(part))
    assert together == sorted(rounded(score(folder)))


def test_a_part_without_photos_is_an_empty_table(score: Score, folder: Path) -> None:
    assert any(not score(folder, "--shard", f"{index}/90") for index in range(1, 91))


def test_a_list_may_begin_with_the_mark_of_an_editor(
    score: Score, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_text(f"{folder}/7/2.png\n", encoding="utf-8-sig")
    assert [row.problem for row in score(tmp_path / "list.txt")] == [None]


def test_a_part_keeps_its_photos_when_others_come(score: Score, folder: Path) -> None:
    before = {row.path for row in score(folder, "--shard", "1/2")}
    (folder / "0" / "00-first.png").write_bytes((folder / "0" / "0.png").read_bytes())
    after = {row.path for row in score(folder, "--shard", "1/2")}
    assert before <= after


def test_all_formats_have_the_same_rows(
    run_here: Command, folder: Path, odd: str, tmp_path: Path
) -> None:
    (folder / "deep" / "deeper" / "\r.png").write_bytes((folder / odd).read_bytes())
    for form in ("csv", "jsonl", "parquet"):
        done = run_here(
            "app.score", folder, "--output", tmp_path / f"o.{form}", "--model", DIGITS
        )  # fmt: skip
        assert not done.returncode, done.stderr
    rows = read(tmp_path / "o.jsonl")
    paths = {row.path for row in rows}
    assert {r"deep/\xff\xfe.png", r"deep/deeper/Ünï \n line.PNG", "deep/deeper/\\r.png"} <= paths
    with open(tmp_path / "o.csv", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    for row, line in zip(rows, table, strict=True):
        expected = {
            name: "" if value is None else str(value) for name, value in row._asdict().items()
        }
        assert line == expected
    assert parquet.read_table(tmp_path / "o.parquet").to_pylist() == [r._asdict() for r in rows]


def rounded(rows: list[Row]) -> list[Row]:
    """The rows with probabilities that may differ in the last digits by the photos beside them."""
    return [row._replace(probability=row.probability and round(row.probability, 5)) for row in rows]
