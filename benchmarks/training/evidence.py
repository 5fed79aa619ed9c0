"""Evaluate a model's evidence maps: additivity, occlusion and a sanity check.

    python -m benchmarks.training.evidence models/cats-vs-dogs/1 data/cats_vs_dogs_small/test
    python -m benchmarks.training.evidence models/digits/1 mnist.npz

All three use the decoder and the files of the service:

additivity  the largest |sum of a map + bias - logit| over all photos and labels
blanking    the fall of the answer's probability when the fifth of the photo with the most evidence
            is painted with the photo's mean colour, compared with a random fifth (mean over
            `--random` draws for each photo). It is measured for positions of the evidence map,
            which may not cover the whole photo, and for a grid of 10 x 10 squares of the photo,
            with the evidence of the interpolated map
sanity      Spearman's rank correlation with the maps after shuffling the last layer's weights
            (mean over photos). It should be near 0; otherwise the map does not depend on the
            network. Source: J. Adebayo et al., Sanity checks for saliency maps (2018)
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from app.cli import Parser, command, natural, positive, progress
from app.explain.attribution import Evidence, Explanation, by_label, explain
from app.explain.heatmap import spread
from app.model.card import EXPLAIN, KERAS, LITERT, Card
from app.model.classifier import Classifier
from app.model.explainer import Explainer
from app.model.version_folder import find_version
from training.data.class_folders import open_subset
from training.data.mnist import open_npz
from training.data.samples import Sample
from training.publishing.convert import convert

PROG = "python -m benchmarks.training.evidence"
_SHARE = 0.2  # of the positions that are painted


@dataclass(frozen=True)
class Drops:
    """The mean fall of the answer's probability, by evidence and at random."""

    evidence: float
    random: float


@command(PROG)
def main() -> None:
    """Run the command."""
    parser = Parser(PROG, description="Measure a model's evidence on labelled photos.")
    parser.add_argument("model", type=Path, help="a version folder with explain.tflite")
    parser.add_argument("photos", type=Path, help="FOLDER/CLASS/PHOTO, or an .npz of digits")
    parser.add_argument("--photos-to-blank", type=positive, default=500, help="default: 500")
    parser.add_argument("--random", type=positive, default=5, help="draws for each photo")
    parser.add_argument("--shuffles", type=positive, default=5, help="default: 5")
    parser.add_argument("--seed", type=natural, default=0)
    arguments = parser.parse_args()
    folder = find_version(arguments.model)
    classifier = Classifier.load(folder, engine="litert-float")
    samples = _samples(arguments.photos, classifier.card)
    random = np.random.default_rng(arguments.seed)
    error = additivity_error(classifier, samples)
    print(f"additivity: at most {error:.1e} off over {len(samples):,} photos")
    some = [samples[i] for i in random.permutation(len(samples))[: arguments.photos_to_blank]]
    for whole, of in ((False, "the places"), (True, "the photo")):
        drops = occlusion_drops(classifier, some, arguments.random, random, whole=whole)
        print(
            f"blanking {_SHARE:.0%} of {of}: the probability falls by {drops.evidence:.3f} by "
            f"evidence, by {drops.random:.3f} at random (mean over {len(some)} photos)"
        )
    likeness = [
        shuffled_correlation(classifier, folder, some, random) for _ in range(arguments.shuffles)
    ]
    print(
        f"sanity: rank correlation {np.mean(likeness):+.3f} with the maps of shuffled weights "
        f"(means of {len(likeness)} shuffles from {min(likeness):+.3f} to {max(likeness):+.3f})"
    )


def additivity_error(classifier: Classifier, samples: Sequence[Sample]) -> float:
    """Return the largest |map.sum() + bias - logit| over photos and labels."""
    worst = 0.0
    for sample in progress(samples, "adding up", "photo"):
        for one in explain(classifier, sample.read()).evidence.values():
            total = float(one.map.sum(dtype=np.float64)) + one.bias
            worst = max(worst, abs(total - one.logit))
    return worst


def occlusion_drops(
    classifier: Classifier,
    samples: Sequence[Sample],
    draws: int,
    random: np.random.Generator,
    *,
    whole: bool,
) -> Drops:
    """Paint the positions with the most evidence for the answer, and random positions.

    Args:
        classifier, samples: the model and the photos.
        draws: the number of random choices for each photo.
        random: the generator.
        whole: use squares of the whole photo instead of the positions of the map.
    """
    falls: list[tuple[float, float]] = []
    for sample in progress(samples, "blanking", "photo"):
        data = sample.read()
        pixels = classifier.pixels(data)
        explanation = explain(classifier, data)
        answer = explanation.prediction
        grid = _photo_grid(explanation) if whole else _map_grid(explanation)
        chosen = [_top_mask(grid.values)]
        chosen += [_top_mask(random.random(grid.values.shape)) for _ in range(draws)]
        batch = np.stack([_paint(pixels, places, grid) for places in chosen])
        left = [p.probabilities[answer.label] for p in classifier.predict_pixels(batch)]
        at_random = float(np.mean(left[1:]))
        falls.append((answer.probability - left[0], answer.probability - at_random))
    mean = np.mean(falls, axis=0)
    return Drops(evidence=float(mean[0]), random=float(mean[1]))


def shuffled_correlation(
    classifier: Classifier, folder: Path, samples: Sequence[Sample], random: np.random.Generator
) -> float:
    """Return the mean rank correlation of the answer's map with that of a shuffled network."""
    likeness = []
    with tempfile.TemporaryDirectory() as scratch:
        other = _shuffled(folder, Path(scratch), classifier.card, random)
        for sample in progress(samples, "shuffled", "photo"):
            data = sample.read()
            explanation = explain(classifier, data)
            label = explanation.prediction.label
            evidence = by_label(classifier.card, other.terms(classifier.pixels(data)))
            maps = (
                _relative_evidence(explanation.evidence, label),
                _relative_evidence(evidence, label),
            )
            likeness.append(spearmanr(*(values.ravel() for values in maps)).statistic)
    return float(np.nanmean(likeness))


def _shuffled(folder: Path, scratch: Path, card: Card, random: np.random.Generator) -> Explainer:
    import keras

    network = keras.saving.load_model(folder / KERAS, compile=False, safe_mode=True)
    kernel, bias = network.layers[-1].get_weights()
    network.layers[-1].set_weights([random.permuted(kernel, axis=0), bias])
    network.save(scratch / KERAS)
    convert(*(str(scratch / name) for name in (KERAS, LITERT, EXPLAIN)))
    return Explainer(card, (scratch / EXPLAIN).read_bytes)


def _samples(path: Path, card: Card) -> list[Sample]:
    if path.suffix == ".npz":
        return open_npz(path).test
    return open_subset(path, card.labels)


def _relative_evidence(evidence: dict[str, Evidence], label: str) -> np.ndarray:
    """Return a label's map minus the mean of all labels' maps."""
    mean = np.mean([one.map for one in evidence.values()], axis=0)
    return np.asarray(evidence[label].map - mean)


@dataclass(frozen=True)
class _Grid:
    """Values at positions, whose centres are fractions of the photo's height and width."""

    values: np.ndarray
    rows: list[float]
    columns: list[float]


def _map_grid(explanation: Explanation) -> _Grid:
    values = _relative_evidence(explanation.evidence, explanation.prediction.label)
    return _Grid(values, explanation.rows, explanation.columns)


def _photo_grid(explanation: Explanation) -> _Grid:
    places = _map_grid(explanation)
    scaled = places.values / np.abs(places.values).max()
    even = [(place + 0.5) / 10 for place in range(10)]
    return _Grid(spread(scaled, places.rows, places.columns, 10, 10), even, even)


def _top_mask(values: np.ndarray) -> np.ndarray:
    """Return a mask of the fifth of the positions with the highest values, at least one."""
    count = max(1, round(_SHARE * values.size))
    mask = np.zeros(values.size, bool)
    mask[np.argsort(-values, axis=None)[:count]] = True
    return mask.reshape(values.shape)


def _paint(pixels: np.ndarray, chosen: np.ndarray, grid: _Grid) -> np.ndarray:
    """Paint the rectangle of each chosen position with the photo's mean colour."""
    down = _pixel_masks(grid.rows, pixels.shape[0])
    across = _pixel_masks(grid.columns, pixels.shape[1])
    mask = (down.astype(int) @ chosen.astype(int) @ across.T.astype(int)) > 0
    return np.asarray(np.where(mask[..., np.newaxis], pixels.mean((0, 1)), pixels), np.uint8)


def _pixel_masks(centres: list[float], pixels: int) -> np.ndarray:
    """Return bool (pixels, positions): whether a pixel is within half a step of a centre."""
    step = centres[1] - centres[0]
    middles = (np.arange(pixels) + 0.5) / pixels
    return np.asarray(np.abs(middles[:, np.newaxis] - centres) <= step / 2)


if __name__ == "__main__":
    main()
