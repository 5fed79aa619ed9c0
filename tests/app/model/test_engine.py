"""The engines: they agree, they fit their card, they fail clearly."""

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.model import engine
from app.model.card import KERAS, LITERT, Input, ModelError
from app.model.engine import EngineName, choose
from app.model.fastest import load_engine
from app.model.golden import golden_pixels
from app.model.litert import FILES, LiteRTEngine
from app.model.tensorflow import TensorFlowEngine
from app.model.version_folder import load_card
from tests.conftest import ROOT


def litert(folder: Path, threads: int) -> LiteRTEngine:
    return LiteRTEngine((folder / LITERT).read_bytes(), load_card(folder), threads)


def batch(count: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)


@pytest.mark.parametrize("name", ["cats-vs-dogs", "digits"])
def test_litert_and_tensorflow_agree_on_the_shipped_models(name: str) -> None:
    folder = ROOT / "models" / name / "1"
    card = load_card(folder)
    shape = card.input
    pixels = batch(6, (shape.height, shape.width, shape.channels))
    pixels[:4] = [golden_pixels(seed, shape) for seed in range(4)]
    one = load_engine(folder, card, "litert-float").engine.run(pixels)
    other = load_engine(folder, card, "tensorflow").engine.run(pixels)
    assert one.shape == other.shape == (6, card.outputs)
    assert one.dtype == other.dtype == np.float32
    assert np.abs(one - other).max() < 1e-4


@pytest.mark.parametrize("count", [1, 2, 5, 32, 40])
def test_padding_changes_no_answer(stripes_model: Path, count: int) -> None:
    card = load_card(stripes_model)
    runner = load_engine(stripes_model, card, "tensorflow").engine
    runner.warm()
    pixels = batch(count, (28, 28, 1))
    together = runner.run(pixels)
    alone = np.concatenate([runner.run(one[np.newaxis]) for one in pixels])
    assert together.shape == (count, 3)
    assert np.abs(together - alone).max() < 1e-6


def test_all_cores_on_one_photo_give_the_same_answer(stripes_model: Path) -> None:
    runner = litert(stripes_model, threads=2)
    runner.warm()
    pixels = batch(5, (28, 28, 1))
    assert np.abs(runner.run(pixels) - runner.run(pixels, alone=True)).max() < 1e-6


def test_two_photos_together_get_the_answers_that_they_get_alone(stripes_model: Path) -> None:
    runner = litert(stripes_model, threads=1)
    pixels = batch(5, (28, 28, 1))
    alone = np.concatenate([runner.run(one[np.newaxis]) for one in pixels])
    for together in (pixels, pixels[:1], pixels[:2], pixels):
        assert np.abs(runner.run(together) - alone[: len(together)]).max() < 1e-6


@pytest.mark.parametrize("step", ["resize_tensor_input", "allocate_tensors"])
@pytest.mark.parametrize("after", [1, 2])
def test_a_failed_resize_does_no_harm_to_the_next_photos(
    stripes_model: Path, monkeypatch: pytest.MonkeyPatch, step: str, after: int
) -> None:
    runner = litert(stripes_model, threads=1)
    pixels = batch(2, (28, 28, 1))
    alone = np.concatenate([runner.run(one[np.newaxis]) for one in pixels])
    inner = runner._narrow._interpreter

    def fail(*_: object) -> None:
        raise RuntimeError("no memory")

    with monkeypatch.context() as patch:
        patch.setattr(inner, step, fail)
        with pytest.raises(RuntimeError, match="no memory"):
            runner.run(pixels)
    assert np.abs(runner.run(pixels[:after]) - alone[:after]).max() < 1e-6


@pytest.mark.parametrize("opened", [False, True])
def test_a_network_is_loaded_from_its_bytes_or_from_a_file(
    stripes_model: Path, opened: bool
) -> None:
    path, card = stripes_model / LITERT, load_card(stripes_model)
    runner = LiteRTEngine(path if opened else path.read_bytes(), card)
    pixels = batch(2, (28, 28, 1))
    assert (runner.run(pixels) == litert(stripes_model, threads=1).run(pixels)).all()


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "labels": ({"labels": ("one", "two")}, r"output has the shape \(3,\), its card says \(2,\)"),
    "activation": (
        {"labels": ("one", "two"), "activation": "sigmoid"},
        r"output has the shape \(3,\), its card says \(1,\)",
    ),
    "input": (
        {"input": Input(height=28, width=29, channels=1)},
        r"input has the shape \(28, 28, 1\), its card says \(28, 29, 1\)",
    ),
}


@pytest.mark.parametrize("name", ["litert-float", "tensorflow"])
@pytest.mark.parametrize("wrong", WRONG)
def test_a_network_that_does_not_fit_its_card_is_refused(
    stripes_model: Path, name: EngineName, wrong: str
) -> None:
    changes, words = WRONG[wrong]
    card = load_card(stripes_model).model_copy(update=changes)
    with pytest.raises(ModelError, match=words):
        load_engine(stripes_model, card, name)


def test_auto_is_litert_where_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_GPU_DEVICES", (Path("/nowhere"),))
    assert [choose(each) for each in ("auto", "litert", "litert-int8", "tensorflow")] == [
        "litert", "litert", "litert-int8", "tensorflow",
    ]  # fmt: skip


def test_auto_is_litert_where_tensorflow_sees_no_gpu(
    stripes_model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import tensorflow as tf

    monkeypatch.setattr(engine, "_GPU_DEVICES", (tmp_path,))
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _: [])
    assert load_engine(stripes_model, load_card(stripes_model)).engine.name in FILES


def test_auto_is_litert_where_tensorflow_is_missing(
    stripes_model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(engine, "_GPU_DEVICES", (tmp_path,))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert load_engine(stripes_model, load_card(stripes_model)).engine.name in FILES


def test_tensorflow_that_is_not_installed_is_said_so(
    stripes_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ModelError, match="not installed"):
        load_engine(stripes_model, load_card(stripes_model), "tensorflow")


def test_a_file_that_is_no_network_is_refused(stripes_model: Path, tmp_path: Path) -> None:
    card = load_card(stripes_model)
    for content in (b"TFL3" + bytes(100), b"no network", b""):
        with pytest.raises(ModelError, match=r"model\.tflite: LiteRT cannot load it"):
            LiteRTEngine(content, card)
    (tmp_path / KERAS).write_bytes(b"no zip")
    with pytest.raises(ModelError, match="Keras cannot load it"):
        TensorFlowEngine(tmp_path / KERAS, card)


def test_code_hidden_in_a_keras_file_is_refused(stripes_model: Path, tmp_path: Path) -> None:
    import keras

    inputs = keras.Input((28, 28, 1))
    outputs = keras.layers.Lambda(lambda x: x * 2)(inputs)
    keras.Model(inputs, outputs).save(tmp_path / KERAS)
    with pytest.raises(ModelError, match=r"Keras cannot load it.*Lambda"):
        TensorFlowEngine(tmp_path / KERAS, load_card(stripes_model))


def test_a_file_that_changed_after_the_check_is_refused(
    stripes_model: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(stripes_model, tmp_path / "1"))
    card = load_card(copy)
    (copy / LITERT).unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        load_engine(copy, card, "litert")
    (copy / LITERT).write_bytes(b"TFL3" + bytes(100))
    with pytest.raises(ModelError, match="its SHA-256 is"):
        load_engine(copy, card, "litert")
