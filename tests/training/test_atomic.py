"""Folders are complete or not there."""

import os
from pathlib import Path

import pytest

from app.cli import CommandError
from training.atomic import atomic_folder, write_text


def test_the_folder_appears_when_the_block_ends(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "a" / "b") as folder:
        (folder / "x").write_text("1")
        assert not (tmp_path / "a" / "b").exists()
    assert (tmp_path / "a" / "b" / "x").read_text() == "1"
    assert [entry.name for entry in (tmp_path / "a").iterdir()] == ["b"]


def test_an_exception_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with atomic_folder(tmp_path / "a") as folder:
            (folder / "x").write_text("1")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_stays_unless_replaced(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "a") as folder:
        (folder / "old").touch()
    with pytest.raises(CommandError, match="exists already"), atomic_folder(tmp_path / "a"):
        pass
    assert (tmp_path / "a" / "old").exists()
    with atomic_folder(tmp_path / "a", replace=True) as folder:
        (folder / "new").touch()
    assert [entry.name for entry in (tmp_path / "a").iterdir()] == ["new"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_leftovers_of_ended_processes_are_removed(tmp_path: Path) -> None:
    dead = os.fork()
    if dead == 0:
        os._exit(0)
    os.waitpid(dead, 0)
    alive = os.getppid()
    for process in (dead, alive, "x"):
        (tmp_path / f".a.partial-{process}").mkdir()
    with atomic_folder(tmp_path / "a"):
        pass
    assert {entry.name for entry in tmp_path.iterdir()} == {
        "a", f".a.partial-{alive}", ".a.partial-x",
    }  # fmt: skip


def test_text_is_replaced_atomically(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_text(path, "the old text, which is longer")
    with path.open() as reader:
        write_text(path, "the new one")
        assert reader.read() == "the old text, which is longer", "who reads it, reads all of it"
    assert path.read_text() == "the new one"
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]
