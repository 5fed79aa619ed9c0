"""Compare scores that refuse pictures of other things, and count what the sets of labels hold.

    python -m benchmarks.training.familiarity models/cats-vs-dogs data/cats_vs_dogs_small \
        --foreign pictures --more photos
    python -m benchmarks.training.familiarity models/clothes data/clothes --foreign pictures \
        --all-foreign

The pictures in `--foreign` are named n<WordNet id>_<name>.jpg, like the classes of ImageNet. The
options `--own` and `--near` have the ids of the model's classes and of things that resemble them;
the defaults fit cats and dogs. Each score gets its threshold from the calibration photos; if a
class has too few of them, from all validation photos. The tables go to
build/benchmarks/familiarity-MODEL-VERSION.md.
"""

import os
import re
from pathlib import Path

from app.cli import CommandError, Parser, command, note, positive
from app.model.card import CALIBRATION
from app.model.classifier import Classifier
from app.model.conformal import ConformalSets
from app.model.version_folder import find_version, load_card, read_listed
from benchmarks.harness.made_pictures import made_pictures
from benchmarks.harness.table import timed, write_result
from benchmarks.training.familiarity_scores import answers, last_layer
from benchmarks.training.familiarity_tables import score_table, sets_table
from training.data.calibration import hold_out_calibration
from training.data.class_folders import open_dataset, open_pictures
from training.data.fingerprints import FINGERPRINTS, read_fingerprints, short_fingerprint
from training.data.samples import Dataset, Sample
from training.evaluation.decisions import STRICTNESSES

PROG = "python -m benchmarks.training.familiarity"
Ids = tuple[int, int]  # the first and the last of a range
OWN: list[Ids] = [(2085620, 2113978), (2123045, 2124075)]  # dogs, cats
NEAR: list[Ids] = [
    (2114367, 2120505),  # wolves, hyenas, foxes
    (2125311, 2132135),  # big cats
    (2134419, 2138441),  # mongooses; the bears between the two do not count
    (2325366, 2364673),  # rabbits, rodents
    (2441942, 2447366),  # weasels, otters, badgers
]


@command(PROG)
def main() -> None:
    """Run the command."""
    arguments = _parser().parse_args()
    folder = find_version(arguments.model)
    if load_card(folder).thresholds is None:
        raise CommandError(f"{folder} does not measure familiarity; train it again.")
    own, near = ([], []) if arguments.all_foreign else (arguments.own, arguments.near)
    groups = split_foreign(open_pictures(arguments.foreign), own, near)
    if arguments.more:
        groups["more"] = open_pictures(arguments.more)
    groups["made"] = [
        Sample(name, -1, "", lambda data=data: data, "made")  # type: ignore[misc]
        for name, data in made_pictures()
    ]
    dataset = hold_out_calibration(open_dataset(arguments.data))
    with timed(PROG):
        _measure(folder, dataset, groups, arguments.train)


def _parser() -> Parser:
    parser = Parser(PROG, description="Compare scores that refuse pictures of other things.")
    parser.add_argument("model", type=Path, help="a version folder, or a folder of versions")
    parser.add_argument("data", type=Path, help="class folders, as training.fit took them")
    parser.add_argument("--foreign", type=Path, required=True, help="a folder of n<id>_<name>.jpg")
    parser.add_argument("--more", type=Path, help="a folder of photos that should be kept")
    parser.add_argument("--own", type=id_range, nargs="+", default=OWN, help="e.g. 2085620-2113978")
    parser.add_argument("--near", type=id_range, nargs="+", default=NEAR)
    parser.add_argument(
        "--all-foreign", action="store_true", help="no picture in --foreign is own or near"
    )
    parser.add_argument("--train", type=positive, default=5000, help="photos to fit scores on")
    return parser


def id_range(text: str) -> Ids:
    """Parse a range of WordNet ids, or a single one."""
    first, _, last = text.replace("n", "").partition("-")
    return int(first), int(last or first)


id_range.__name__ = "range of WordNet ids"


def split_foreign(
    samples: list[Sample], own: list[Ids], near: list[Ids]
) -> dict[str, list[Sample]]:
    """Return the pictures by group: "own", "near" and "far", without empty groups.

    Raises:
        CommandError: there are ranges, and a picture's name has no WordNet id.
    """
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        found = re.match(r"n(\d{8})_", Path(sample.name).name)
        if found is None and (own or near):
            raise CommandError(
                f"{sample.name}: expected a name like n02114548_white_wolf.jpg. If no picture "
                "shows one of the model's classes, use --all-foreign."
            )
        number = int(found[1]) if found else -1
        ranges = {"own": own, "near": near}
        fits = (name for name, ids in ranges.items() if any(a <= number <= b for a, b in ids))
        groups.setdefault(next(fits, "far"), []).append(sample)
    return groups


def _measure(folder: Path, dataset: Dataset, groups: dict[str, list[Sample]], most: int) -> None:
    classifier = Classifier.load(folder, engine="litert-float", threads=os.cpu_count() or 1)
    card, familiarity = classifier.card, classifier.network.familiarity
    content = read_listed(folder, card, CALIBRATION)
    assert familiarity is not None  # a card with thresholds lists
    assert content is not None  # both files
    if dataset.labels != card.labels:
        raise CommandError(f"the data has the labels {dataset.labels}, the model {card.labels}.")
    parts = {
        "train": _training_photos(folder, dataset)[:most],
        "known": dataset.calibration or dataset.validation,
        "test": dataset.test,
        **groups,
    }
    layer = last_layer(folder)
    found = {name: answers(classifier, layer, part, name) for name, part in parts.items()}
    train, known = found.pop("train"), found.pop("known")
    scores = score_table(train, known, found, familiarity)
    sets = sets_table(ConformalSets.read(content, card), card.labels, found["test"])
    text = f"{card.name} {card.version}; thresholds that refuse {_joined(STRICTNESSES)} of known "
    text += f"photos; scores fitted on {len(train.truths):,} training photos"
    write_result(f"familiarity-{card.name}-{card.version}", f"{text}\n\n{scores}\n\n{sets}")


def _training_photos(folder: Path, dataset: Dataset) -> list[Sample]:
    """Return those that the version was trained on, in an order that depends on no name."""
    known = read_fingerprints(folder / FINGERPRINTS)
    trained = [sample for sample in dataset.train if short_fingerprint(sample) in known]
    if not trained:
        raise CommandError(f"{folder} was not trained on this data.")
    seen = sum(short_fingerprint(sample) in known for sample in dataset.test)
    if seen:
        note(f"the model was trained on {seen} of the {len(dataset.test)} test photos")
    return sorted(trained, key=lambda sample: sample.sha256)


def _joined(shares: tuple[float, ...]) -> str:
    return " / ".join(f"{share:.1%}" for share in shares)


if __name__ == "__main__":
    main()
