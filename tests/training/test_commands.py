"""Every kind of bad command line that we could think of: one line, exit 2, nothing written."""

import shutil
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT, Command, write_classes

# name -> (words, what the line must say); {d} is a folder with a small data set and bad files.
BAD_COMMANDS: dict[str, tuple[str, str]] = {
    "split without a source": ("training.split", "give either SOURCE"),
    "split with both": ("training.split {d}/photos --download", "give either SOURCE"),
    "split of nothing": ("training.split {d}/none --output {d}/o", "no such folder or zip file"),
    "split of a text file": (
        "training.split {d}/notes.txt --output {d}/o",
        "not a readable zip file",
    ),
    "split of a folder without photos": (
        "training.split {d}/photos --output {d}/o",
        "no numbered photo in it",
    ),
    "split with a wrong range": ("training.split {d}/photos --train 10", "invalid range"),
    "split with a reversed range": ("training.split {d}/photos --test 9:3", "invalid range"),
    "split with overlapping ranges": ("training.split {d}/photos --test 5:3000", "overlap"),
    "split over an existing folder": (
        "training.split {d}/photos --output {d}/photos",
        "exists and is left alone",
    ),
    "split with an unknown option": ("training.split --colour red", "unrecognized arguments"),
    "download from nowhere": (
        "training.split --download --url http://127.0.0.1:9/x --archive {d}/x.zip --output {d}/o",
        "run the command again to go on",
    ),
    "download with a wrong size": (
        "training.split --download --size many",
        "invalid whole number from 1 value: 'many'",
    ),
    "fit with an unknown recipe": ("training.fit --recipe vgg", "invalid choice: 'vgg'"),
    "fit without data": ("training.fit --data {d}/none", "no such folder or .npz file"),
    "fit on one class": ("training.fit --data {d}/one --name x", "1 class folders found"),
    "fit without a name": ("training.fit --data {d}/photos", "give the new model a name"),
    "fit with a bad name": ("training.fit --data {d}/photos --name ../up", "--name '../up'"),
    "fit for no epochs": ("training.fit --epochs 0", "invalid whole number from 1 value: '0'"),
    "fit with a negative seed": ("training.fit --seed -1", "invalid whole number value: '-1'"),
    "fit that resumes nothing": (
        "training.fit --data {d}/photos --name x --runs {d}/runs --resume",
        "no run to resume",
    ),
    "fit resume and restart": ("training.fit --resume --restart", "not allowed with"),
    "fit on a broken npz": ("training.fit --recipe digits --data {d}/m.npz", "not an .npz file"),
    "fit on unreadable photos": (
        "training.fit --data {d}/unreadable --name x --runs {d}/runs2 --cache {d}/cache",
        "could be decoded",
    ),
    "fit where nothing can be written": (
        "training.fit --data {d}/photos --name x --models {d}/notes.txt/models",
        "is not a folder that can be written to",
    ),
    "fit where root has the right and yet no folder can be made": (
        "training.fit --data {d}/photos --name x --models /proc/models",
        "is not a folder that can be written to",
    ),
    "fit from weights that no recipe wants": (
        "training.fit --data {d}/photos --name x --weights {d}/notes.txt",
        "does not start from such a file",
    ),
    "fit from a backbone that is not there": (
        "training.fit --data {d}/photos --name x --backbone efficientnetv2-b0 --weights {d}/none",
        "no such file",
    ),
    "fit with an unknown backbone": ("training.fit --backbone vgg", "invalid choice: 'vgg'"),
    "fit for negative minutes": (
        "training.fit --minutes -1",
        "invalid number from 0 value: '-1'",
    ),
    "fit for endless minutes": ("training.fit --minutes inf", "invalid number from 0 value"),
    "fit a recipe without a backbone for minutes": (
        "training.fit --recipe residual --data {d}/photos --name x --minutes 3",
        "--minutes: the recipe residual starts without a backbone",
    ),
    "fit for huge photos": (
        "training.fit --data {d}/photos --name x --size 2000",
        "expected 96 to 320 pixels",
    ),
    "inspect without photos": ("training.inspect {d}/none", "no such folder"),
    "inspect over an existing folder": (
        "training.inspect {d}/photos --report {d}/photos",
        "exists already; name a new folder",
    ),
    "fit from weights that are not there": (
        "training.fit --recipe finetune --data {d}/photos --name x --weights {d}/none",
        "no such file",
    ),
    "evaluate without a model": ("training.evaluate {d}/none {d}/photos", "no version of a model"),
    "evaluate without photos": ("training.evaluate models/digits {d}/none", "no such folder"),
    "evaluate with other classes": (
        "training.evaluate models/digits {d}/photos",
        "know the classes x, y",
    ),
    "export of nothing": ("training.export {d}/none", "no version of a model"),
    "export of a file": ("training.export README.md", "expected a model folder"),
    "export without arguments": ("training.export", "required: model"),
    "evaluate without arguments": ("training.evaluate", "required: model, photos"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    write_classes(folder / "photos", 5, ("x", "y"))
    write_classes(folder / "one", 5, ("x",))
    write_classes(folder / "unreadable", 5, ("x", "y"))
    for number, path in enumerate((folder / "unreadable").rglob("*.png")):
        path.write_text(f"no photo {number}")
    (folder / "notes.txt").write_text("hello")
    (folder / "m.npz").write_text("hello")
    return folder


@pytest.fixture
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The commands' defaults are below it: models/, of which it has a copy, runs/ and data/."""
    shutil.copytree(ROOT / "models" / "digits", tmp_path / "models" / "digits")
    shutil.copy(ROOT / "README.md", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", BAD_COMMANDS)
def test_a_bad_command_is_one_line_and_exit_2(
    run_here: Command,
    working_folder: Path,
    folder: Path,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words, expected = BAD_COMMANDS[name]
    monkeypatch.setattr(time, "sleep", lambda _: None)  # before a download is tried again
    before = sorted(working_folder.rglob("*"))
    done = run_here(*words.format(d=folder).split())
    errors = [line for line in done.stderr.splitlines() if ": error: " in line]
    assert done.returncode == 2, done.stderr
    assert len(errors) == 1
    assert expected in errors[0]
    assert sorted(working_folder.rglob("*")) == before


@pytest.mark.parametrize(
    "name",
    [
        "split of nothing",
        "fit on one class",
        "fit that resumes nothing",
        "fit on unreadable photos",
        "evaluate without a model",
        "evaluate without photos",
        "evaluate with other classes",
        "export of nothing",
    ],
)
def test_so_it_is_as_a_process(command: Command, folder: Path, name: str) -> None:
    words, expected = BAD_COMMANDS[name]
    done = command(*words.format(d=folder).split())
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert expected in done.stderr
    assert "APP_" not in done.stderr


@pytest.mark.parametrize("module", ["split", "fit", "evaluate", "export"])
def test_help_is_quick_and_complete(command: Command, module: str) -> None:
    done = command(f"training.{module}", "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: python -m training.{module}")
    assert done.stderr == ""
