import io

import numpy as np
import pytest
from PIL import Image

from app.cli import CommandError
from app.model.conformal import ConformalSets
from benchmarks.harness.made_pictures import made_pictures
from benchmarks.training.familiarity import NEAR, OWN, id_range, split_foreign
from benchmarks.training.familiarity_scores import PRODUCT, Answers, both_logits, fit_scores
from benchmarks.training.familiarity_tables import score_table, sets_table
from training.data.samples import Sample
from training.publishing.familiarity import fit_familiarity

FEATURES = 300


def cluster(seed: int, count: int, distance: float = 0.0) -> Answers:
    """Two classes of photos in two directions, or pictures that lie off them by `distance`."""
    random = np.random.default_rng(seed)
    truths = np.arange(count) % 2
    features = random.normal(0, 0.3, (count, FEATURES))
    features[np.arange(count), truths] += 8
    features[:, 20:] += distance
    logit = features[:, 1:2] - features[:, 0:1]
    logits = both_logits(logit if distance == 0 else 0.1 * logit)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Answers(truths, features.astype(np.float32), logits, probabilities)


def test_every_score_tells_far_pictures_from_known_photos() -> None:
    train, known = cluster(0, 400), cluster(1, 200)
    familiarity = fit_familiarity(train.features, train.truths, known.features)
    groups = {"test": cluster(2, 300), "far": cluster(3, 50, 3.0), "more": cluster(4, 60)}
    header, _, *rows = score_table(train, known, groups, familiarity).splitlines()
    assert "| foreign refused of 50, % | more kept of 60, % |" in header
    assert "near refused" not in header
    assert len(rows) == len(fit_scores(train, familiarity))
    for row in rows:
        name, far, near, kept, refused, more = row.strip("| ").split(" | ")
        assert float(far) > 0.99, name
        assert near == "-"
        assert [float(share) for share in refused.split(" / ")] == [100.0] * 3, name
        for shares in (kept, more):
            assert min(float(share) for share in shares.split(" / ")) > 90, name


def test_the_product_has_the_threshold_that_is_served() -> None:
    train, known, test = cluster(0, 400), cluster(1, 200), cluster(2, 300)
    familiarity = fit_familiarity(train.features, train.truths, known.features)
    served = [each.share for each in familiarity.measure(test.features)]
    expected = " / ".join(
        f"{100 * np.mean([share >= least for share in served]):.1f}"
        for least in (0.005, 0.01, 0.02)
    )
    # The known photos of the other scores do not matter.
    rows = score_table(train, cluster(5, 20), {"test": test}, familiarity).splitlines()
    assert f"| {PRODUCT} | - | - | {expected} |" in rows


def test_energy_ranks_two_classes_as_the_probability_does() -> None:
    photos = cluster(0, 100)
    scores = fit_scores(photos, fit_familiarity(photos.features, photos.truths, photos.features))
    order = np.argsort(photos.probabilities.max(axis=1), kind="stable")
    for name in ("energy", "largest probability"):
        assert (np.diff(scores[name](photos)[order]) >= -1e-9).all()


def test_the_table_of_sets_counts_classes_and_sizes() -> None:
    sets = ConformalSets(
        np.repeat([np.linspace(0.3, 0.98, 99)], 2, axis=0).ravel(), np.repeat([0, 1], 99)
    )
    probabilities = np.array([[0.99, 0.01], [0.55, 0.45], [0.01, 0.99], [0.99, 0.01]])
    tested = Answers(np.array([0, 0, 1, 1]), np.zeros((4, 1)), np.zeros((4, 2)), probabilities)
    lines = sets_table(sets, ("cat", "dog"), tested).splitlines()
    assert lines[0] == "| true label in the set | test photos | error 1% | error 5% | error 10% |"
    assert lines[2:] == [
        "| cat | 2 | 100.0% | 100.0% | 100.0% |",
        "| dog | 2 | 50.0% | 50.0% | 50.0% |",
        "| sets of one label | 4 | 75.0% | 75.0% | 75.0% |",
        "| mean size of a set | 4 | 1.25 | 1.25 | 1.25 |",
    ]


def named(*names: str) -> list[Sample]:
    return [Sample(name, -1, "", lambda: b"") for name in names]


def test_foreign_pictures_are_grouped_by_their_ids() -> None:
    wolf, bear, tiger = (
        "n02114548_white_wolf.jpg",
        "n02132136_brown_bear.jpg",
        "n02129604_tiger.jpg",
    )
    dog, cat, hen = "n02085782_dog.jpg", "sub/n02123159_tiger_cat.jpg", "n01514859_hen.jpg"
    groups = split_foreign(named(wolf, bear, tiger, dog, cat, hen), OWN, NEAR)
    names = {group: [sample.name for sample in samples] for group, samples in groups.items()}
    assert names == {"near": [wolf, tiger], "far": [bear, hen], "own": [dog, cat]}
    assert id_range("n02085620-n02113978") == OWN[0]
    assert id_range("n02114548") == (2114548, 2114548)


def test_a_foreign_picture_without_an_id_needs_all_foreign() -> None:
    with pytest.raises(CommandError, match=r"car\.jpg: expected a name like .* --all-foreign"):
        split_foreign(named("car.jpg"), OWN, NEAR)
    assert list(split_foreign(named("car.jpg"), [], [])) == ["far"]


def test_made_pictures_are_the_same_in_every_call() -> None:
    first, again = list(made_pictures(2)), list(made_pictures(2))
    assert first == again
    assert len({data for _, data in first}) == len(first)
    for name, data in first:
        with Image.open(io.BytesIO(data)) as image:
            assert min(image.size) >= 180, name
