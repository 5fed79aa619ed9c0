"""The whole loop: serve, retrain in a container, be served by the new version, without a pause."""

import os
import shutil
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from app.model.version_folder import load_card
from tests import pictures
from tests.container.compose import Project, docker, until
from tests.container.trickle import Trickle
from tests.versions import DIGITS

pytestmark = [pytest.mark.container, pytest.mark.usefixtures("images")]

# Somebody who is neither root nor the service's user, if these tests may choose.
OWNER = (1234, 1234) if os.getuid() == 0 else (os.getuid(), os.getgid())


def written(digit: int, random: np.random.Generator) -> np.ndarray:
    """A digit in Pillow's own typeface, at another place and in another size each time."""
    picture = Image.new("L", (28, 28))
    place = tuple(random.integers(2, 9, 2).tolist())
    font = ImageFont.load_default(size=int(random.integers(17, 22)))
    ImageDraw.Draw(picture).text((place[0] + 2, place[1] - 3), str(digit), 255, font)
    noise = random.normal(0, 12, (28, 28))
    return np.asarray((np.asarray(picture) + noise).clip(0, 255), np.uint8)


def write_digits(path: Path, count: int) -> None:
    """A file as MNIST's with `count` digits to train on and a fifth as many to test on."""
    random = np.random.default_rng(0)
    labels = np.arange(count + count // 5) % 10
    digits = np.stack([written(int(label), random) for label in labels])
    np.savez(
        path, x_train=digits[:count], y_train=labels[:count],
        x_test=digits[count:], y_test=labels[count:],
    )  # fmt: skip


FIT = ("training.fit", "--recipe", "digits", "--data", "data/mnist.npz")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Folders as a user has them: theirs, with the digits' version 1 and a file of digits."""
    shutil.copytree(DIGITS, tmp_path / "models" / "digits" / "1")
    for name in ("data", "runs"):
        (tmp_path / name).mkdir()
    write_digits(tmp_path / "data" / "mnist.npz", 3000)
    for path in (tmp_path, *tmp_path.rglob("*")):
        os.chown(path, *OWNER)
    return Project(
        tmp_path / "project", MODELS_FOLDER=tmp_path / "models", DATA_FOLDER=tmp_path / "data",
        RUNS_FOLDER=tmp_path / "runs", TRAIN_USER=":".join(map(str, OWNER)),
        APP_MODEL="models/digits", APP_MODEL_POLL_SECONDS=1,
    )  # fmt: skip


def served(client: httpx.Client) -> int:
    return int(client.get("/readyz").json()["model"]["version"])


def train(project: Project, *words: str, check: bool = True) -> str:
    done = project.run("run", "--rm", "-T", "train", *words, check=check)
    return done.stdout + done.stderr


def test_a_retrained_model_is_served_and_no_request_fails(project: Project, tmp_path: Path) -> None:
    seven = pictures.encode(pictures.grey(written(7, np.random.default_rng(7))))
    with project.up() as client, Trickle(project.address, seven) as trickle:
        assert client.post("/predict", files={"file": seven}).json()["model"]["version"] == 1
        began = time.monotonic()
        assert "published models/digits/2" in train(project, *FIT)
        trained = time.monotonic()
        until(lambda: served(client) == 2, project.logs)
        swapped = time.monotonic()
        after = client.post("/predict", files={"file": seven}).json()
        time.sleep(2)
    print(f"\ntrained and published in {trained - began:.1f} s, served {swapped - trained:.1f} s")
    print(f"later; requests meanwhile: {dict(trickle.outcomes)}, versions 1 to 2")
    assert set(trickle.outcomes) == {"200"}
    assert trickle.versions == sorted(trickle.versions)
    assert set(trickle.versions) == {1, 2}
    assert (after["model"]["version"], after["label"]) == (2, "7")
    check_published(tmp_path / "models" / "digits" / "2")


def check_published(version: Path) -> None:
    """It has learned, it is whole, and it belongs to the user who had it trained."""
    card = load_card(version)
    assert card.metrics["test_accuracy"].value > 0.9
    for path in (version, *version.iterdir()):
        assert (path.stat().st_uid, path.stat().st_gid) == OWNER
    assert sorted(entry.name for entry in version.parent.iterdir()) == ["1", "2"]


def test_a_stopped_training_goes_on_where_it_was(project: Project, tmp_path: Path) -> None:
    name = f"{tmp_path.name}-stopped".replace("_", "-")
    run, words = tmp_path / "runs" / "digits", (*FIT, "--epochs", "8")
    project.run("run", "--detach", "--name", name, "train", *words)
    try:
        # Within the second epoch, when the checkpoint of the first is whole.
        until(lambda: any(run.glob("epoch-*")), lambda: docker("logs", name).stdout, 120)
        docker("stop", "--time", "60", name)
        assert docker("inspect", "-f", "{{.State.ExitCode}}", name).stdout.strip() == "130"
        assert "Traceback" not in docker("logs", name).stderr
    finally:
        docker("rm", "--force", name)
    assert not (tmp_path / "models" / "digits" / "2").exists()
    done = train(project, *words, "--resume")
    assert "digits: recipe digits, 0 of 8" not in done
    assert "published models/digits/2" in done


def test_without_data_it_says_what_to_do_and_exits_2(project: Project) -> None:
    assert "python -m training.split SOURCE" in train(project, check=False)


def test_a_folder_that_is_not_there_is_not_made_by_root(project: Project, tmp_path: Path) -> None:
    (tmp_path / "runs").rmdir()
    assert "does not exist" in train(project, "training.fit", "--help", check=False)
    assert not (tmp_path / "runs").exists()
