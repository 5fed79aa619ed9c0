"""Converting published versions again, and the networks that explain themselves."""

import json
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from app.explain.feature_maps import strips
from app.explain.receptive_field import centres
from app.model.card import CARD, EXPLAIN, KERAS, LITERT, Card
from app.model.classifier import Classifier
from app.model.explainer import Explainer, NotExplainable, linear
from app.model.version_folder import load_card, sha256
from tests import pictures
from tests.conftest import Command, shaken
from training.networks.architectures import cats_vs_dogs, digits, residual
from training.publishing.convert import convert
from training.publishing.explain_outputs import add_explain_outputs
from training.publishing.litert import reconvert
from training.publishing.model_card import write


def tiny_residual(classes: int = 2) -> keras.Model:
    return shaken(residual(classes, side=32, stem=5, widths=(24, 6), depths=(1, 2), strides=(2, 2)))


def inside(network: keras.Model, count: int = 3) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The extended network's outputs, and the network's own, for the same random photos."""
    shape = (count, *network.input_shape[1:])
    photos = np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)
    outputs = add_explain_outputs(network)(photos, training=False)
    arrays = {name: keras.ops.convert_to_numpy(value) for name, value in outputs.items()}
    return arrays, keras.ops.convert_to_numpy(network(photos, training=False))


@pytest.mark.parametrize(
    "network",
    [tiny_residual(), tiny_residual(3), shaken(digits()), shaken(cats_vs_dogs(dropout=0.5))],
    ids=["residual, sigmoid", "residual, softmax", "digits", "cats-vs-dogs with dropout"],
)
def test_the_evidence_adds_up_to_the_logit(network: keras.Model) -> None:
    outputs, own = inside(network)
    assert outputs["probabilities"] == pytest.approx(own, abs=1e-6)
    total = outputs["evidence"].sum((1, 2), np.float64) + outputs["bias"]
    assert total == pytest.approx(outputs["logits"], abs=1e-4)


def test_a_convolution_is_shown_with_its_normalisation() -> None:
    outputs, _ = inside(tiny_residual())
    assert "stem_norm" in outputs
    assert "stem" not in outputs
    assert (outputs["stem_relu"] == np.maximum(outputs["stem_norm"], 0)).all()


def test_a_built_in_activation_becomes_a_separate_output() -> None:
    outputs, _ = inside(shaken(digits()))
    assert (outputs["conv_2"] == np.maximum(outputs[linear("conv_2")], 0)).all()


def test_a_network_with_another_last_step_has_no_evidence() -> None:
    inputs = keras.Input((12, 12, 1))
    x = keras.layers.Conv2D(3, 3, activation="relu", name="conv")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(4, activation="relu")(x)
    outputs = keras.layers.Dense(1, activation="sigmoid")(x)
    arrays, _ = inside(keras.Model(inputs, outputs))
    assert set(arrays) == {"probabilities", "logits", "conv", linear("conv")}


def published(folder: Path, network: keras.Model, like: Card, **changes: Any) -> Path:
    """A version folder, without explanations, of a network that nobody trained."""
    from training.publishing.publish import TrainingResult, _draft_card

    folder.mkdir(parents=True)
    network.save(folder / KERAS)
    convert(*(str(folder / name) for name in (KERAS, LITERT, EXPLAIN, "plain.tflite")))
    (folder / EXPLAIN).unlink()
    (folder / "plain.tflite").unlink()
    trained = TrainingResult(network, like.name, like.labels, {}, {}, (), 1)
    write(folder, _draft_card(trained, int(folder.name), folder).model_copy(update=changes))
    return folder


@pytest.fixture(scope="module")
def residual_version(tmp_path_factory: pytest.TempPathFactory, stripes_model: Path) -> Path:
    card = load_card(stripes_model).model_copy(update={"labels": ("cat", "dog")})
    return published(tmp_path_factory.mktemp("models") / "pets" / "2", tiny_residual(), card)


@pytest.mark.usefixtures("converting_here")
def test_a_residual_version_gets_its_explanation(residual_version: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(residual_version, tmp_path / "2"))
    reconvert(folder)
    classifier = Classifier.load(folder)
    data = pictures.encode(pictures.noise(2, 90, 60))
    terms = classifier.explainer.terms(classifier.pixels(data))
    assert terms.probabilities[0] == pytest.approx(
        classifier.predict(data).probabilities["dog"], abs=1e-6
    )
    assert terms.maps.sum() + terms.bias[0] == pytest.approx(terms.logits[0], abs=1e-4)
    assert centres(classifier.card, 4, 0) == [0.125, 0.375, 0.625, 0.875]
    drawn = strips(classifier, data)
    shown = {strip.layer: strip.channels for strip in drawn}
    assert shown["stage_1_1_a_relu"] == shown["stage_1_1_a_norm"], "though another path is between"
    assert shown["stage_1_1_pool"] == shown["stem_relu"]
    steps = {(strip.layer, strip.step) for strip in drawn}
    assert {("stem_norm", "convolution"), ("stem_relu", "ReLU")} <= steps
    assert ("stage_1_1_pool", "pooling") in steps


def test_the_command_converts_both_files_and_keeps_the_others(
    residual_version: Path, tmp_path: Path, command: Command
) -> None:
    folder = Path(shutil.copytree(residual_version, tmp_path / "2"))
    (folder / "notes.txt").write_text("not on the card")
    as_a_slower_conversion_left_it(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = command("training.export", folder)
    assert done.returncode == 0, done.stderr
    assert f"{folder / LITERT}, {folder / EXPLAIN}: up to date" in done.stdout
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {CARD, LITERT, EXPLAIN}
    assert after[LITERT] == (residual_version / LITERT).read_bytes()
    card, old = (json.loads(text) for text in (after[CARD], before[CARD]))
    made = {name: sha256(folder / name) for name in (LITERT, EXPLAIN)}
    assert card.pop("files") == old.pop("files") | made
    assert card == old
    assert [path.name for path in tmp_path.iterdir()] == ["2"]


@pytest.mark.usefixtures("converting_here")
def test_missing_or_changed_files_are_converted_again(
    residual_version: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(residual_version, tmp_path / "2"))
    (folder / LITERT).write_bytes(b"other")
    (folder / EXPLAIN).unlink(missing_ok=True)
    reconvert(folder)
    assert (folder / LITERT).read_bytes() == (residual_version / LITERT).read_bytes()
    assert EXPLAIN in load_card(folder).files
    made = {path.name: path.read_bytes() for path in folder.iterdir()}
    reconvert(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == made
    assert [path.name for path in tmp_path.iterdir()] == ["2"]


def as_a_slower_conversion_left_it(folder: Path) -> None:
    """Without its features, as `training.export` converted it at first."""
    network = keras.saving.load_model(folder / KERAS, compile=False)
    network.export(folder / LITERT, format="litert", verbose=False)
    card = json.loads((folder / CARD).read_text())
    card["files"][LITERT] = sha256(folder / LITERT)
    (folder / CARD).write_text(json.dumps(card))


@pytest.mark.usefixtures("converting_here")
@pytest.mark.parametrize("damage", ["changed file", "no card", "wrong golden"])
def test_a_damaged_version_is_left_as_it_is(
    residual_version: Path, tmp_path: Path, run_here: Command, damage: str
) -> None:
    folder = Path(shutil.copytree(residual_version, tmp_path / "2"))
    card = json.loads((folder / CARD).read_text())
    if damage == "changed file":
        (folder / KERAS).write_bytes(b"other")
    elif damage == "no card":
        (folder / CARD).unlink()
    else:
        card["golden"][0]["outputs"][0] += 0.1
        (folder / CARD).write_text(json.dumps(card))
    refused(folder, run_here)


def refused(folder: Path, run_here: Command) -> str:
    """What `training.export` says, which changes nothing."""
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = run_here("training.export", folder)
    errors = [line for line in done.stderr.splitlines() if ": error: " in line]
    assert (done.returncode, len(errors)) == (2, 1), done.stderr
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in folder.parent.iterdir()] == ["2"]
    return errors[0]


def test_a_failed_conversion_is_reported(
    residual_version: Path, tmp_path: Path, run_here: Command
) -> None:
    folder = Path(shutil.copytree(residual_version, tmp_path / "2"))
    card = json.loads((folder / CARD).read_text())
    (folder / KERAS).write_bytes(b"no network")
    card["files"][KERAS] = sha256(folder / KERAS)
    (folder / CARD).write_text(json.dumps(card))
    assert "the conversion to LiteRT failed" in refused(folder, run_here)


@pytest.mark.usefixtures("converting_here")
def test_a_version_with_another_last_step_has_no_evidence(
    tmp_path: Path, stripes_model: Path
) -> None:
    inputs = keras.Input((12, 12, 1), name="pixels")
    x = keras.layers.Conv2D(3, 3, activation="relu", name="conv")(inputs)
    x = keras.layers.Dense(4, activation="relu")(keras.layers.Flatten()(x))
    network = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))
    folder = published(tmp_path / "odd" / "1", network, load_card(stripes_model))
    reconvert(folder)
    explainer = Explainer(load_card(folder), (folder / EXPLAIN).read_bytes)
    pixels = np.zeros((12, 12, 1), np.uint8)
    with pytest.raises(NotExplainable, match="does not end in one linear step"):
        explainer.terms(pixels)
    assert set(explainer.feature_maps(pixels)) == {"conv", linear("conv")}
