"""The version folder: found, checked, and refused with one clear line."""

import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.model import version_folder as module
from app.model.card import (
    CARD,
    EXPLAIN,
    INT8,
    KERAS,
    LITERT,
    Card,
    Input,
    ModelError,
    ModelNotFound,
)
from app.model.golden import golden_pixels, matches
from app.model.version_folder import find_version, load_card, read_file, sha256, versions
from tests.versions import DIGITS

SIGMOID = {"activation": "sigmoid", "labels": ["cat", "dog"]}


def golden(*outputs: float) -> list[dict[str, Any]]:
    """A card's golden predictions."""
    return [{"seed": 7, "outputs": outputs}]


def reference(**members: Any) -> dict[str, Any]:
    """A card's reference: numbers are shares of labels, lists are quantiles."""
    shares = {name: value for name, value in members.items() if not isinstance(value, list)}
    quantiles = {name: value for name, value in members.items() if isinstance(value, list)}
    return {"photos": 4, "quantiles": quantiles, "label_shares": shares}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of a real version folder, to be damaged."""
    return Path(shutil.copytree(DIGITS, tmp_path / "digits" / "1"))


def edit(folder: Path, **changes: Any) -> None:
    card = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps(card | changes))


def test_a_published_folder_loads(stripes_model: Path) -> None:
    card = load_card(stripes_model)
    assert card.labels == ("down", "level", "slope")
    assert card.outputs == 3
    plots = {"training.png", "evaluation.png"}
    networks = {KERAS, LITERT, INT8, EXPLAIN}
    assert set(card.files) == networks | {"README.md", "training-photos.bin"} | plots
    assert {entry.name for entry in stripes_model.iterdir()} == {CARD, *card.files}


@pytest.mark.parametrize("name", [KERAS, LITERT, "README.md", "training.png"])
def test_a_changed_byte_is_refused(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(ModelError, match=f"{name}: its SHA-256 is .* changed after publishing"):
        load_card(folder)


@pytest.mark.parametrize("name", [KERAS, LITERT])
def test_a_missing_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelError, match=f"{name}: cannot be read"):
        load_card(folder)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"labels": ["cat"]}, "labels"),
        ({"labels": ["cat", "cat", "dog"]}, "a label stands there twice"),
        ({"activation": "sigmoid"}, "a sigmoid network has exactly two"),
        ({"activation": "linear"}, "activation"),
        ({"format": 2}, "format"),
        ({"version": 0}, "version"),
        ({"name": "../evil"}, "name"),
        ({"input": {"height": 0, "width": 1, "channels": 3}}, "input.height"),
        ({"files": {}}, "model.keras is not listed"),
        ({"files": {"../../etc/passwd": "0" * 64}}, "files"),
        ({"surprise": 1}, "surprise"),
        ({"reference": reference(cat=0.25, dog=0.75)}, "its label_shares are not those of"),
        ({"reference": reference(brightness=[1, math.nan, 3])}, "reference.quantiles.brightness"),
        ({"reference": reference(colour=[1, 2, 3])}, "reference.quantiles.colour"),
        ({"golden": golden(0.1, 0.2)}, "prediction 7 is not that of a softmax with 10 outputs"),
        ({"golden": golden(*[0.2] * 10)}, "prediction 7 is not that of a softmax"),
        ({"golden": golden(-0.5, 1.5, *[0] * 8)}, "prediction 7 is not that of a softmax"),
        ({"golden": golden(*[math.nan] * 10)}, "golden"),
        ({"golden": golden()}, "prediction 7 is not that of a softmax with 10 outputs"),
        (SIGMOID | {"golden": golden(0.5, 0.5)}, "not that of a sigmoid with 1 outputs"),
        (SIGMOID | {"golden": golden(1.5)}, "not that of a sigmoid with 1 outputs"),
    ],
)
def test_a_wrong_card_is_refused(folder: Path, changes: dict[str, Any], words: str) -> None:
    edit(folder, **changes)
    with pytest.raises(ModelError, match=words) as caught:
        load_card(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\xff"])
def test_a_card_that_is_no_card_is_refused(folder: Path, text: str) -> None:
    (folder / CARD).write_text(text, encoding="latin-1")
    with pytest.raises(ModelError, match="not a valid card"):
        load_card(folder)


def test_the_newest_version_is_the_highest_number(folder: Path) -> None:
    base = folder.parent
    for name in ("2", "10", "9"):
        shutil.copytree(folder, base / name)
    for name in ("11.partial", ".12", "latest", "١٣"):
        shutil.copytree(folder, base / name)
    (base / "14").mkdir()  # without a card it is not there
    assert versions(base) == [1, 2, 9, 10]
    assert find_version(base) == base / "10"
    assert find_version(base, 9) == base / "9"
    assert find_version(base / "2") == base / "2"
    assert find_version(base / "2", 2) == base / "2"
    with pytest.raises(ModelError, match="no version 3"):
        find_version(base, 3)
    with pytest.raises(ModelError, match="not that of version 9"):
        find_version(base / "2", 9)


def test_a_folder_without_versions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"no version .* there \(expected .*cats-vs-dogs\.$"):
        find_version(tmp_path)
    with pytest.raises(ModelNotFound, match=r"no version .* there \(expected .*cats-vs-dogs\.$"):
        find_version(tmp_path / "nothing")


@pytest.mark.parametrize("name", ["model.h5", "model.keras", "model.pkl"])
def test_a_bare_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"anything")
    with pytest.raises(ModelError, match="expected a model folder"):
        find_version(tmp_path / name)


def test_golden_pixels_are_what_they_always_were() -> None:
    pixels = golden_pixels(2, Input(height=30, width=20, channels=3))
    assert pixels.shape == (30, 20, 3)
    assert pixels.dtype == np.uint8
    # By the formula, by hand: blocks of 6 rows and 8 columns, steps of 5, 3 and 62.
    assert pixels[0, 0].tolist() == [255, 255 - 62, 255 - 124]
    assert pixels[7, 0].tolist() == [35, 97, 159]
    assert (
        len(
            {
                golden_pixels(seed, Input(height=9, width=9, channels=1)).tobytes()
                for seed in range(4)
            }
        )
        == 4
    )


def test_matching_is_by_absolute_difference() -> None:
    assert matches((0.5, 0.5), np.array([0.5004, 0.4996], np.float32), 1e-3)
    assert not matches((0.5, 0.5), np.array([0.502, 0.498], np.float32), 1e-3)
    assert not matches((0.5,), np.array([0.5, 0.5], np.float32), 1e-3)
    assert not matches((2e9,), np.array([2e9 + 1]), 1e-3)
    assert not matches((float("nan"),), np.array([np.nan], np.float32), 1e-3)


def test_sha256_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2
    assert sha256(tmp_path / "abc") == expected


def test_a_folder_under_another_versions_number_is_refused(folder: Path) -> None:
    other = folder.rename(folder.with_name("7"))
    with pytest.raises(ModelError, match="its card is that of version 1"):
        load_card(other)


def test_each_message_is_one_line_that_says_what_to_do(folder: Path, tmp_path: Path) -> None:
    def message(call: Callable[[], object]) -> str:
        with pytest.raises(ModelError) as caught:
            call()
        return str(caught.value)

    nothing, file = tmp_path / "nothing", folder / LITERT
    nothing.mkdir()
    assert message(lambda: find_version(file)) == (
        f"{file}: expected a model folder with card.json in it, found a file. "
        "Only folders written by training.fit are served."
    )
    assert message(lambda: find_version(nothing, 3)) == (
        f"{nothing}: no version 3 of a model there (expected {nothing}/<number>/card.json). "
        "Name a folder that training.fit published, e.g. models/cats-vs-dogs."
    )
    assert message(lambda: load_card(nothing)) == (
        f"{nothing}/card.json: cannot be read (No such file or directory). "
        "Copy the whole version folder again."
    )
    file.write_bytes(b"abc")
    expected = json.loads((folder / CARD).read_text())["files"][LITERT]
    assert message(lambda: load_card(folder)) == (
        f"{file}: its SHA-256 is ba7816bf8f01..., the card says {expected[:12]}...: the file was "
        "changed after publishing. Copy the whole version folder again, or retrain."
    )
    file.unlink()
    assert message(lambda: load_card(folder)) == (
        f"{file}: cannot be read (No such file or directory). Copy the whole version folder again."
    )
    other = folder.rename(folder.with_name("7"))
    assert message(lambda: load_card(other)) == (
        f"{other}: its card is that of version 1. Publish the version with training.fit, or give "
        "the folder the number on its card."
    )
    (other / CARD).write_text("null")
    assert message(lambda: load_card(other)).startswith(
        f"{other}/card.json: not a valid card: the whole: "
    )


def make_odd(path: Path, kind: str, elsewhere: Path) -> None:
    """Put something else in a file's place, with the file's own content where it has any."""
    shutil.copy(path, elsewhere)
    path.unlink()
    if kind == "named pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "circle":
        path.symlink_to(path.name)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.symlink_to(elsewhere)


@pytest.mark.parametrize("kind", ["named pipe", "folder", "circle", "device", "link"])
@pytest.mark.parametrize("name", [CARD, LITERT, "training.png"])
def test_only_files_inside_the_folder_are_read(
    folder: Path, tmp_path: Path, name: str, kind: str
) -> None:
    make_odd(folder / name, kind, tmp_path / "elsewhere")
    with pytest.raises(ModelError) as caught:
        load_card(folder)
    message = str(caught.value)
    assert message.startswith(f"{folder / name}: ")
    assert ("cannot be read (" if kind == "circle" else "not a regular file inside") in message
    assert "\n" not in message


def test_a_link_to_a_file_inside_the_folder_is_followed(folder: Path) -> None:
    """Volumes of a container platform are folders of such links."""
    data = folder / "..data"
    data.mkdir()
    for name in (CARD, LITERT):
        (folder / name).rename(data / name)
        (folder / name).symlink_to(Path("..data") / name)
    assert load_card(folder).name == "digits"


def test_the_folder_itself_may_be_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "1"
    link.symlink_to(folder)
    assert load_card(link).version == 1


def test_a_card_has_a_longest_length(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = (folder / CARD).stat().st_size
    monkeypatch.setattr(module, "_LONGEST_CARD", size)
    assert load_card(folder).name == "digits"
    monkeypatch.setattr(module, "_LONGEST_CARD", size - 1)
    with pytest.raises(
        ModelError, match=rf"card\.json: not a valid card: longer than {size - 1:,} b"
    ):
        load_card(folder)


def test_a_card_without_an_end_is_not_read_to_its_end(folder: Path) -> None:
    with (folder / CARD).open("r+b") as file:
        file.truncate(1 << 40)  # takes no space on the disk
    with pytest.raises(ModelError, match="longer than 16,777,216 bytes"):
        load_card(folder)


def test_a_file_is_read_if_it_is_the_one_on_the_card(folder: Path) -> None:
    expected = load_card(folder).files[LITERT]
    assert read_file(folder / LITERT, expected) == (DIGITS / LITERT).read_bytes()
    with pytest.raises(ModelError, match=r"README\.md: its SHA-256 is .* changed after publishing"):
        read_file(folder / "README.md", expected)
    with pytest.raises(ModelError, match=r"none: cannot be read \(No such file or directory\)"):
        read_file(folder / "none", expected)


@pytest.mark.parametrize(
    ("taken", "given", "words"),
    [
        ((28, 28, 3), (10,), r"input has the shape \(28, 28, 3\), its card says \(28, 28, 1\)"),
        ((28, 28), (10,), r"input has the shape \(28, 28\)"),
        ((28, 28, 1), (1,), r"output has the shape \(1,\), its card says \(10,\)"),
        ((28, 28, 1), (), r"output has the shape \(\)"),
        ((28, 28, 1), (1, 10), r"output has the shape \(1, 10\)"),
    ],
)
def test_a_network_of_other_shapes_is_not_the_cards(
    taken: tuple[int, ...], given: tuple[int, ...], words: str
) -> None:
    card: Card = load_card(DIGITS)
    card.require_shapes(LITERT, (28, 28, 1), (10,))
    with pytest.raises(ModelError, match=rf"model\.tflite: the network's {words}"):
        card.require_shapes(LITERT, taken, given)
