"""From the start to the end of a container, and what may happen to it in between."""

import shutil
import time
from datetime import datetime
from pathlib import Path

import pytest

from tests import pictures
from tests.container.compose import Project, until
from tests.container.conftest import size
from tests.versions import DIGITS, damage, publish, repair

pytestmark = [pytest.mark.container, pytest.mark.usefixtures("images")]

PHOTO = pictures.encode(pictures.noise(1, 300, 200), "JPEG")


def moment(text: str) -> datetime:
    """Docker's time, which has nanoseconds or none."""
    return datetime.fromisoformat(text.split(".")[0].rstrip("Z") + text[19:26].rstrip("Z"))


def test_from_nothing_to_an_answer(tmp_path: Path) -> None:
    """As a user starts it, with nothing set; the figures are for the reader."""
    project = Project(tmp_path)
    began = time.monotonic()
    with project.up() as client:
        healthy = time.monotonic()
        answer = client.post("/predict", files={"file": PHOTO})
        answered = time.monotonic()
        assert answer.status_code == 200, answer.text
        state = project.state()
    first = next(probe for probe in state["Health"]["Log"] if probe["ExitCode"] == 0)
    started = (moment(first["End"][:26]) - moment(state["StartedAt"][:26])).total_seconds()
    print(f"\ndocker compose up --wait: {healthy - began:.1f} s, image {size('cpu')}")
    print(f"container's start to healthy: {started:.1f} s")
    print(f"first photo: {answered - healthy:.2f} s, {answer.json()}")


def test_stop_ends_it_in_good_order(tmp_path: Path) -> None:
    project = Project(tmp_path)
    with project.up() as client:
        assert client.post("/predict", files={"file": PHOTO}).status_code == 200
        project.run("stop")
        state = project.state()
        log = project.logs()
    assert (state["Status"], state["ExitCode"], state["OOMKilled"]) == ("exited", 0, False)
    assert "draining" in log
    assert "Application shutdown complete" in log
    assert "Traceback" not in log


def test_it_is_started_again_when_it_has_ended(tmp_path: Path) -> None:
    project = Project(tmp_path)
    with project.up() as client:
        before = project.state()["StartedAt"]
        project.run("exec", "api", "sh", "-c", "kill -TERM 1")
        until(lambda: project.state()["StartedAt"] != before, project.logs)
        project.wait_for("healthy")
        assert project.inspect()["RestartCount"] == 1
        assert client.post("/predict", files={"file": PHOTO}).status_code == 200


def test_one_that_does_not_answer_is_unhealthy(tmp_path: Path) -> None:
    project = Project(tmp_path, quick=True)
    with project.up():
        project.run("kill", "--signal", "STOP", "api")
        project.wait_for("unhealthy")
        project.run("kill", "--signal", "CONT", "api")
        project.wait_for("healthy")


def test_the_probe_needs_no_key_and_no_host(tmp_path: Path) -> None:
    project = Project(tmp_path, APP_API_KEYS="a-key-that-opens-it", APP_TRUSTED_HOSTS="example.org")
    with project.up() as client:
        assert client.get("/model").status_code == 400


def models_of(folder: Path) -> Path:
    """A models folder with the digits' version 1 alone."""
    shutil.copytree(DIGITS, folder / "models" / "digits" / "1")
    return folder / "models"


def test_a_broken_model_folder(tmp_path: Path) -> None:
    """The running service goes on with what it has; a start is refused, until it is repaired."""
    models = models_of(tmp_path)
    project = Project(
        tmp_path / "project", MODELS_FOLDER=models, APP_MODEL="models/digits",
        APP_MODEL_POLL_SECONDS=1, quick=True,
    )  # fmt: skip
    with project.up() as client:
        broken = publish(models / "digits", 2, broken=True)
        until(lambda: bool(client.get("/readyz").json()["refused"]), project.logs)
        (refused,) = client.get("/readyz").json()["refused"]
        assert refused["version"] == "2"
        assert "model.tflite: its SHA-256 is" in refused["reason"]
        assert project.health() == "healthy"
        answer = client.post("/predict", files={"file": PHOTO}).json()
        assert answer["model"] == {"name": "digits", "version": 1}

        damage(models / "digits" / "1")
        project.run("restart", "--timeout", "5")
        project.wait_for("unhealthy")
        assert "model.tflite: its SHA-256 is" in project.logs()
        assert project.run("up", "--wait", "--no-build", check=False).returncode != 0

        shutil.rmtree(broken)
        repair(models / "digits" / "1")
        project.wait_for("healthy", seconds=120)  # by itself: Docker starts it ever again
        assert client.post("/predict", files={"file": PHOTO}).status_code == 200
