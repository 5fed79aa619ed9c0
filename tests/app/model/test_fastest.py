"""Which network of a version answers: the faster one, or the one that was asked for."""

import re
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.model.card import INT8, Card, ModelError
from app.model.fastest import load_engine, networks, select
from app.model.litert import FILES, LiteRTEngine, LiteRTName
from app.model.version_folder import load_card
from tests.conftest import ROOT
from tests.versions import DIGITS, edit_card

SHIPPED = ("cats-vs-dogs/1", "cats-vs-dogs/3", "cats-vs-dogs/4", "digits/1", "digits/2")


def models(folder: Path) -> dict[LiteRTName, bytes | Path]:
    return {name: folder / file for name, file in FILES.items()}


def test_every_shipped_version_has_both_networks_and_they_agree() -> None:
    for name in SHIPPED:
        folder = ROOT / "models" / name
        card = load_card(folder)
        pixels = np.random.default_rng(2).integers(0, 256, (3, *card.input.shape), np.uint8)
        answers = {name: load_engine(folder, card, name).engine.forward(pixels) for name in FILES}
        usual, int8 = answers["litert-float"], answers["litert-int8"]
        assert np.abs(usual.outputs - int8.outputs).max() < 0.15
        assert usual.features is not None
        assert int8.features is not None
        assert usual.features.shape == int8.features.shape
        product = np.einsum("ij,ij->i", usual.features, int8.features)
        lengths = [np.linalg.norm(each, axis=1) for each in (usual.features, int8.features)]
        assert (product > 0.9 * lengths[0] * lengths[1]).all()


@pytest.mark.parametrize(
    ("slow", "wins"), [("litert-float", "litert-int8"), ("litert-int8", "litert-float")]
)
def test_the_faster_one_is_selected(monkeypatch: pytest.MonkeyPatch, slow: str, wins: str) -> None:
    run = LiteRTEngine.run

    def delayed(engine: LiteRTEngine, batch: np.ndarray, alone: bool = False) -> np.ndarray:
        if engine.name == slow:
            time.sleep(0.02)
        outputs: np.ndarray = run(engine, batch, alone)
        return outputs

    monkeypatch.setattr(LiteRTEngine, "run", delayed)
    selected = select(load_card(DIGITS), models(DIGITS))
    assert selected.engine.name == wins
    numbers = re.findall(r"[\d.]+(?= ms)", selected.reason)
    in_int8, in_float = map(float, numbers)
    assert (in_int8 < in_float) == (wins == "litert-int8")
    assert max(in_int8, in_float) >= 20


def test_float_is_selected_where_both_are_as_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    run = LiteRTEngine.run

    def delayed(engine: LiteRTEngine, batch: np.ndarray, alone: bool = False) -> np.ndarray:
        time.sleep(0.02 if engine.name == "litert-float" else 0.0195)
        outputs: np.ndarray = run(engine, batch, alone)
        return outputs

    monkeypatch.setattr(LiteRTEngine, "run", delayed)
    assert select(load_card(DIGITS), models(DIGITS)).engine.name == "litert-float"


@pytest.mark.parametrize("name", FILES)
def test_an_engine_can_be_forced(name: LiteRTName) -> None:
    selected = load_engine(DIGITS, load_card(DIGITS), name)
    assert (selected.engine.name, selected.reason) == (
        name,
        "no other to choose from",
    )


def test_a_version_without_int8_is_served_in_float_and_refuses_int8(tmp_path: Path) -> None:
    folder = tmp_path / "1"
    shutil.copytree(DIGITS, folder)

    def without(card: dict[str, Any]) -> None:
        del card["files"][INT8]
        card["int8"] = None

    edit_card(folder, without)
    card = load_card(folder)
    assert networks(card, "litert") == ["litert-float"]
    assert load_engine(folder, card, "litert").engine.name == "litert-float"
    with pytest.raises(ModelError, match="digits 1 has no network in int8: it was"):
        load_engine(folder, card, "litert-int8")


def wrong(card: Card, network: str) -> Card:
    """The card with golden predictions that a network does not reproduce."""
    golden = card.golden if network == "litert-float" else card.int8.golden if card.int8 else ()
    other = tuple(each.model_copy(update={"seed": each.seed + 1}) for each in golden)
    if network == "litert-float":
        return card.model_copy(update={"golden": other})
    assert card.int8
    return card.model_copy(update={"int8": card.int8.model_copy(update={"golden": other})})


def test_float_takes_the_place_of_an_int8_network_that_does_not_work_here() -> None:
    card = wrong(load_card(DIGITS), "litert-int8")
    selected = select(card, models(DIGITS))
    assert selected.engine.name == "litert-float"
    assert selected.reason.startswith("litert-int8 does not work here: digits 1: the litert-int8")
    assert len(selected.reason) < 250
    with pytest.raises(ModelError, match="the litert-int8 engine does not reproduce"):
        select(card, {"litert-int8": DIGITS / INT8})


def test_an_error_of_litert_itself_counts_as_one_that_does_not_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = LiteRTEngine.run

    def fails(engine: LiteRTEngine, batch: np.ndarray, alone: bool = False) -> np.ndarray:
        if engine.name == "litert-int8":
            raise RuntimeError("no kernel")
        outputs: np.ndarray = run(engine, batch, alone)
        return outputs

    monkeypatch.setattr(LiteRTEngine, "run", fails)
    selected = select(load_card(DIGITS), models(DIGITS))
    assert selected.engine.name == "litert-float"
    assert selected.reason == "litert-int8 does not work here: no kernel"


def test_tensorflow_says_how_many_gpus_it_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _: [])
    selected = load_engine(DIGITS, load_card(DIGITS), "tensorflow")
    assert (selected.engine.name, selected.reason) == (
        "tensorflow",
        "TensorFlow was chosen, and sees 0 GPUs",
    )


def test_a_float_network_that_does_not_work_is_refused() -> None:
    card = wrong(load_card(DIGITS), "litert-float")
    with pytest.raises(ModelError, match="the litert-float engine does not reproduce"):
        select(card, models(DIGITS))


def test_the_int8_file_names_itself_when_it_cannot_be_loaded() -> None:
    with pytest.raises(ModelError, match=r"model-int8\.tflite: LiteRT cannot load it"):
        LiteRTEngine(b"TFL3" + bytes(100), load_card(DIGITS), name="litert-int8")
