"""What clients read about a refused version shows no part of a path."""

from pathlib import Path

import pytest

from app.model.card import ModelError
from app.model.redaction import without_paths
from app.model.version_folder import load_card

FOLDERS = [
    "/srv/models/pets/3",
    "/srv/my models (old)/our pets/3",
    "/home/jane doe/a, b: c/x.y/3",
    "/Müller & Söhne/[models]/3",
    "models/pets/3",
    "my models/pets/3",
    "../other place/pets/3",
    r"/a\1 b/pets/3",
]
MESSAGES = {
    "{folder}: cannot read card.json (No such file).": "3: cannot read card.json (No such file).",
    "{folder}/card.json: not a valid card: name: too short.": "card.json: not a valid card: "
    "name: too short.",
    "{folder}/model.tflite: LiteRT cannot load it (Could not open '{folder}/model.tflite').": (
        "model.tflite: LiteRT cannot load it (Could not open 'model.tflite')."
    ),
    "{parent}: no version there and/or no card.": "{name}: no version there and/or no card.",
}


@pytest.mark.parametrize("message", MESSAGES)
@pytest.mark.parametrize("folder", FOLDERS)
def test_the_known_paths_become_names(folder: str, message: str) -> None:
    path = Path(folder)
    text = message.format(folder=path, parent=path.parent)
    assert without_paths(text, path) == MESSAGES[message].replace("{name}", path.parent.name)


@pytest.mark.parametrize(
    "path",
    [
        "/usr/lib/python3.11/site-packages/keras/saving.py",
        "/opt/secret place/x",
        "/srv/secret place/x",
        "/srv/models/secret place/x",
        "/srv/models/pets/secret place/x",
        "/etc",
        "../other",
        "~/models",
        r"C:\Users\Jane Doe\models",
        "C:/models",
        r"\\server\share",
    ],
)
@pytest.mark.parametrize("form", ["{}", "'{}'", "({})", "file={}", "it says: {} is wrong"])
def test_a_message_with_another_path_is_hidden(path: str, form: str) -> None:
    shown = without_paths("3: " + form.format(path), Path("/srv/models/pets/3"))
    assert shown == "It cannot be loaded. The reason is in the log of the service."


def test_a_short_relative_path_changes_nothing_else() -> None:
    assert without_paths("3/a: (v13/b). Copy it.", Path("3")) == "a: (v13/b). Copy it."


def test_a_message_is_bounded() -> None:
    assert len(without_paths("3: " + "x" * 100_000, Path("/srv/models/pets/3"))) == 500


@pytest.mark.parametrize("relative", [False, True])
def test_a_link_and_a_relative_path_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relative: bool
) -> None:
    real = tmp_path / "a secret" / "real place" / "3"
    real.mkdir(parents=True)
    (tmp_path / "link here").symlink_to(real.parent)
    monkeypatch.chdir(tmp_path)
    base = Path() if relative else tmp_path
    for folder in (real, base / "link here" / "3"):
        with pytest.raises(ModelError) as caught:
            load_card(folder)
        for text in (str(caught.value), f"{real.resolve()}/card.json: broken"):
            shown = without_paths(text, folder)
            assert not {"secret", "place", "link", "here"} & set(shown.split("/")[0].split())
            assert "/" not in shown
