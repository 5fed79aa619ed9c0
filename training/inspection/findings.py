"""Collect everything that is worth a look in a data set, as text and as JSON."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.cli import shortened
from training.data.samples import SUBSETS, Dataset, Sample
from training.inspection.shortcuts import Shortcut, find_shortcuts
from training.inspection.suspects import (
    Mislabel,
    Odd,
    Pair,
    find_mislabels,
    find_odd,
    find_pairs,
)
from training.transfer.features import Extractor, compute_features

_IMBALANCE = 3.0  # largest class / smallest class


@dataclass(frozen=True)
class Findings:
    """The findings; lists are sorted, the most suspicious first.

    `counts` is the number of photos by class. `subset_of` is the subset of each photo, by the
    sample's identity. `unreadable` is class/name -> reason.
    """

    labels: tuple[str, ...]
    counts: dict[str, int]
    subset_of: dict[int, str]
    mislabels: list[Mislabel]
    pairs: list[Pair]
    odd: list[Odd]
    shortcuts: list[Shortcut]
    unreadable: dict[str, str]

    @property
    def imbalance(self) -> float:
        """The size of the largest class divided by that of the smallest."""
        return max(self.counts.values()) / min(self.counts.values())

    def place(self, sample: Sample) -> str:
        """Return SUBSET/CLASS/NAME of a photo."""
        return f"{self.subset_of[id(sample)]}/{sample.display_name}"

    def harmful_pairs(self) -> list[Pair]:
        """Return the pairs of different classes, or of different subsets."""
        return [
            pair
            for pair in self.pairs
            if pair.first.label != pair.second.label
            or self.subset_of[id(pair.first)] != self.subset_of[id(pair.second)]
        ]


def inspect_dataset(dataset: Dataset, extractor: Extractor, cache: Path, most: int) -> Findings:
    """Look at all photos of a data set.

    Args:
        dataset: the data set, as `open_dataset` returns it.
        extractor: which features.
        cache: the folder of all caches.
        most: how many odd photos to return.

    Raises:
        CommandError: the weights are missing, or a class has a single readable photo.
    """
    parts = {subset: getattr(dataset, subset) for subset in SUBSETS}
    subset_of = {id(sample): name for name, part in parts.items() for sample in part}
    found = compute_features([s for part in parts.values() for s in part], extractor, cache)
    counts = Counter(found.labels.tolist())
    return Findings(
        labels=dataset.labels,
        counts={label: counts[number] for number, label in enumerate(dataset.labels)},
        subset_of=subset_of,
        mislabels=find_mislabels(found.values, found.samples),
        pairs=find_pairs(found.values, found.samples),
        odd=find_odd(found.values, found.samples, most),
        shortcuts=find_shortcuts(found.samples),
        unreadable=found.unreadable,
    )


def as_text(found: Findings, most: int) -> str:
    """Return a table of the findings for a terminal, with at most `most` lines of each kind."""
    lines = [
        f"{sum(found.counts.values())} photos of {len(found.labels)} classes: "
        + shortened((f"{label} {count}" for label, count in found.counts.items()), 20)
    ]
    if found.imbalance > _IMBALANCE:
        lines.append(
            f"imbalance: the largest class has {found.imbalance:.1f} times the photos of the "
            "smallest; look at the accuracy of each class"
        )
    for shortcut in found.shortcuts:
        word = "suspicious" if shortcut.suspicious else "not suspicious"
        lines.append(
            f"{shortcut.source} alone tells the class: balanced accuracy {shortcut.accuracy:.1%} "
            f"(guessing: {shortcut.chance:.1%}), {word}"
        )
    lines += _section("probable mislabels", [_mislabel(found, m) for m in found.mislabels], most)
    pairs = [
        f"{pair.similarity:.3f}  {found.place(pair.first)}  {found.place(pair.second)}"
        for pair in found.harmful_pairs()
    ]
    lines += _section("near duplicates across classes or subsets", pairs, most)
    odd = [f"{each.similarity:.3f}  {found.place(each.sample)}" for each in found.odd]
    lines += _section("unlike the others of their class", odd, most)
    lines += _section("unreadable", [f"{k}: {v}" for k, v in found.unreadable.items()], most)
    return "\n".join(lines)


def _section(title: str, rows: list[str], most: int) -> list[str]:
    more = [f"  ... and {len(rows) - most} more"] if len(rows) > most else []
    return ["", f"{title}: {len(rows)}", *(f"  {row}" for row in rows[:most]), *more]


def _mislabel(found: Findings, row: Mislabel) -> str:
    return (
        f"{found.place(row.sample)}: {found.labels[row.answer]} {row.other:.1%}, "
        f"{found.labels[row.sample.label]} {row.own:.1%}"
    )


def as_json(found: Findings) -> dict[str, Any]:
    """Return all findings as types that JSON can represent."""
    return {
        "labels": list(found.labels),
        "counts": found.counts,
        "imbalance": found.imbalance,
        "shortcuts": [
            {
                "source": shortcut.source,
                "balanced_accuracy": shortcut.accuracy,
                "chance": shortcut.chance,
                "suspicious": shortcut.suspicious,
            }
            for shortcut in found.shortcuts
        ],
        "mislabels": [
            {
                "photo": found.place(row.sample),
                "label": found.labels[row.sample.label],
                "answer": found.labels[row.answer],
                "probability_of_label": row.own,
                "probability_of_answer": row.other,
            }
            for row in found.mislabels
        ],
        "near_duplicates": [
            {
                "photos": [found.place(pair.first), found.place(pair.second)],
                "similarity": pair.similarity,
            }
            for pair in found.pairs
        ],
        "odd": [
            {"photo": found.place(each.sample), "similarity": each.similarity} for each in found.odd
        ],
        "unreadable": found.unreadable,
    }
