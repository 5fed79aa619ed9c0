"""Write a version folder's card: `card.json`, and the same as text, `README.md`."""

from pathlib import Path

from app.model.card import CALIBRATION, CARD, EXPLAIN, FAMILIARITY, INT8, KERAS, LITERT, Card
from app.model.version_folder import sha256
from training.atomic import write_text
from training.data.fingerprints import FINGERPRINTS
from training.publishing.card_tables import decisions, int8

_MAX_LABELS = 30  # in the table of the confusion matrix
_MAX_CONFUSIONS = 10
CROSS_VALIDATED = "cross_validated"  # the prefix of the figures of a small data set
_SMALL = (
    "A class has too few photos to hold some out for a test. The cross-validated figures come from "
    "networks that were each trained on a part of the photos and tested on the rest; the published "
    "network was trained on all of them. Test it on new photos before you rely on it."
)
_NEVER_DECIDES = "It gives one of its labels to every picture, also to one that shows none of them."
_DECIDES = (
    "It gives one of its labels to every picture, and says how familiar the picture is: a picture "
    "of nothing like the training photos is `unknown`."
)
_TESTED = (
    "The test figures come from the published files, through the code that serves them, from the "
    "photos' raw bytes. They are those of the network in float32."
)
README, CURVES, EVALUATION = "README.md", "training.png", "evaluation.png"
_FILES = (
    KERAS, LITERT, INT8, EXPLAIN, FAMILIARITY, CALIBRATION, FINGERPRINTS, README, CURVES,
    EVALUATION,
)  # fmt: skip


def write(folder: Path, card: Card) -> Card:
    """Write both files; return the card, with the checksums of the version's files as they are."""
    names = sorted({*_FILES, *card.files} & {entry.name for entry in folder.iterdir()})
    files = {name: sha256(folder / name) for name in names}
    write_text(folder / README, render(card.model_copy(update={"files": files})))
    files = dict(sorted({**files, README: sha256(folder / README)}.items()))
    card = card.model_copy(update={"files": files})
    write_text(folder / CARD, card.model_dump_json(indent=2) + "\n")
    return card


def render(card: Card) -> str:
    """Return the model card as Markdown."""
    parts = [
        _head(card), _figures(card), _confusion(card), decisions(card), _plots(card), int8(card),
        _recipe(card), _layers(card),
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(card: Card) -> str:
    shape = card.input
    labels = ", ".join(card.labels)
    output = (
        f"one sigmoid, the probability of `{card.labels[1]}`"
        if card.activation == "sigmoid"
        else f"a softmax over {len(card.labels)} labels"
    )
    return (
        f"# {card.name}, version {card.version}\n\n"
        f"Tells apart: {labels}. Input: one photo, stretched to {shape.height}x{shape.width} with "
        f"{shape.channels} channel{'s' if shape.channels > 1 else ''}; output: {output}. "
        f"{card.parameters:,} parameters{_multiply_adds(card)}.\n\n"
        + (_DECIDES if card.thresholds else _NEVER_DECIDES)
    )


def _multiply_adds(card: Card) -> str:
    if card.multiply_adds is None:
        return ""
    return f", {card.multiply_adds / 1e6:,.0f} million multiply-adds a photo"


def _figures(card: Card) -> str:
    rows = []
    for name, metric in card.metrics.items():
        interval = "" if metric.low is None else f"{metric.low:.4f} to {metric.high:.4f}"
        label = name.replace("_", " ")
        rows.append(f"| {label} | {metric.value:.4f} | {interval} | {metric.samples:,} |")
    small = any(name.startswith(CROSS_VALIDATED) for name in card.metrics)
    return (
        f"## Measured\n\n{_SMALL if small else _TESTED}\n\n"
        "| figure | value | 95 % interval | photos |\n| --- | --- | --- | --- |\n" + "\n".join(rows)
    )


def _cell(value: str | float | None) -> str:
    return str(value).replace("|", "\\|")


def _confusion(card: Card) -> str:
    if not card.confusion:  # nothing has been measured yet
        return ""
    if len(card.labels) > _MAX_LABELS:
        where = f"The confusion matrix of the {len(card.labels)} labels is in `card.json`."
        return f"{_by_class(card)}\n\n{where}"
    answers = " | ".join(f"answered {_cell(label)}" for label in card.labels)
    header = f"| true label | {answers} |"
    separator = "| --- " * (len(card.labels) + 1) + "|"
    rows = [
        f"| {_cell(label)} | " + " | ".join(str(count) for count in row) + " |"
        for label, row in zip(card.labels, card.confusion, strict=True)
    ]
    table = "\n".join([header, separator, *rows])
    return table if len(card.labels) == 2 else f"{_by_class(card)}\n\n{table}"


def _by_class(card: Card) -> str:
    """Return the labels with the lowest recall, and the most frequent confusions."""
    recalls = sorted(
        (row[label] / max(sum(row), 1), sum(row), card.labels[label])
        for label, row in enumerate(card.confusion)
    )
    lines = ["| label | recall | photos |", "| --- | --- | --- |"]
    lines += [f"| {_cell(label)} | {recall:.3f} | {n} |" for recall, n, label in recalls]
    pairs = sorted(
        (-count, card.labels[truth], card.labels[answer])
        for truth, row in enumerate(card.confusion)
        for answer, count in enumerate(row)
        if count and truth != answer
    )
    most = [f"{_cell(truth)} as {_cell(answer)} ({-n})" for n, truth, answer in pairs]
    shown = "; ".join(most[:_MAX_CONFUSIONS]) or "none"
    return "\n".join(lines[: _MAX_LABELS + 2]) + f"\n\nMost frequent confusions: {shown}."


def _plots(card: Card) -> str:
    if EVALUATION not in card.files:
        return ""
    return (
        "Does the confidence mean what it says, how well do the probabilities part the labels, "
        "and how good are the surest answers:\n\n"
        f"![Reliability, ROC and coverage on the test photos]({EVALUATION})"
    )


def _recipe(card: Card) -> str:
    def table(values: dict[str, str | int | float | None]) -> str:
        return "\n".join(
            f"| {name.replace('_', ' ')} | {_cell(value)} |" for name, value in values.items()
        )

    return (
        f"## Training\n\n![Loss and accuracy by epoch]({CURVES})\n\n"
        f"Published {card.created:%Y-%m-%d}.\n\n"
        f"| recipe | |\n| --- | --- |\n{table(dict(card.recipe))}\n\n"
        f"| data | |\n| --- | --- |\n{table(dict(card.data))}\n\n"
        f"| library | version |\n| --- | --- |\n{table(dict(card.libraries))}"
    )


def _layers(card: Card) -> str:
    return f"## Layers\n\n```\n{card.summary.rstrip()}\n```"
