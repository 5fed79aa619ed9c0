"""The tables of benchmarks.training.familiarity: one of scores, one of the sets of labels."""

import numpy as np
from sklearn.metrics import roc_auc_score

from app.model.conformal import ConformalSets
from app.model.familiarity import Familiarity
from benchmarks.harness.table import markdown_table
from benchmarks.training.familiarity_scores import PRODUCT, Answers, fit_scores
from training.evaluation.decisions import STRICTNESSES, set_figures

# The groups of pictures, and whether a picture of the group should be refused.
COLUMNS = {"test": False, "foreign": True, "near": True, "own": False, "more": False, "made": True}


def score_table(
    train: Answers, known: Answers, groups: dict[str, Answers], familiarity: Familiarity
) -> str:
    """Return a table with a row for each score.

    Args:
        train: for the scores that are fitted.
        known: sets the threshold of each score; the product has its own known photos.
        groups: "test", and any of "far", "near", "own", "more" and "made".
        familiarity: the product's score.
    """
    counts = {name: len(part.features) for name, part in groups.items()}
    counts["foreign"] = counts.get("far", 0) + counts.get("near", 0)
    columns = {name: refuse for name, refuse in COLUMNS.items() if counts.get(name)}
    header = ["score", "AUROC far", "AUROC near"]
    header += [
        f"{name} {'refused' if refuse else 'kept'} of {counts[name]:,}, %"
        for name, refuse in columns.items()
    ]
    rows = []
    for name, score in fit_scores(train, familiarity).items():
        values = {group: score(part) for group, part in groups.items()}
        if "foreign" in columns:
            values["foreign"] = np.concatenate([values[g] for g in ("far", "near") if g in values])
        ordered = familiarity.known if name == PRODUCT else np.sort(score(known))
        cells = [auroc(values["test"], values.get(group)) for group in ("far", "near")]
        cells += [_shares(values[group], ordered, refuse) for group, refuse in columns.items()]
        rows.append([name, *cells])
    return markdown_table(header, rows)


def auroc(known: np.ndarray, others: np.ndarray | None) -> str:
    """Return how well a score ranks known photos above others; "-" without others."""
    if others is None:
        return "-"
    truths = np.repeat([1, 0], [len(known), len(others)])
    return f"{roc_auc_score(truths, np.concatenate([known, others])):.4f}"


def _shares(values: np.ndarray, known: np.ndarray, refuse: bool) -> str:
    """Return the shares that are refused or kept, in percent at each strictness."""
    familiarity = np.searchsorted(known, values, "right") / len(known)
    kept = [float((familiarity >= least).mean()) for least in STRICTNESSES]
    return " / ".join(f"{100 * (1 - share if refuse else share):.1f}" for share in kept)


def sets_table(sets: ConformalSets, labels: tuple[str, ...], tested: Answers) -> str:
    """Return a table of the sets' coverage by class, of sets of one label, and of their size."""
    found = set_figures(sets, labels, tested.truths, tested.probabilities)
    rows = []
    for label in found[0].coverage if found else ():
        covered = [figures.coverage[label] for figures in found]
        rows.append([label, f"{covered[0].samples:,}", *(f"{each.value:.1%}" for each in covered)])
    every = f"{len(tested.truths):,}"
    rows.append(["sets of one label", every, *(f"{each.decided.value:.1%}" for each in found)])
    sizes = [
        np.mean([len(sets.labels(list(row), each.error)) for row in tested.probabilities])
        for each in found
    ]
    rows.append(["mean size of a set", every, *(f"{size:.2f}" for size in sizes)])
    header = ["true label in the set", "test photos"]
    return markdown_table([*header, *(f"error {each.error:.0%}" for each in found)], rows)
