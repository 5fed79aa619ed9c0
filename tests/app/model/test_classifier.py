"""Bytes in, labels out; and a model that does not answer as its card says is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.imaging.decode import decode
from app.imaging.errors import BrokenPhoto, TooExpensive, TooManyPixels, UnsupportedFormat
from app.model import classifier as module
from app.model.card import CARD, EXPLAIN, LITERT, Card, Golden, Input, ModelError
from app.model.classifier import Classifier
from app.model.explainer import NotExplainable
from app.model.fastest import Selected
from app.model.forward import Forward
from app.model.golden import check_golden
from app.model.litert import LiteRTEngine
from app.model.network import Network
from app.model.prediction import prediction
from app.model.shared_file import SharedFile
from app.model.version_folder import load_card
from tests import pictures
from tests.conftest import ROOT, striped
from tests.versions import DIGITS, publish

PHOTO = pictures.encode(pictures.gradient())


class Fixed:
    """An engine that answers the same to everything."""

    name = "fixed"
    max_batch = 1
    features = 0

    def __init__(self, *outputs: float) -> None:
        self._outputs = np.array([outputs], np.float32)

    def run(self, batch: np.ndarray, alone: bool = False) -> np.ndarray:  # noqa: ARG002 - Engine's
        return np.repeat(self._outputs, len(batch), axis=0)

    def forward(self, batch: np.ndarray, alone: bool = False) -> Forward:
        return Forward(self.run(batch, alone), None)

    def warm(self) -> None:
        pass


@pytest.fixture
def card() -> Card:
    return load_card(DIGITS).model_copy(update={"labels": ("down", "level", "slope")})


@pytest.mark.parametrize(
    ("output", "label", "probability"),
    [(0.9, "dog", 0.9), (0.2, "cat", 0.8), (0.0, "cat", 1.0), (1.0, "dog", 1.0)],
)
def test_one_sigmoid_is_the_probability_of_the_second_label(
    card: Card, output: float, label: str, probability: float
) -> None:
    two = card.model_copy(update={"labels": ("cat", "dog"), "activation": "sigmoid"})
    got = Classifier(two, Network(Fixed(output), None)).predict(
        pictures.encode(pictures.gradient())
    )
    assert got.label == label
    assert got.probability == pytest.approx(probability)
    assert sum(got.probabilities.values()) == 1
    assert list(got.probabilities) == ["cat", "dog"]


def test_a_softmax_has_a_probability_a_label(card: Card) -> None:
    got = Classifier(card, Network(Fixed(0.2, 0.5, 0.3), None)).predict(
        pictures.encode(pictures.gradient())
    )
    assert got.label == "level"
    assert got.probabilities == pytest.approx({"down": 0.2, "level": 0.5, "slope": 0.3})


def test_the_trained_model_tells_stripes_apart(stripes_model: Path) -> None:
    classifier = Classifier.load(stripes_model)
    right = 0
    for number in range(30):
        data = pictures.encode(pictures.grey(striped(number % 3, 500 + number)))
        right += classifier.predict(data).label == classifier.card.labels[number % 3]
    assert right >= 29


def test_pixels_and_bytes_get_the_same_answer() -> None:
    classifier = Classifier.load(ROOT / "models" / "cats-vs-dogs")
    data = pictures.encode(pictures.noise(5, 300, 200), "JPEG")
    shape = classifier.card.input
    pixels = decode(data, shape.height, shape.width, shape.channels)
    assert classifier.predict(data) == classifier.predict_pixels(pixels[np.newaxis])[0]


def test_a_broken_photo_is_the_photos_fault() -> None:
    with pytest.raises(BrokenPhoto):
        Classifier.load(DIGITS).predict(b"\xff\xd8\xff\xe0")


def test_a_model_that_answers_otherwise_than_its_card_says_is_refused(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(DIGITS, tmp_path / "1"))
    card = json.loads((folder / CARD).read_text())
    card["golden"][0]["outputs"] = card["golden"][1]["outputs"]
    (folder / CARD).write_text(json.dumps(card))
    with pytest.raises(ModelError, match="does not reproduce the card's golden prediction 0"):
        Classifier.load(folder)


@pytest.mark.parametrize("row", [0, 2, 3])
def test_golden_predictions_are_checked_alone_and_together(
    monkeypatch: pytest.MonkeyPatch, row: int
) -> None:
    ran: list[tuple[int, bool]] = []
    run = LiteRTEngine.run

    def wrong_together(engine: LiteRTEngine, batch: np.ndarray, alone: bool = False) -> np.ndarray:
        ran.append((len(batch), alone))
        outputs: np.ndarray = run(engine, batch, alone)
        if len(batch) == 4:
            outputs[row] += 0.01
        return outputs

    monkeypatch.setattr(LiteRTEngine, "run", wrong_together)
    with pytest.raises(ModelError, match=f"does not reproduce the card's golden prediction {row}"):
        Classifier.load(DIGITS, threads=2)
    assert ran[-5:] == [(1, False), (1, True), (1, False), (1, True), (4, False)]


def test_the_card_decides_the_size(card: Card) -> None:
    sizes: list[tuple[int, ...]] = []

    class Spy(Fixed):
        def run(self, batch: np.ndarray, alone: bool = False) -> np.ndarray:
            sizes.append(batch.shape)
            return super().run(batch, alone)

    other = card.model_copy(update={"input": Input(height=20, width=30, channels=3)})
    Classifier(other, Network(Spy(0.2, 0.5, 0.3), None)).predict(
        pictures.encode(pictures.gradient())
    )
    assert sizes == [(1, 20, 30, 3)]


def test_loading_and_making_a_classifier_pass_everything_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        publish(tmp_path, number)
    engines: list[tuple[Any, ...]] = []

    def load_engine(*arguments: Any) -> Selected:
        engines.append(arguments)
        engine = LiteRTEngine(arguments[0] / LITERT, arguments[1], arguments[3])
        return Selected(engine, f"{len(engines)}")

    monkeypatch.setattr(module, "load_engine", load_engine)
    older = Classifier.load(
        tmp_path, version=1, engine="litert", threads=3, max_pixels=77, formats=("PNG", "GIF")
    )
    newer = Classifier.load(tmp_path)
    first, second = tmp_path / "1", tmp_path / "2"
    assert engines == [(first, older.card, "litert", 3), (second, newer.card, "auto", 1)]
    assert [older.network.reason, newer.network.reason] == ["1", "2"]
    assert (older.max_pixels, older.formats) == (77, ("PNG", "GIF"))
    pixels = np.zeros((28, 28, 1), np.uint8)
    assert older.explainer.terms(pixels).logits.shape == (10,)
    (second / EXPLAIN).write_bytes(b"changed before the first explanation")
    with pytest.raises(ModelError, match="its SHA-256 is"):
        newer.explainer.terms(pixels)


def test_a_classifier_from_files_answers_as_the_folder_does() -> None:
    whole = Classifier.load(DIGITS, engine="litert-float")
    files = {name: SharedFile((DIGITS / name).read_bytes()) for name in (LITERT, EXPLAIN)}
    made = Classifier.from_files(whole.card, files, 2, 77, ("PNG",))
    data = pictures.encode(pictures.noise(1, 7, 11))
    assert made.predict(data) == whole.predict(data)
    assert (made.max_pixels, made.formats, made.memory) == (77, ("PNG",), None)
    pixels = made.pixels(data)
    maps = whole.explainer.terms(pixels).maps
    assert made.explainer.terms(pixels).maps == pytest.approx(maps, abs=1e-4)


def test_without_a_network_a_classifier_decodes_and_explains() -> None:
    card = load_card(DIGITS)
    files = {EXPLAIN: SharedFile((DIGITS / EXPLAIN).read_bytes())}
    made = Classifier.from_files(card, files, 1)
    pixels = made.pixels(pictures.encode(pictures.gradient()))
    assert made.explainer.terms(pixels).logits.shape == (10,)
    with pytest.raises(RuntimeError, match="only decodes"):
        made.predict_pixels(pixels[np.newaxis])
    with pytest.raises(NotExplainable, match="was published without"):
        Classifier.from_files(card, {}, 1).explainer.terms(pixels)


def test_files_that_do_not_answer_as_the_card_says_are_refused() -> None:
    card = load_card(DIGITS)
    golden = tuple(each.model_copy(update={"seed": each.seed + 1}) for each in card.golden)
    files = {LITERT: SharedFile((DIGITS / LITERT).read_bytes())}
    with pytest.raises(ModelError, match="does not reproduce the card's golden prediction 1"):
        Classifier.from_files(card.model_copy(update={"golden": golden}), files, 1)


def test_the_memory_for_a_photo_can_be_changed(card: Card) -> None:
    classifier = Classifier(card, Network(Fixed(), None), memory=10)
    data = pictures.encode(pictures.noise(1, 500, 500), "BMP")
    with pytest.raises(TooExpensive):
        classifier.pixels(data)
    classifier.memory = 10_000_000
    assert classifier.pixels(data).shape == (28, 28, 1)


def test_pixels_keep_to_the_limits_of_the_classifier(card: Card) -> None:
    classifier = Classifier(card, Network(Fixed(), None), max_pixels=99, formats=("PNG",))
    assert classifier.pixels(pictures.encode(pictures.noise(1, 11, 9))).shape == (28, 28, 1)
    with pytest.raises(TooManyPixels):
        classifier.pixels(pictures.encode(pictures.noise(1, 10, 10)))
    with pytest.raises(UnsupportedFormat):
        classifier.pixels(pictures.encode(pictures.noise(1, 11, 9), "GIF"))


def test_the_engine_is_told_whether_the_batch_is_alone(card: Card) -> None:
    told: list[bool] = []

    class Spy(Fixed):
        def run(self, batch: np.ndarray, alone: bool = False) -> np.ndarray:
            told.append(alone)
            return super().run(batch)

    classifier = Classifier(card, Network(Spy(0.2, 0.5, 0.3), None))
    batch = np.zeros((2, 28, 28, 1), np.uint8)
    assert len(classifier.predict_pixels(batch)) == 2
    classifier.predict_pixels(batch, True)
    assert told == [False, True]


def test_outputs_that_are_not_one_a_label_or_one_a_photo_are_a_defect(
    card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="zip"):
        prediction(card, [0.2, 0.3, 0.4, 0.1])
    run = LiteRTEngine.run

    def too_few(engine: LiteRTEngine, batch: np.ndarray, alone: bool = False) -> np.ndarray:
        outputs: np.ndarray = run(engine, batch, alone)
        return outputs[: max(1, len(batch) - 1)]

    monkeypatch.setattr(LiteRTEngine, "run", too_few)
    with pytest.raises(ValueError, match="zip"):
        Classifier.load(DIGITS)


@pytest.mark.parametrize("together", [False, True])
def test_a_wrong_golden_prediction_is_told_with_its_figures(card: Card, together: bool) -> None:
    class Wrong(Fixed):
        max_batch = 2

        def run(self, batch: np.ndarray, alone: bool = False) -> np.ndarray:  # noqa: ARG002 - Engine's
            wrong = len(batch) > 1 or not together
            return super().run(batch) if wrong else np.array([[0.25, 0.5, 0.87654321]], np.float32)

    golden = Golden(seed=3, outputs=(0.25, 0.5, 0.87654321))
    with pytest.raises(ModelError) as caught:
        check_golden(card.model_copy(update={"golden": (golden,)}), Wrong(0.12345678, 0.5, 0.25))
    assert str(caught.value) == (
        "digits 1: the fixed engine does not reproduce the card's golden prediction 3: "
        "[0.123457, 0.5, 0.25] instead of [0.25, 0.5, 0.876543]. Retrain, or use another engine."
    )


PROBABILITY = st.floats(0, 1, width=32)
ANY = settings(max_examples=50, derandomize=True, deadline=None)


@given(PROBABILITY)
@ANY
def test_any_sigmoid_gives_two_probabilities(output: float) -> None:
    two = {"labels": ("cat", "dog"), "activation": "sigmoid"}
    got = prediction(load_card(DIGITS).model_copy(update=two), [output])
    assert got.probabilities == {"cat": 1 - output, "dog": output}
    assert got.label == ("dog" if output > 0.5 else "cat")
    assert got.probability == max(output, 1 - output)


@given(st.lists(st.floats(-30, 30), min_size=10, max_size=10, unique=True))
@ANY
def test_any_softmax_gives_a_probability_a_label(logits: list[float]) -> None:
    outputs = np.exp(logits) / np.exp(logits).sum()
    card = load_card(DIGITS)
    got = prediction(card, outputs.tolist())
    assert list(got.probabilities) == list(card.labels)
    assert list(got.probabilities.values()) == outputs.tolist()
    assert sum(got.probabilities.values()) == pytest.approx(1)
    assert got.label == card.labels[int(outputs.argmax())]
    assert got.probability == outputs.max()
