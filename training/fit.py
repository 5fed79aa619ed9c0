"""Train one recipe and publish it.

python -m training.fit                                        the lecture's cats and dogs
python -m training.fit --recipe digits --data mnist.npz       the lecture's digits
python -m training.fit --data photos --name fruit             your own FOLDER/CLASS/PHOTO
python -m training.fit --resume                               after an interruption
"""

import os
from argparse import Namespace
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.card import MODEL_NAME
from training.command import CommandError, Parser, natural, positive, run
from training.dataset import open_dataset
from training.evaluate import report
from training.recipes import LECTURE, RECIPES, Recipe
from training.samples import Dataset, decode_samples

if TYPE_CHECKING:
    from training.checkpoint import State

PROG = "python -m training.fit"


@dataclass(frozen=True)
class Plan:
    """What is going to be done."""

    recipe: Recipe
    name: str
    source: Path
    dataset: Dataset


def main() -> None:
    """The command."""
    arguments = _parser().parse_args()
    # Keras is imported below this line only: a wrong option should not wait for it.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    plan = _plan(arguments)
    if arguments.dry_run:
        from training.forecast import forecast

        print(forecast(plan.recipe, plan.dataset, plan.name, plan.source))
        return
    _fit(plan, arguments)


def _parser() -> Parser:
    parser = Parser(PROG, description="Train a recipe and publish the next version of its model.")
    parser.add_argument("--recipe", choices=sorted(RECIPES), default=LECTURE.name)
    parser.add_argument("--data", type=Path, help="class folders, or an .npz file of digits")
    parser.add_argument("--name", help="the model's name (needed for classes of your own)")
    parser.add_argument("--epochs", type=positive, help="instead of the recipe's number")
    parser.add_argument("--seed", type=natural, help="instead of the recipe's seed")
    parser.add_argument("--models", type=Path, default=Path("models"), help="where to publish")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where to keep checkpoints")
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument("--resume", action="store_true", help="go on with the interrupted run")
    begin.add_argument("--restart", action="store_true", help="discard the interrupted run")
    begin.add_argument("--dry-run", action="store_true", help="print the plan and stop")
    return parser


def _plan(arguments: Namespace) -> Plan:
    recipe = RECIPES[arguments.recipe]
    if arguments.epochs is not None:
        recipe = replace(recipe, epochs=arguments.epochs)
    if arguments.seed is not None:
        recipe = replace(recipe, seed=arguments.seed)
    source = arguments.data or _default_data(recipe)
    dataset = open_dataset(source)
    name = arguments.name or _default_name(recipe, dataset.labels)
    if not MODEL_NAME.fullmatch(name):
        raise CommandError(
            f"--name {name!r}: expected small letters, digits, '.', '_' and '-', e.g. my-fruit."
        )
    return Plan(recipe, name, source, dataset)


def _default_data(recipe: Recipe) -> Path:
    if recipe.data is None:
        from training.mnist import keras_copy

        return keras_copy()
    if not recipe.data.is_dir():
        raise CommandError(
            f"{recipe.data}: no such folder. Make it with 'python -m training.split SOURCE', or "
            "give your own photos with --data FOLDER --name NAME."
        )
    return recipe.data


def _default_name(recipe: Recipe, labels: tuple[str, ...]) -> str:
    if labels != recipe.labels:
        raise CommandError(
            f"the classes found ({', '.join(labels[:10])}) are not those of {recipe.model} "
            f"({', '.join(recipe.labels)}): give the new model a name with --name."
        )
    return recipe.model


def _fit(plan: Plan, arguments: Namespace) -> None:
    from training.checkpoint import RunFolder
    from training.publish import Trained, publish
    from training.trainer import input_of, train

    recipe, dataset = plan.recipe, plan.dataset
    classes = len(dataset.labels)
    run_folder = RunFolder(arguments.runs / plan.name)
    state = run_folder.begin(_settings(plan), resume=arguments.resume, restart=arguments.restart)
    print(f"{plan.name}: recipe {recipe.name}, {state.epochs} of {recipe.epochs} epochs done")
    print(f"checkpoints in {run_folder.path}; go on after an interruption with --resume")
    shape = input_of(recipe, classes)
    training = decode_samples(dataset.train, shape, "decoding train")
    validation = decode_samples(dataset.validation, shape, "decoding validation")
    for name, why in (training.unreadable | validation.unreadable).items():
        print(f"left out {name}: {why}")
    network, state = train(recipe, classes, training, validation, run_folder, state)
    trained = Trained(
        network=network,
        name=plan.name,
        labels=dataset.labels,
        recipe=_recipe_facts(recipe, state),
        data={
            "source": plan.source.resolve().name,
            "fingerprint": dataset.fingerprint,
            "train": len(training.labels),
            "validation": len(validation.labels),
            "test": len(dataset.test),
        },
        history=state.history,
        best_epoch=state.best_epoch,
    )
    folder, evaluation = publish(trained, arguments.models, dataset.test)
    run_folder.finish()
    print(report(evaluation))
    print(f"published {folder}")


def _settings(plan: Plan) -> dict[str, Any]:
    """What a resumed run must have in common with the interrupted one."""
    settings = {key: value for key, value in asdict(plan.recipe).items() if key != "data"}
    return settings | {
        "labels": list(plan.dataset.labels),
        "fingerprint": plan.dataset.fingerprint,
    }


def _recipe_facts(recipe: Recipe, state: "State") -> dict[str, str | int | float | None]:
    return {
        "name": recipe.name,
        "network": recipe.network,
        "optimizer": recipe.optimizer,
        "learning_rate": recipe.learning_rate,
        "batch_size": recipe.batch_size,
        "epochs": recipe.epochs,
        "kept_epoch": state.best_epoch,
        "seed": recipe.seed,
        "minutes": round(sum(row["seconds"] for row in state.history) / 60, 1),
    }


if __name__ == "__main__":
    run(PROG, main)
