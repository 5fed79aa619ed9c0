"""Train a recipe and publish the network as the next version of its model.

python -m training.fit                                        cats and dogs, default recipe
python -m training.fit --minutes 0                            the same without fine-tuning
python -m training.fit --recipe lecture                       cats and dogs, the lecture's network
python -m training.fit --recipe digits --data mnist.npz       the lecture's digits
python -m training.fit --data photos --name fruit             your own FOLDER/CLASS/PHOTO
python -m training.fit --resume                               continue an interrupted training
"""

import os
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli import (
    Parser,
    command,
    natural,
    non_negative_real,
    positive,
    positive_real,
    printable,
    shortened,
)
from training.config import TrainingConfig, make_config
from training.loop.checkpoint import RunFolder
from training.networks.backbone_weights import BACKBONES
from training.recipes.catalogue import DEFAULT, RECIPES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import keras

    from training.data.cache import DecodedSubset
    from training.data.samples import Dataset
    from training.engine import Engine
    from training.loop.checkpoint import EpochMetrics, TrainingState
    from training.publishing.publish import TrainingResult

PROG = "python -m training.fit"


@command(PROG)
def main() -> None:
    """Run the command."""
    run(make_parser(PROG).parse_args())


def run(
    arguments: Namespace, make_engine: "Callable[[TrainingConfig], Engine] | None" = None
) -> None:
    """Train and publish.

    Args:
        arguments: of `make_parser`.
        make_engine: makes what computes; by default it is this process.

    Raises:
        CommandError: the command cannot continue.
        KeyboardInterrupt: with words on how to resume, if there is a run.
    """
    # Keras and scikit-learn take seconds to import, so errors in the arguments come first.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    config = make_config(arguments)
    if arguments.dry_run:
        from training.dry_run import describe

        print(describe(config))
        return
    try:
        from training.engine import Engine

        _fit(config, arguments, make_engine(config) if make_engine else Engine())
    except KeyboardInterrupt as error:
        if RunFolder(arguments.runs / config.name).exists:
            error.args = ("; the same command with --resume goes on from the last checkpoint",)
        raise


def make_parser(prog: str) -> Parser:
    """Return the parser of this command's arguments."""
    parser = Parser(prog, description="Train a recipe and publish the next version of its model.")
    parser.add_argument("--recipe", choices=sorted(RECIPES), default=DEFAULT.name)
    parser.add_argument("--data", type=Path, help="class folders, or an .npz file of digits")
    parser.add_argument("--name", help="the model's name (needed for classes of your own)")
    parser.add_argument("--epochs", type=positive, help="instead of the recipe's number")
    parser.add_argument("--seed", type=natural, help="instead of the recipe's seed")
    parser.add_argument("--learning-rate", type=positive_real, help="instead of the recipe's")
    parser.add_argument("--backbone", choices=sorted(BACKBONES), help="of the recipe transfer")
    parser.add_argument(
        "--minutes", type=non_negative_real, help="of fine-tuning; 0 trains the last layer alone"
    )
    parser.add_argument("--size", type=positive, help="of the photos in pixels, of transfer")
    parser.add_argument(
        "--weights", help="a file for EfficientNetV2B0 to start from, instead of Keras's copy"
    )
    parser.add_argument(
        "--precision",
        choices=("float32", "mixed_bfloat16"),
        help="precision of the arithmetic (default: what the recipe and this machine support)",
    )
    parser.add_argument(
        "--keep-duplicates",
        action="store_true",
        help="keep training photos that look like one of validation or test",
    )
    parser.add_argument("--models", type=Path, default=Path("models"), help="where to publish")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where to keep checkpoints")
    parser.add_argument(
        "--cache", type=Path, default=Path("data/.cache"), help="where to keep decoded photos"
    )
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument("--resume", action="store_true", help="continue the interrupted run")
    begin.add_argument("--restart", action="store_true", help="delete the interrupted run")
    begin.add_argument("--dry-run", action="store_true", help="describe the training and stop")
    return parser


def _fit(config: TrainingConfig, arguments: Namespace, engine: "Engine") -> None:
    from training.data.filtering import filter_dataset, find_label_conflicts
    from training.evaluation.report import as_text, left_out
    from training.publishing.publish import publish

    recipe = config.recipe
    run_folder = RunFolder(arguments.runs / config.name)
    state = run_folder.begin(config.settings(), resume=arguments.resume, restart=arguments.restart)
    print(f"{config.name}: recipe {recipe.name}, {state.epochs} of {recipe.epochs} epochs done")
    print(f"checkpoints in {run_folder.path}; go on after an interruption with --resume")
    dataset, dropped = filter_dataset(
        config.dataset, arguments.cache, exclude=config.excluded, deduplicate=recipe.deduplicate
    )
    train = _transfer if recipe.backbone else _train
    trained, unreadable = train(config, dataset, arguments.cache, run_folder, state, engine)
    for line in left_out(dropped | unreadable):
        print(line)
    for line in find_label_conflicts(dataset):
        print(f"warning: {line}")
    folder, evaluation = publish(trained, arguments.models, dataset)
    run_folder.finish()
    print(as_text(evaluation))
    if not dataset.test:
        print("these figures are cross-validated, as a class has too few photos to hold some out")
    print(f"published {folder}")


def _transfer(
    config: TrainingConfig,
    dataset: "Dataset",
    cache: Path,
    run_folder: RunFolder,
    state: "TrainingState",
    engine: "Engine",
) -> tuple["TrainingResult", dict[str, str]]:
    """Train from a pretrained backbone; return what to publish, and the unreadable photos."""
    from training.inspection.suspects import find_mislabels
    from training.publishing.publish import TrainingResult
    from training.transfer.pipeline import transfer

    recipe = config.recipe
    found = transfer(recipe, dataset, cache, run_folder, state, engine.map_photos, engine.fine_tune)
    suspects = find_mislabels(found.training.values, found.training.samples)
    if suspects:
        print(
            f"training photos that look like another class ({len(suspects)}): "
            f"{shortened(each.sample.display_name for each in suspects)}. "
            "python -m training.inspect shows them, and more."
        )
    epochs = int(found.history[-1]["epoch"] or 0)
    metadata = _recipe_metadata(config, found.history, epochs, found.kept_epoch)
    assert recipe.backbone is not None
    metadata |= {
        "backbone": recipe.backbone,
        "backbone_licence": BACKBONES[recipe.backbone].licence,
        "regularisation": found.strength,
        "temperature": round(found.temperature, 4),
    }
    result = TrainingResult(
        network=found.network,
        name=config.name,
        labels=dataset.labels,
        recipe=metadata,
        data=_data_metadata(config, *found.photos),
        history=found.history,
        kept_epoch=found.kept_epoch,
        out_of_fold=found.out_of_fold,
    )
    return result, found.unreadable


def _train(
    config: TrainingConfig,
    dataset: "Dataset",
    cache: Path,
    run_folder: RunFolder,
    state: "TrainingState",
    engine: "Engine",
) -> tuple["TrainingResult", dict[str, str]]:
    """Train from random weights; return what to publish, and the unreadable photos."""
    from training.data.cache import decode_samples, require_every_label
    from training.loop.build import input_shape, source_shape

    recipe, classes = config.recipe, len(dataset.labels)
    shape = input_shape(recipe, classes)
    training = decode_samples(
        dataset.train, source_shape(recipe, shape), "train", cache, engine.map_photos
    )
    validation = decode_samples(dataset.validation, shape, "validation", cache, engine.map_photos)
    for subset, decoded in (("train", training), ("validation", validation)):
        require_every_label(decoded, dataset.labels, subset)
    network, state = engine.train(
        recipe, classes, training, validation, run_folder, state, config.precision
    )
    trained = _calibrated_result(config, network, state, training, validation)
    return trained, training.unreadable | validation.unreadable


def _calibrated_result(
    config: TrainingConfig,
    network: "keras.Model",
    state: "TrainingState",
    training: "DecodedSubset",
    validation: "DecodedSubset",
) -> "TrainingResult":
    """Calibrate the network and collect what its card needs."""
    from training.loop.calibration import calibrate
    from training.publishing.publish import TrainingResult

    kept_epoch = state.best_epoch if config.recipe.keep == "best" else state.epochs
    metadata = _recipe_metadata(config, state.history, config.recipe.epochs, kept_epoch)
    if config.recipe.calibrate:
        temperature = calibrate(network, validation.pixels, validation.labels)
        metadata["temperature"] = round(temperature, 4)
    return TrainingResult(
        network=network,
        name=config.name,
        labels=config.dataset.labels,
        recipe=metadata,
        data=_data_metadata(config, len(training.labels), len(validation.labels)),
        history=state.history,
        kept_epoch=kept_epoch,
    )


def _data_metadata(config: TrainingConfig, train: int, validation: int) -> dict[str, str | int]:
    return {
        "source": printable(config.source.resolve().name),
        "fingerprint": config.dataset.fingerprint,
        "train": train,
        "validation": validation,
        "calibration": len(config.dataset.calibration),
        "test": len(config.dataset.test),
    }


def _recipe_metadata(
    config: TrainingConfig, history: "Sequence[EpochMetrics]", epochs: int, kept_epoch: int
) -> dict[str, str | int | float | None]:
    recipe = config.recipe
    return {
        "name": recipe.name,
        "network": recipe.network,
        "optimizer": recipe.optimizer,
        "learning_rate": recipe.learning_rate,
        "batch_size": recipe.batch_size,
        "epochs": epochs,
        "kept_epoch": kept_epoch,
        "seed": recipe.seed,
        "precision": config.precision,
        "minutes": round(sum(row["seconds"] or 0 for row in history) / 60, 1),
    }


if __name__ == "__main__":
    main()
