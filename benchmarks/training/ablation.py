"""Measure the validation accuracy of the recipe residual without each of its techniques.

    python -m benchmarks.training.ablation data/cats_vs_dogs_small --epochs 30 --seeds 2 --side 64

The recipe is trained completely and once without each technique, for a few epochs and seeds, each
time in a separate process. Training and validation use photos of `--side` pixels; small ones make
the benchmark feasible. The results are kept in `--results`, from which an interrupted run
continues. The test photos are not used.
"""

import json
import statistics
import sys
from argparse import ArgumentTypeError, Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.cli import Parser, command, natural, positive
from benchmarks.harness.process import run_module
from benchmarks.harness.table import markdown_table
from training.data.augmentation import Augmentation
from training.recipes.catalogue import RESIDUAL
from training.recipes.recipe import Recipe

PROG = "python -m benchmarks.training.ablation"
_TOTAL_STRIDE = 32  # the largest product of a variant's strides and of the stem's 2


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
    # The learning rate is lower, as AdamW needs another one than Muon.
    "AdamW instead of Muon": replace(RESIDUAL, optimizer="adamw", learning_rate=2e-3),
    "a third of the learning rate": replace(RESIDUAL, learning_rate=RESIDUAL.learning_rate / 3),
    "a first stage that halves the photo": replace(RESIDUAL, options=_HALVING),
}


@command(PROG)
def main() -> None:
    """Run the command."""
    parser = Parser(PROG, description="Train the recipe residual without each of its techniques.")
    parser.add_argument("data", type=Path, help="class folders, as training.fit takes them")
    parser.add_argument("--epochs", type=positive, default=30)
    parser.add_argument("--seeds", type=positive, default=2, help="how many")
    parser.add_argument("--side", type=_side, default=64, help="of a photo, in pixels")
    parser.add_argument("--cache", type=Path, default=Path("data/.cache"))
    parser.add_argument("--results", type=Path, default=Path("build/ablation.json"))
    parser.add_argument("--one", choices=VARIANTS, help="train only this one")
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
                known[key] = _measure_in_subprocess(name, seed, sys.argv[1:])
                arguments.results.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
            print(f"{key}: {known[key]:.1%}", flush=True)
    print(_table(known, arguments))


def _accuracy(arguments: Namespace) -> float:
    """Train one variant and return the validation accuracy of its final weights."""
    from benchmarks.harness.trial import train_history

    variant = VARIANTS[arguments.one]
    recipe = replace(
        variant,
        options={**variant.options, "side": arguments.side},
        sides=((arguments.side, 1.0),),
        epochs=arguments.epochs,
        validate_every=arguments.epochs,
        seed=arguments.seed,
    )
    last = train_history(recipe, arguments.data, arguments.cache)[-1]
    return last["val_accuracy"] or 0.0


def _side(text: str) -> int:
    side = positive(text)
    if side % _TOTAL_STRIDE:
        raise ArgumentTypeError(
            f"{side} is not a multiple of {_TOTAL_STRIDE}, by which a network halves."
        )
    return side


def _key(name: str, arguments: Namespace, seed: int) -> str:
    return f"{name}, {arguments.epochs} epochs, {arguments.side} pixels, seed {seed}"


def _measure_in_subprocess(name: str, seed: int, words: list[str]) -> float:
    one = ["--one", name, "--seed", str(seed)]
    return float(run_module("benchmarks.training.ablation", [*words, *one], name))


def _table(known: dict[str, float], arguments: Namespace) -> str:
    rows = {
        name: [known[_key(name, arguments, seed)] for seed in range(arguments.seeds)]
        for name in VARIANTS
    }
    whole = statistics.mean(rows["the whole recipe"])
    cells = []
    for name, values in rows.items():
        mean = statistics.mean(values)
        each = ", ".join(f"{value:.1%}" for value in values)
        cells.append([name, f"{mean:.1%}", each, f"{100 * (whole - mean):+.1f}"])
    return markdown_table(["recipe", "validation accuracy", "by seed", "worth"], cells)


if __name__ == "__main__":
    main()
