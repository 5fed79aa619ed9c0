"""What a published card says is what was measured, on the subset that it names."""

from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest

from app.model.card import CARD, KERAS, Card, ModelError
from app.model.version_folder import load_card, sha256
from tests import pictures
from tests.conftest import striped
from training.data.fingerprints import FINGERPRINTS, read_fingerprints, write_fingerprints
from training.data.samples import Dataset, Sample
from training.publishing.model_card import render
from training.publishing.publish import TrainingResult, publish


def samples(labels: list[int], first: int) -> list[Sample]:
    """Striped photos; a label from 10 on is a wrong one: 10 more than what the photo shows."""
    found = []
    for number, label in enumerate(labels):
        data = pictures.encode(pictures.grey(striped(label % 10, first + number)))
        found.append(
            Sample(f"{number}.png", (label + label // 10) % 10 % 3, "", partial(bytes, data))
        )
    return found


@pytest.fixture(scope="module")
def published(stripes_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Published with 5 photos of validation, all right, and 9 of test, two labelled wrongly."""
    trained = TrainingResult(
        network=keras.saving.load_model(stripes_model / KERAS, compile=False),
        name="stripes",
        labels=load_card(stripes_model).labels,
        recipe={"name": "digits", "epochs": 2, "kept_epoch": 1, "seed": 0},
        data={"source": "stripes", "fingerprint": "0" * 64},
        history=[
            {"epoch": epoch, "loss": 1.0, "accuracy": 0.5, "val_loss": 1.0, "val_accuracy": 0.5}
            for epoch in (1, 2)
        ],
        kept_epoch=1,
    )
    validation, test = samples([0, 1, 2, 0, 1], 700), samples([10, 0, 0, 1, 2, 2, 2, 11, 1], 800)
    dataset = Dataset(trained.labels, [], validation, test, "0" * 64)
    folder, _ = publish(trained, tmp_path_factory.mktemp("models"), dataset)
    return folder


@pytest.fixture(scope="module")
def card(published: Path) -> Card:
    return load_card(published)


def test_each_figure_is_that_of_its_own_subset(card: Card) -> None:
    test, validation = card.metrics["test_accuracy"], card.metrics["validation_accuracy"]
    assert (test.samples, validation.samples) == (9, 5)
    assert [test.value, validation.value] == pytest.approx([7 / 9, 1])
    for name in ("log_loss", "brier", "calibration_error"):
        assert card.metrics[f"test_{name}"].samples == 9
        assert card.metrics[f"test_{name}"].value > card.metrics[f"validation_{name}"].value


def test_the_confusion_is_that_of_the_test_photos(card: Card) -> None:
    # Rows are true labels: one photo of 0 is labelled 1, one of 1 is labelled 2.
    assert card.confusion == ((2, 0, 0), (1, 2, 0), (0, 1, 3))


def test_the_reference_is_of_the_validation_photos(card: Card) -> None:
    assert card.reference is not None
    assert card.reference.photos == 5
    assert card.reference.label_shares == pytest.approx(
        dict(zip(card.labels, (0.4, 0.4, 0.2), strict=True))
    )
    brightness = [striped(label, 700 + n).mean() for n, label in enumerate((0, 1, 2, 0, 1))]
    expected = np.quantile(brightness, (0.1, 0.5, 0.9))
    assert card.reference.quantiles["brightness"] == pytest.approx(expected, abs=0.01)
    assert card.reference.quantiles["megapixels"] == (28 * 28 / 1e6,) * 3


def test_the_card_lists_every_file_with_its_checksum(published: Path, card: Card) -> None:
    there = {path.name: sha256(path) for path in published.iterdir() if path.name != CARD}
    assert card.files == there
    assert {"README.md", "training.png", "evaluation.png", "model.keras"} <= there.keys()


@pytest.mark.parametrize("name", ["README.md", "evaluation.png", "explain.tflite"])
def test_a_file_that_was_changed_afterwards_is_noticed(published: Path, name: str) -> None:
    content = (published / name).read_bytes()
    try:
        (published / name).write_bytes(content + b" ")
        with pytest.raises(ModelError, match=name):
            load_card(published)
    finally:
        (published / name).write_bytes(content)


def test_the_model_card_has_the_figures_of_the_test(published: Path, card: Card) -> None:
    assert f"{np.round(7 / 9, 4)}" in (published / "README.md").read_text()
    assert card.version == 1


@pytest.mark.parametrize("label", ["a|b", "|", "a||b|"])
def test_a_bar_in_a_label_is_no_column(card: Card, label: str) -> None:
    labels = (label, *card.labels[1:])
    odd = card.model_copy(update={"labels": labels, "data": {**card.data, "source": label}})
    for before, after in zip(render(card).splitlines(), render(odd).splitlines(), strict=True):
        if before.startswith("| "):
            assert after.replace("\\|", "").count("|") == before.count("|")


def test_the_table_of_many_labels_is_left_to_the_json(card: Card) -> None:
    labels = tuple(f"label{number}" for number in range(300))
    row = (1,) * 300
    text = render(card.model_copy(update={"labels": labels, "confusion": (row,) * 300}))
    assert "The confusion matrix of the 300 labels is in `card.json`." in text
    assert len(text) < 20_000


def test_the_version_knows_the_photos_it_was_trained_on(published: Path, card: Card) -> None:
    assert FINGERPRINTS in card.files
    assert (published / FINGERPRINTS).read_bytes() == b""
    train = [Sample("", 0, f"{number:02x}" * 32, bytes) for number in (9, 3, 9, 200)]
    write_fingerprints(train, published / "other.bin")
    assert (published / "other.bin").stat().st_size == 24
    assert read_fingerprints(published / "other.bin") == {b"\3" * 8, b"\t" * 8, b"\xc8" * 8}
    (published / "other.bin").unlink()
