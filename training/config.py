"""The configuration of one training: recipe, data, model name and precision."""

from argparse import Namespace
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from app.cli import CommandError, require_writable
from app.model.card import MODEL_NAME
from training.data.cache import require_readable
from training.data.calibration import hold_out_calibration
from training.data.class_folders import open_dataset
from training.data.samples import Dataset
from training.data.small import merge_small
from training.loop.checkpoint import RunFolder
from training.networks.backbone_weights import BACKBONES
from training.recipes.catalogue import RECIPES
from training.recipes.recipe import Recipe

# The recipe's fields that command-line options can override.
_OVERRIDES = ("epochs", "seed", "learning_rate", "weights", "minutes", "backbone")
_SIZES = range(96, 321)  # pixels; other sizes are far from those of the backbones' own training


@dataclass(frozen=True)
class TrainingConfig:
    """The configuration of one training; `precision` is "float32" or "mixed_bfloat16"."""

    recipe: Recipe
    name: str
    source: Path
    dataset: Dataset
    precision: str

    @property
    def excluded(self) -> tuple[str, ...]:
        """The names of the photos to exclude; they apply to the recipe's own data set only."""
        return self.recipe.exclude if self.dataset.labels == self.recipe.labels else ()

    def settings(self) -> dict[str, Any]:
        """The settings that a resumed run must share with the interrupted one."""
        facts = {key: value for key, value in asdict(self.recipe).items() if key != "data"}
        return facts | {
            "labels": list(self.dataset.labels),
            "fingerprint": self.dataset.fingerprint,
            "precision": self.precision,
        }


def make_config(arguments: Namespace) -> TrainingConfig:
    """Build the configuration from the command's arguments.

    Raises:
        CommandError: the data is missing, a folder is not writable, or the name is invalid.
    """
    recipe = RECIPES[arguments.recipe]
    given = {name: getattr(arguments, name) for name in _OVERRIDES}
    _check_transfer_options(recipe, arguments)
    recipe = replace(recipe, **{name: value for name, value in given.items() if value is not None})
    recipe = _with_backbone(recipe, arguments.size)
    _check_weights(recipe, arguments)
    for folder in ("models", "runs", "cache"):
        require_writable(f"--{folder}", getattr(arguments, folder))
    if arguments.keep_duplicates:
        recipe = replace(recipe, deduplicate=False)
    source = arguments.data or _default_data(recipe)
    dataset = open_dataset(source)
    if recipe.backbone is not None:
        dataset = merge_small(dataset)
    if recipe.decides:
        dataset = hold_out_calibration(dataset)
    name = arguments.name or _default_name(recipe, dataset.labels)
    if not MODEL_NAME.fullmatch(name):
        raise CommandError(
            f"--name {name!r}: expected small letters, digits, '.', '_' and '-', e.g. my-fruit."
        )
    # Keras takes seconds to import and prints lines, so all that can be checked comes before it.
    if not arguments.dry_run:
        run = RunFolder(arguments.runs / name)
        run.require_startable(resume=arguments.resume, restart=arguments.restart)
        require_readable(dataset)
    precision = arguments.precision or _choose_precision(recipe)
    return TrainingConfig(recipe, name, source, dataset, precision)


def _check_transfer_options(recipe: Recipe, arguments: Namespace) -> None:
    for option in ("backbone", "minutes", "size"):
        if getattr(arguments, option) is not None and recipe.backbone is None:
            raise CommandError(
                f"--{option}: the recipe {recipe.name} starts without a backbone; the recipe "
                "transfer takes this option."
            )
    if arguments.size is not None and arguments.size not in _SIZES:
        raise CommandError(
            f"--size {arguments.size}: expected {_SIZES.start} to {_SIZES.stop - 1} pixels."
        )


def _with_backbone(recipe: Recipe, size: int | None) -> Recipe:
    """Return the recipe with its backbone's network, and the size of photos given."""
    if recipe.backbone is None:
        return recipe
    backbone = BACKBONES[recipe.backbone]
    side = size or recipe.options["side"]
    trained = round(recipe.sides[-1][0] * side / recipe.options["side"] / 16) * 16
    return replace(
        recipe,
        network=backbone.network,
        options={**backbone.options, "side": side},
        sides=((trained, 1.0),),
        source_side=side,
    )


def _check_weights(recipe: Recipe, arguments: Namespace) -> None:
    packaged = recipe.backbone is not None and BACKBONES[recipe.backbone].package
    if arguments.weights is None:
        return
    if packaged or (recipe.backbone is None and RECIPES[recipe.name].weights is None):
        raise CommandError(
            f"--weights: the recipe {recipe.name} does not start from such a file; "
            "the recipe finetune and --backbone efficientnetv2-b0 do."
        )
    if not Path(arguments.weights).is_file():
        raise CommandError(f"--weights {arguments.weights}: no such file.")


def _choose_precision(recipe: Recipe) -> str:
    # Imported here because it imports Keras, and errors in the arguments should be quick.
    from training.loop.precision import FLOAT32, best_precision

    return best_precision() if recipe.mixed_precision else FLOAT32


def _default_data(recipe: Recipe) -> Path:
    if recipe.data is None:
        from training.data.mnist import fetch_mnist

        return fetch_mnist()
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
