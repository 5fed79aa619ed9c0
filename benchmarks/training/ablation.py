"""What each technique of the default recipe is worth: validation accuracy without it.

    python -m benchmarks.training.ablation data/cats_vs_dogs_small --epochs 30 --seeds 2 --side 64

Trains the recipe whole and once without each technique, for a few epochs and some seeds, each
in a process of its own, and prints a table. Small photos make it fit: training and validation
are both at `--side`. Results are kept in `--results`: an interrupted
run goes on where it was. The test photos are not looked at.
"""

import json
import statistics
import sys
from argparse import ArgumentTypeError, Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.harness.process import last_line
from training.cli import Parser, natural, positive, run
from training.data.augmentation import Augmentation
from training.recipes.catalogue import RESIDUAL
from training.recipes.recipe import Recipe

PROG = "python -m benchmarks.training.ablation"
_GRID = 32  # the most that a variant's strides come to


def _without(**augmentation: Any) -> Recipe:
    assert RESIDUAL.augmentation is not None
    return replace(RESIDUAL, augmentation=replace(RESIDUAL.augmentation, **augmentation))


_HALVING = {**RESIDUAL.options, "strides": (2, 2, 2, 2)}

VARIANTS = {
    "the whole recipe": RESIDUAL,
    "without flip": _without(flip=False),
    "without rotation": _without(rotation=0.0),
    "without crop": _without(crop=0.0),
    "without colour": _without(colour=0.0),
    "without CutMix": _without(cutmix=0.0),
    "without any augmentation": replace(RESIDUAL, augmentation=Augmentation()),
    "without mirror symmetry": replace(RESIDUAL, mirror_symmetric=False),
    "without label smoothing": replace(RESIDUAL, label_smoothing=0.0),
    "without averaged weights": replace(RESIDUAL, average=0.0),
    "without warm-up and cosine": replace(RESIDUAL, warmup=0),
    "without weight decay": replace(RESIDUAL, weight_decay=0.0),
    "without dropout": replace(RESIDUAL, options={**RESIDUAL.options, "dropout": 0.0}),
    # At the rate that the recipe had with it (commit c8b3aa8).
    "AdamW instead of Muon": replace(RESIDUAL, optimizer="adamw", learning_rate=2e-3),
    "a third of the learning rate": replace(RESIDUAL, learning_rate=RESIDUAL.learning_rate / 3),
    "a first stage that halves the photo": replace(RESIDUAL, options=_HALVING),
}


def main() -> None:
    """The command."""
    parser = Parser(PROG, description="Train the default recipe without each of its techniques.")
    parser.add_argument("data", type=Path, help="class folders, as training.fit takes them")
    parser.add_argument("--epochs", type=positive, default=30)
    parser.add_argument("--seeds", type=positive, default=2, help="how many")
    parser.add_argument("--side", type=_side, default=64, help="of a photo, in pixels")
    parser.add_argument("--cache", type=Path, default=Path("data/.cache"))
    parser.add_argument("--results", type=Path, default=Path("build/ablation.json"))
    parser.add_argument("--one", choices=VARIANTS, help="this one only, as a number")
    parser.add_argument("--seed", type=natural, default=0, help="of --one")
    arguments = parser.parse_args()
    if arguments.one:
        print(_accuracy(arguments))
        return
    known: dict[str, float] = {}
    if arguments.results.is_file():
        known = json.loads(arguments.results.read_text(encoding="utf-8"))
    arguments.results.parent.mkdir(parents=True, exist_ok=True)
    for seed in range(arguments.seeds):
        for name in VARIANTS:
            key = _key(name, arguments, seed)
            if key not in known:
                known[key] = _in_a_process(name, seed, sys.argv[1:])
                arguments.results.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
            print(f"{key}: {known[key]:.1%}", flush=True)
    print(_table(known, arguments))


def _accuracy(arguments: Namespace) -> float:
    """Validation accuracy of the final weights."""
    from benchmarks.harness.trial import history_of

    variant = VARIANTS[arguments.one]
    recipe = replace(
        variant,
        options={**variant.options, "side": arguments.side},
        sides=((arguments.side, 1.0),),
        epochs=arguments.epochs,
        validate_every=arguments.epochs,
        seed=arguments.seed,
    )
    last = history_of(recipe, arguments.data, arguments.cache)[-1]
    return last["val_accuracy"] or 0.0


def _side(text: str) -> int:
    side = positive(text)
    if side % _GRID:
        raise ArgumentTypeError(f"{side} is not a multiple of {_GRID}, by which a network halves.")
    return side


def _key(name: str, arguments: Namespace, seed: int) -> str:
    return f"{name}, {arguments.epochs} epochs, {arguments.side} pixels, seed {seed}"


def _in_a_process(name: str, seed: int, words: list[str]) -> float:
    one = ["--one", name, "--seed", str(seed)]
    return float(last_line("benchmarks.training.ablation", [*words, *one], name))


def _table(known: dict[str, float], arguments: Namespace) -> str:
    rows = {
        name: [known[_key(name, arguments, seed)] for seed in range(arguments.seeds)]
        for name in VARIANTS
    }
    whole = statistics.mean(rows["the whole recipe"])
    lines = ["| recipe | validation accuracy | by seed | worth |", "| --- | --- | --- | --- |"]
    for name, values in rows.items():
        mean = statistics.mean(values)
        each = ", ".join(f"{value:.1%}" for value in values)
        lines.append(f"| {name} | {mean:.1%} | {each} | {100 * (whole - mean):+.1f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    run(PROG, main)
