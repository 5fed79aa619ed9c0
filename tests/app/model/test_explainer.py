"""The file behind /explain: loaded late, and held together with the network."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.model.card import EXPLAIN, ModelError
from app.model.classifier import Classifier
from app.model.explainer import Explainer, NotExplainable, Terms, _Interpreter, linear
from app.model.golden import check_explainer
from app.model.version_folder import load_card
from tests.conftest import ROOT
from tests.versions import DIGITS


def pixels(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 28, 28, 1), np.uint8)


@pytest.mark.parametrize("name", ["cats-vs-dogs", "digits"])
def test_the_shipped_files_add_up_and_agree_with_what_is_served(name: str) -> None:
    classifier = Classifier.load(ROOT / "models" / name / "1", engine="litert-float")
    shape = classifier.card.input
    size = (20, shape.height, shape.width, shape.channels)
    batch = np.random.default_rng(1).integers(0, 256, size, np.uint8)
    for photo, outputs in zip(batch, classifier.network.engine.run(batch), strict=True):
        terms = classifier.explainer.terms(photo)
        assert terms.probabilities == pytest.approx(outputs, abs=1e-6)
        total = terms.maps.sum((0, 1), np.float64) + terms.bias
        assert total == pytest.approx(terms.logits, abs=1e-4)


def explainer(model: Path, content: bytes | None = None) -> Explainer:
    read = (model / EXPLAIN).read_bytes if content is None else lambda: content
    return Explainer(load_card(model), read)


def test_the_maps_are_relu_and_pooling_of_each_other() -> None:
    maps = explainer(DIGITS).feature_maps(pixels(1)[0])
    before, after, pooled = maps[linear("conv_1")], maps["conv_1"], maps["pool_1"]
    assert before.min() < 0
    assert (after == np.maximum(before, 0)).all()
    assert (pooled == after.reshape(13, 2, 13, 2, 32).max((1, 3))).all()


def test_several_cores_give_the_same_answer() -> None:
    wide = Explainer(load_card(DIGITS), (DIGITS / EXPLAIN).read_bytes, threads=2)
    photo = pixels(1)[0]
    assert wide.terms(photo).maps == pytest.approx(explainer(DIGITS).terms(photo).maps, abs=1e-4)


def test_the_file_is_read_once_and_not_before_it_is_needed() -> None:
    reads: list[bytes] = []

    def read() -> bytes:
        reads.append((DIGITS / EXPLAIN).read_bytes())
        return reads[-1]

    late = Explainer(load_card(DIGITS), read)
    assert not reads
    for photo in pixels(2):
        late.terms(photo)
        late.feature_maps(photo)
    assert len(reads) == 1


def test_a_version_without_the_file_says_how_to_make_it() -> None:
    old = Explainer(load_card(DIGITS), None)
    for ask in (old.terms, old.feature_maps):
        with pytest.raises(NotExplainable, match=r"export models/digits/1$"):
            ask(pixels(1)[0])


def test_a_file_that_is_no_network_is_refused() -> None:
    with pytest.raises(ModelError, match=r"explain\.tflite: LiteRT cannot load it"):
        explainer(DIGITS, b"TFL3" + bytes(100)).terms(pixels(1)[0])


def test_maps_are_pictures_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer behind the last Flatten may have an output, too."""
    read = _Interpreter.read

    def flat(interpreter: _Interpreter, name: str) -> np.ndarray:
        values = read(interpreter, name)
        return values.ravel() if name == "pool_1" else values

    monkeypatch.setattr(_Interpreter, "read", flat)
    found = explainer(DIGITS).feature_maps(pixels(1)[0])
    assert "conv_1" in found
    assert "pool_1" not in found


@pytest.mark.parametrize("name", ["cats-vs-dogs", "digits"])
def test_the_shipped_files_show_the_network_that_is_served(name: str) -> None:
    folder = ROOT / "models" / name / "1"
    check_explainer(load_card(folder), explainer(folder))


def test_a_version_without_the_file_passes_the_check() -> None:
    check_explainer(load_card(DIGITS), Explainer(load_card(DIGITS), None))


def test_a_network_without_evidence_passes_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    def terms(*_: object) -> Terms:
        raise NotExplainable("no evidence")

    monkeypatch.setattr(Explainer, "terms", terms)
    check_explainer(load_card(DIGITS), explainer(DIGITS))


def test_a_network_without_evidence_needs_the_input_of_the_card(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def terms(*_: object) -> Terms:
        raise NotExplainable("no evidence")

    monkeypatch.setattr(Explainer, "terms", terms)
    content = (ROOT / "models" / "cats-vs-dogs" / "1" / EXPLAIN).read_bytes()
    with pytest.raises(ModelError, match="does not show the network"):
        check_explainer(load_card(DIGITS), explainer(DIGITS, content))


def changed(**changes: np.ndarray) -> Callable[[Explainer, np.ndarray], Terms]:
    terms = Explainer.terms

    def ask(each: Explainer, photo: np.ndarray) -> Terms:
        return replace(terms(each, photo), **changes)

    return ask


@pytest.mark.parametrize(
    "changes",
    [
        {"probabilities": np.full(10, 0.1)},
        {"probabilities": np.full(3, 0.1)},
        {"logits": np.zeros(3)},
        {"bias": np.zeros(1)},
        {"maps": np.zeros((3, 3, 1))},
        {"maps": np.zeros((3, 10))},
    ],
)
def test_a_file_that_shows_other_outputs_is_refused(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, np.ndarray]
) -> None:
    monkeypatch.setattr(Explainer, "terms", changed(**changes))
    with pytest.raises(ModelError, match=r"^explain\.tflite does not show the network of model"):
        check_explainer(load_card(DIGITS), explainer(DIGITS))


def test_the_file_of_another_model_is_refused(stripes_model: Path) -> None:
    """It has the same input, or another one, or lacks an output."""
    card = load_card(DIGITS)
    for content in (
        (stripes_model / EXPLAIN).read_bytes(),
        (ROOT / "models" / "cats-vs-dogs" / "1" / EXPLAIN).read_bytes(),
        (DIGITS / EXPLAIN).read_bytes().replace(b"logits", b"lugits"),
    ):
        with pytest.raises(ModelError, match="does not reproduce the card's golden prediction 0"):
            check_explainer(card, explainer(DIGITS, content))
    with pytest.raises(ModelError, match="LiteRT cannot load it"):
        check_explainer(card, explainer(DIGITS, b"TFL3"))
