"""How familiar a photo is: against scikit-learn, and what a damaged file is refused for."""

import io
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from app.model.card import FAMILIARITY, Card, ModelError
from app.model.familiarity import Familiarity
from app.model.version_folder import load_card
from tests.app.model.known import SIZES, features, others
from tests.versions import DIGITS
from training.publishing.familiarity import fit_familiarity

Arrays = dict[str, np.ndarray]


@cache
def fitted() -> Familiarity:
    return fit_familiarity(*features(0), known=features(1)[0])


def centred(values: np.ndarray, known: Familiarity) -> np.ndarray:
    return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True) - known.mean)


def test_the_first_term_is_the_mahalanobis_distance_from_the_nearest_class() -> None:
    # In half precision, as it is stored, the basis is not quite orthonormal.
    basis, signs = np.linalg.qr(fitted().basis.astype(np.float64))
    basis *= np.sign(np.diag(signs))
    known = replace(fitted(), basis=basis)
    inner = np.linalg.inv(known.whitening @ known.whitening.T)
    outer = known.residual * (np.eye(len(basis)) - basis @ basis.T)
    precision = np.linalg.inv(basis @ inner @ basis.T + outer)
    values = np.concatenate([features(2)[0], others(2)])
    gaps = centred(values, known)[:, np.newaxis] - known.centres @ basis.T
    squares = np.einsum("pcf,fg,pcg->pc", gaps, precision, gaps)
    assert known.terms(values)[0][:, 0] == pytest.approx(-squares.min(axis=1), rel=1e-3)


def test_the_second_term_is_the_similarity_to_the_most_similar_training_photo() -> None:
    known, (training, labels), (values, truths) = fitted(), features(0), features(2)
    inside = centred(training, known) @ known.basis.astype(np.float32)
    search = NearestNeighbors(n_neighbors=1, metric="cosine").fit(inside)
    asked = centred(values, known) @ known.basis.astype(np.float32)
    distances, places = search.kneighbors(asked)
    terms, nearest, similarity = known.terms(values)
    # The bank is stored in whole numbers, so that neighbours that are as near may change places.
    assert similarity == pytest.approx(1 - distances[:, 0], abs=0.01)
    assert np.mean(nearest == places[:, 0]) > 0.8
    assert (terms[:, 1] == similarity).all()
    found = [each.nearest for each in known.measure(values)]
    assert np.mean(found == labels[places[:, 0]]) > 0.99
    assert np.mean(found == truths) > 0.95


def test_the_familiarity_is_the_share_of_known_photos_that_are_no_more_familiar() -> None:
    known, own = fitted(), features(1)[0]
    scores = known.score(known.terms(own)[0])
    shares = np.array([each.share for each in known.measure(own)])
    assert shares[scores.argmin()] == pytest.approx(1 / len(own))
    assert shares[scores.argmax()] == 1
    assert (np.argsort(shares, kind="stable") == np.argsort(scores, kind="stable")).all()
    new = np.array([each.share for each in known.measure(features(5)[0])])
    assert np.mean(new < 0.1) == pytest.approx(0.1, abs=0.05)
    assert np.mean([each.share for each in known.measure(others(3))]) < 0.01


def test_the_length_of_the_features_does_not_matter() -> None:
    values = features(2)[0]
    assert fitted().terms(7 * values)[0] == pytest.approx(fitted().terms(values)[0], rel=1e-3)
    nothing = fitted().measure(np.zeros_like(values[:1]))[0]
    assert np.isfinite(nothing.similarity)


def test_pictures_of_other_things_teach_what_is_not_known() -> None:
    """The others lie where known photos do, but for one direction."""
    training, labels = features(0, (400, 300, 350))
    away = np.zeros_like(training[0])
    away[3] = 0.9

    def moved(seed: int) -> np.ndarray:
        values = features(seed)[0]
        return np.asarray(values + away * np.linalg.norm(values, axis=1, keepdims=True) / 20)

    known = features(1)[0]
    untaught = fit_familiarity(training, labels, known=known)
    taught = fit_familiarity(training, labels, known=known, others=moved(11))
    assert taught.scales.shape == (3, 2)

    def refused(one: Familiarity) -> float:
        return float(np.mean([each.share < 0.02 for each in one.measure(moved(12))]))

    assert refused(taught) > refused(untaught)
    assert np.mean([each.share < 0.02 for each in taught.measure(features(13)[0])]) < 0.08


def test_without_photos_that_were_kept_apart_cross_validation_measures() -> None:
    training, labels = features(0, (20, 11, 14))
    found = fit_familiarity(training, labels)
    assert len(found.known) == 45
    assert found.basis.shape[1] == 11, "four photos for each component"
    new = np.array([each.share for each in found.measure(features(5)[0])])
    assert np.mean(new < 0.1) < 0.3, "the training photos themselves would all look more familiar"
    assert np.mean([each.share for each in found.measure(others(3))]) < 0.05


def packed(arrays: Arrays) -> bytes:
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]
    return content.getvalue()


def arrays() -> Arrays:
    return {name: value for name, value in vars(fitted()).items() if not name.startswith("_")}


@pytest.fixture
def card() -> Card:
    return load_card(DIGITS).model_copy(update={"labels": ("a", "b", "c")})


def test_a_file_is_read_as_it_was_written(card: Card) -> None:
    read = Familiarity.read(packed(arrays()), card)
    assert read.features == fitted().features == 24
    values = features(2)[0]
    assert read.measure(values) == fitted().measure(values)
    assert np.bincount(read.bank_labels).tolist() == list(SIZES)


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found.pop("whitening"),
        lambda found: found.update(mean=found["mean"][:-1]),
        lambda found: found.update(basis=found["basis"][0]),
        lambda found: found.update(centres=found["centres"][:2]),
        lambda found: found.update(bank=found["bank"][:, 1:]),
        lambda found: found.update(bank=np.array(3)),
        lambda found: found.update(bank_labels=found["bank_labels"][1:]),
        lambda found: found.update(bank_labels=found["bank_labels"] + 1),
        lambda found: found.update(scales=found["scales"][:1]),
        lambda found: found.update(other=np.ones(5)),
        lambda found: found.update(known=np.empty(0)),
        lambda found: found.update(known=np.array(1.0)),
        lambda found: found.update(mean=found["mean"].astype(object)),
        lambda found: found.update(mean=found["mean"].astype("U9")),
        lambda found: found.update(residual=np.array(np.nan)),
    ],
)  # fmt: skip
def test_a_file_that_does_not_fit_is_refused(card: Card, change: Callable[[Arrays], None]) -> None:
    found = arrays()
    change(found)
    with pytest.raises(ModelError, match=f"^{FAMILIARITY}: "):
        Familiarity.read(packed(found), card)


@pytest.mark.parametrize("content", [b"", b"no zip", packed({"mean": np.ones(2)})[:-30]])
def test_a_file_that_cannot_be_read_is_refused(card: Card, content: bytes) -> None:
    with pytest.raises(ModelError, match=f"^{FAMILIARITY}: "):
        Familiarity.read(content, card)


def test_a_single_array_is_refused(card: Card) -> None:
    content = io.BytesIO()
    np.save(content, np.ones(3))
    with pytest.raises(ModelError, match=f"^{FAMILIARITY}: "):
        Familiarity.read(content.getvalue(), card)


def test_the_copy_with_other_scores_keeps_what_is_derived() -> None:
    other = replace(fitted(), known=fitted().known + 1)
    values = features(2)[0]
    assert (other.terms(values)[0] == fitted().terms(values)[0]).all()
