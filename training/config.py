"""What a training is going to do: the recipe, the data and the model's name."""

from argparse import Namespace
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from app.model.card import MODEL_NAME
from training.cli import CommandError, require_writable
from training.data.class_folders import open_dataset
from training.data.samples import Dataset
from training.recipes.catalogue import RECIPES
from training.recipes.recipe import Recipe

# What the command may set instead of the recipe.
_OVERRIDES = ("epochs", "seed", "learning_rate", "weights")


@dataclass(frozen=True)
class Plan:
    """One training."""

    recipe: Recipe
    name: str
    source: Path
    dataset: Dataset
    precision: str

    @property
    def excluded(self) -> tuple[str, ...]:
        """The photos never to train on; the recipe's names mean nothing in another data set."""
        return self.recipe.exclude if self.dataset.labels == self.recipe.labels else ()

    def settings(self) -> dict[str, Any]:
        """What a resumed run must have in common with the interrupted one."""
        facts = {key: value for key, value in asdict(self.recipe).items() if key != "data"}
        return facts | {
            "labels": list(self.dataset.labels),
            "fingerprint": self.dataset.fingerprint,
            "precision": self.precision,
        }


def make_plan(arguments: Namespace) -> Plan:
    """The plan that the command's arguments ask for.

    Raises:
        CommandError: the data is not there, or the name does not fit.
    """
    recipe = RECIPES[arguments.recipe]
    given = {name: getattr(arguments, name) for name in _OVERRIDES}
    recipe = replace(recipe, **{name: value for name, value in given.items() if value is not None})
    _check_weights(arguments)
    for folder in ("models", "runs", "cache"):
        require_writable(f"--{folder}", getattr(arguments, folder))
    if arguments.keep_duplicates:
        recipe = replace(recipe, deduplicate=False)
    source = arguments.data or _default_data(recipe)
    dataset = open_dataset(source)
    name = arguments.name or _default_name(recipe, dataset.labels)
    if not MODEL_NAME.fullmatch(name):
        raise CommandError(
            f"--name {name!r}: expected small letters, digits, '.', '_' and '-', e.g. my-fruit."
        )
    return Plan(recipe, name, source, dataset, arguments.precision or _precision(recipe))


def _check_weights(arguments: Namespace) -> None:
    if arguments.weights is None:
        return
    if RECIPES[arguments.recipe].weights is None:
        raise CommandError(
            f"--weights: the recipe {arguments.recipe} starts from random weights; "
            "the recipe finetune takes such a file."
        )
    if not Path(arguments.weights).is_file():
        raise CommandError(f"--weights {arguments.weights}: no such file.")


def _precision(recipe: Recipe) -> str:
    # It imports Keras: a mistake in the command should not wait for that.
    from training.loop.precision import FLOAT, best_precision

    return best_precision() if recipe.mixed_precision else FLOAT


def _default_data(recipe: Recipe) -> Path:
    if recipe.data is None:
        from training.data.mnist import keras_copy

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
