"""The file behind /explain: opened late, checked, shared by threads."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from app.model.card import EXPLAIN, ModelError, load_card, sha256
from app.model.classifier import Classifier
from app.model.explainer import Explainer, linear
from tests.conftest import ROOT


def pixels(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 28, 28, 1), np.uint8)


@pytest.mark.parametrize("name", ["cats-vs-dogs", "digits"])
def test_the_shipped_files_add_up_and_agree_with_what_is_served(name: str) -> None:
    classifier = Classifier.load(ROOT / "models" / name / "1")
    shape = classifier.card.input
    size = (20, shape.height, shape.width, shape.channels)
    batch = np.random.default_rng(1).integers(0, 256, size, np.uint8)
    for photo, outputs in zip(batch, classifier.engine.run(batch), strict=True):
        terms = classifier.explainer.terms(photo)
        assert terms.probabilities == pytest.approx(outputs, abs=1e-6)
        total = terms.maps.sum((0, 1), np.float64) + terms.bias
        assert total == pytest.approx(terms.logits, abs=1e-4)


def test_the_maps_are_relu_and_pooling_of_each_other() -> None:
    folder = ROOT / "models" / "digits" / "1"
    maps = Explainer(folder, load_card(folder)).feature_maps(pixels(1)[0])
    before, after, pooled = maps[linear("conv_1")], maps["conv_1"], maps["pool_1"]
    assert before.min() < 0
    assert (after == np.maximum(before, 0)).all()
    assert (pooled == after.reshape(13, 2, 13, 2, 32).max((1, 3))).all()


def test_threads_do_not_mix_answers() -> None:
    folder = ROOT / "models" / "digits" / "1"
    explainer = Explainer(folder, load_card(folder), threads=2)
    batch = pixels(100)
    alone = [explainer.terms(photo).maps for photo in batch]
    with ThreadPoolExecutor(8) as pool:
        together = [terms.maps for terms in pool.map(explainer.terms, batch)]
    assert (np.array(alone) == np.array(together)).all()


def test_a_file_that_is_no_network_is_refused(stripes_model: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(stripes_model, tmp_path / "1"))
    (folder / EXPLAIN).write_bytes(b"TFL3" + bytes(100))
    card = load_card(stripes_model)
    card = card.model_copy(update={"files": {EXPLAIN: sha256(folder / EXPLAIN)}})
    with pytest.raises(ModelError, match="LiteRT cannot load it"):
        Explainer(folder, card).terms(pixels(1)[0])
