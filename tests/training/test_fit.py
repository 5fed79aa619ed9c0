"""Training as a user runs it: published, killed, resumed, and refused when the command is bad."""

import csv
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from app.model.card import KERAS
from app.model.classifier import Classifier
from app.model.version_folder import load_card, versions
from tests.conftest import ROOT, Command, write_classes
from training.loop.checkpoint import RunFolder


def fit_words(data: Path, base: Path, *more: object) -> list[str]:
    words = [
        "training.fit", "--recipe", "digits", "--data", data, "--name", "stripes",
        "--models", base / "models", "--runs", base / "runs", *more,
    ]  # fmt: skip
    return [str(word) for word in words]


def test_the_card_describes_the_training(stripes_model: Path) -> None:
    card = load_card(stripes_model)
    assert (card.name, card.version, card.labels) == ("stripes", 1, ("down", "level", "slope"))
    assert card.recipe["name"] == "digits"
    assert card.recipe["epochs"] == 10
    assert card.recipe["seed"] == 0
    assert card.data["train"] == 318
    assert card.data["source"] == "stripes"
    assert card.metrics["test_accuracy"].samples == 66
    assert card.metrics["test_accuracy"].value > 0.9
    assert np.sum(card.confusion) == 66
    assert len(card.golden) == 4
    assert {"keras", "tensorflow", "numpy", "pillow", "python"} <= set(card.libraries)


def test_no_file_of_a_version_contains_a_local_path(stripes_model: Path) -> None:
    for path in stripes_model.iterdir():
        content = path.read_bytes()
        for folder in (str(ROOT), str(Path.home()), "/tmp/"):
            assert folder.encode() not in content, f"{folder} in {path.name}"


def test_the_saved_network_has_no_optimizer_state(stripes_model: Path) -> None:
    network = keras.saving.load_model(stripes_model / KERAS)
    assert getattr(network, "optimizer", None) is None
    size = (stripes_model / KERAS).stat().st_size
    assert size < 4 * network.count_params() * 1.2 + 40_000


def test_the_model_card_shows_the_figures(stripes_model: Path) -> None:
    text = (stripes_model / "README.md").read_text()
    card = load_card(stripes_model)
    assert "# stripes, version 1" in text
    assert f"{card.metrics['test_accuracy'].value:.4f}" in text
    assert "![Loss and accuracy by epoch](training.png)" in text
    assert (stripes_model / "training.png").read_bytes().startswith(b"\x89PNG")
    assert card.summary.splitlines()[3] in text


def test_the_run_folder_keeps_only_the_metrics(stripes_model: Path) -> None:
    run = stripes_model.parents[2] / "runs" / "stripes"
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == [str(epoch) for epoch in range(1, 11)]
    assert set(rows[0]) == {"epoch", "loss", "accuracy", "val_loss", "val_accuracy", "seconds"}
    assert [entry.name for entry in run.iterdir()] == ["metrics.csv"]


def test_the_kept_epoch_is_that_of_the_lowest_validation_loss(stripes_model: Path) -> None:
    run = stripes_model.parents[2] / "runs" / "stripes"
    with (run / "metrics.csv").open() as file:
        losses = [float(row["val_loss"]) for row in csv.DictReader(file)]
    card = load_card(stripes_model)
    assert card.recipe["kept_epoch"] == 1 + int(np.argmin(losses))
    assert card.metrics["validation_log_loss"].value == pytest.approx(min(losses), rel=1e-3)


@pytest.mark.usefixtures("converting_here")
def test_two_classes_make_a_sigmoid_and_the_next_version(tmp_path: Path, run_here: Command) -> None:
    data = write_classes(tmp_path / "two", 30, ("down", "level"))
    words = fit_words(data, tmp_path, "--epochs", 2)
    assert run_here(*words).returncode == 0
    first = {path.name: path.read_bytes() for path in (tmp_path / "models/stripes/1").iterdir()}
    done = run_here(*words)
    assert done.returncode == 0, done.stderr
    assert "published" in done.stdout
    base = tmp_path / "models" / "stripes"
    assert versions(base) == [1, 2]
    assert first == {path.name: path.read_bytes() for path in (base / "1").iterdir()}
    classifier = Classifier.load(base)
    assert (classifier.card.version, classifier.card.activation) == (2, "sigmoid")


def start(words: list[str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", *words], cwd=ROOT, stdout=output, stderr=output
        )


def wait_for(path: Path, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(1200):
        if path.exists():
            return
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    raise AssertionError(f"{path} did not appear\n{log.read_text()}")


def weights(folder: Path) -> list[np.ndarray]:
    network = keras.saving.load_model(folder / KERAS, compile=False)
    return [np.asarray(value) for value in network.get_weights()]


@pytest.fixture(scope="module")
def many_stripes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So many that there is time to stop a training within an epoch."""
    return write_classes(tmp_path_factory.mktemp("many") / "d", 600, ("down", "level", "slope"))


@pytest.fixture(scope="module")
def uninterrupted(
    tmp_path_factory: pytest.TempPathFactory, many_stripes: Path, command: Command
) -> Path:
    base = tmp_path_factory.mktemp("whole")
    done = command(*fit_words(many_stripes, base, "--epochs", 3))
    assert done.returncode == 0, done.stderr
    return base


@pytest.mark.usefixtures("converting_here")
@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_killed_training_resumes_to_the_same_result(
    tmp_path: Path, many_stripes: Path, uninterrupted: Path, run_here: Command, stop: signal.Signals
) -> None:
    data, whole, broken = many_stripes, uninterrupted, tmp_path / "broken"
    process = start(fit_words(data, broken, "--epochs", 3), tmp_path / "log")
    wait_for(broken / "runs/stripes/epoch-0001", process, tmp_path / "log")
    process.send_signal(stop)  # in epoch 2
    status = process.wait(timeout=60)
    log = (tmp_path / "log").read_text()
    assert "Traceback" not in log or stop == signal.SIGKILL
    assert status == (-stop if stop == signal.SIGKILL else 128 + stop)
    assert "with --resume goes on from the last checkpoint" in log or stop == signal.SIGKILL
    assert not (broken / "models").exists()

    again = run_here(*fit_words(data, broken, "--epochs", 3))
    assert again.returncode == 2
    assert "--resume goes on with it, --restart discards it" in again.stderr
    other = run_here(*fit_words(data, broken, "--epochs", 4, "--resume"))
    assert other.returncode == 2
    assert "the interrupted run has epochs 3, this command 4" in other.stderr
    resumed = run_here(*fit_words(data, broken, "--epochs", 3, "--resume"))
    assert resumed.returncode == 0, resumed.stderr
    assert "of 3 epochs done" in resumed.stdout

    for one, two in zip(
        weights(whole / "models/stripes/1"), weights(broken / "models/stripes/1"), strict=True
    ):
        assert np.abs(one - two).max() < 1e-5
    metrics = [load_card(base / "models/stripes/1").metrics for base in (whole, broken)]
    for name in metrics[0]:
        assert metrics[0][name].value == pytest.approx(metrics[1][name].value, abs=1e-4)


@pytest.mark.usefixtures("converting_here")
def test_killed_while_publishing_leaves_no_partial_version(
    tmp_path: Path, stripes: Path, run_here: Command
) -> None:
    words = fit_words(stripes, tmp_path, "--epochs", 1)
    base = tmp_path / "models" / "stripes"
    process = start(words, tmp_path / "log")
    partial = base / f".1.partial-{process.pid}"
    wait_for(partial / KERAS, process, tmp_path / "log")
    process.kill()
    process.wait(timeout=60)
    assert versions(base) == []
    assert not (base / "1").exists()
    done = run_here(*words, "--resume")
    assert done.returncode == 0, done.stderr
    assert "1 of 1 epochs done" in done.stdout
    assert [entry.name for entry in base.iterdir()] == ["1"]


def test_a_partial_checkpoint_is_ignored(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    network.compile("sgd", "mse")
    state = run.begin({"seed": 1}, resume=False, restart=False)
    for epoch, loss in ((1, 0.5), (2, float("nan")), (3, 0.7)):
        state = run.save(network, None, state, [{"epoch": epoch, "val_loss": loss}])
    (tmp_path / "run" / ".epoch-0004.partial-1").mkdir()
    again = run.begin({"seed": 1}, resume=True, restart=False)
    assert (again.epochs, again.best_epoch) == (3, 1)
    assert [entry.name for entry in run.path.glob("epoch-*")] == ["epoch-0003"]


def test_the_dry_run_describes_the_training_and_writes_nothing(
    tmp_path: Path, stripes: Path, run_here: Command
) -> None:
    done = run_here(*fit_words(stripes, tmp_path, "--dry-run"))
    assert done.returncode == 0, done.stderr
    assert "train         318 photos: down 106, level 106, slope 106" in done.stdout
    assert "28x28x1 -> 3" in done.stdout
    assert "5 epochs of 5 batches of 64" in done.stdout
    assert "memory" in done.stdout
    assert list(tmp_path.iterdir()) == []
