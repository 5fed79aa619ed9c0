"""Train one recipe and publish it.

python -m training.fit                                        cats and dogs, our recipe
python -m training.fit --recipe lecture                       cats and dogs, the lecture's
python -m training.fit --recipe finetune                      cats and dogs, from ImageNet
python -m training.fit --recipe digits --data mnist.npz       the lecture's digits
python -m training.fit --data photos --name fruit             your own FOLDER/CLASS/PHOTO
python -m training.fit --resume                               after an interruption
"""

import os
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from training.cli import Parser, natural, positive, positive_real, run
from training.config import Plan, make_plan
from training.evaluation.report import as_text
from training.recipes.catalogue import DEFAULT, RECIPES

if TYPE_CHECKING:
    import keras

    from training.data.cache import Decoded
    from training.loop.checkpoint import State
    from training.publishing.publish import Trained

PROG = "python -m training.fit"


def main() -> None:
    """The command."""
    arguments = _parser().parse_args()
    # Keras is imported below this line only: a wrong option should not wait for it.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    plan = make_plan(arguments)
    if arguments.dry_run:
        from training.dry_run import forecast

        print(forecast(plan))
        return
    _fit(plan, arguments)


def _parser() -> Parser:
    parser = Parser(PROG, description="Train a recipe and publish the next version of its model.")
    parser.add_argument("--recipe", choices=sorted(RECIPES), default=DEFAULT.name)
    parser.add_argument("--data", type=Path, help="class folders, or an .npz file of digits")
    parser.add_argument("--name", help="the model's name (needed for classes of your own)")
    parser.add_argument("--epochs", type=positive, help="instead of the recipe's number")
    parser.add_argument("--seed", type=natural, help="instead of the recipe's seed")
    parser.add_argument("--learning-rate", type=positive_real, help="instead of the recipe's")
    parser.add_argument(
        "--weights", help="a file for the recipe finetune to start from, instead of Keras's copy"
    )
    parser.add_argument(
        "--precision",
        choices=("float32", "mixed_bfloat16"),
        help="of the arithmetic; without it, what the recipe and this machine can do",
    )
    parser.add_argument(
        "--keep-duplicates",
        action="store_true",
        help="train also on photos that look like one of validation or test",
    )
    parser.add_argument("--models", type=Path, default=Path("models"), help="where to publish")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where to keep checkpoints")
    parser.add_argument(
        "--cache", type=Path, default=Path("data/.cache"), help="where to keep decoded photos"
    )
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument("--resume", action="store_true", help="go on with the interrupted run")
    begin.add_argument("--restart", action="store_true", help="discard the interrupted run")
    begin.add_argument("--dry-run", action="store_true", help="print the plan and stop")
    return parser


def _fit(plan: Plan, arguments: Namespace) -> None:
    from training.data.cache import decode_samples
    from training.data.filtering import contradictions, select
    from training.loop.build import input_of, source_of
    from training.loop.checkpoint import RunFolder
    from training.loop.trainer import train
    from training.publishing.publish import publish

    recipe, classes = plan.recipe, len(plan.dataset.labels)
    run_folder = RunFolder(arguments.runs / plan.name)
    state = run_folder.begin(plan.settings(), resume=arguments.resume, restart=arguments.restart)
    print(f"{plan.name}: recipe {recipe.name}, {state.epochs} of {recipe.epochs} epochs done")
    print(f"checkpoints in {run_folder.path}; go on after an interruption with --resume")
    dataset, dropped = select(
        plan.dataset, arguments.cache, exclude=plan.excluded, deduplicate=recipe.deduplicate
    )
    shape = input_of(recipe, classes)
    training = decode_samples(dataset.train, source_of(recipe, shape), "train", arguments.cache)
    validation = decode_samples(dataset.validation, shape, "validation", arguments.cache)
    left_out = dropped | training.unreadable | validation.unreadable
    for name, why in left_out.items():
        print(f"left out {name}: {why}")
    for line in contradictions(dataset):
        print(f"warning: {line}")
    network, state = train(recipe, classes, training, validation, run_folder, state, plan.precision)
    trained = _finished(plan, network, state, training, validation)
    folder, evaluation = publish(trained, arguments.models, dataset)
    run_folder.finish()
    print(as_text(evaluation))
    print(f"published {folder}")


def _finished(
    plan: Plan,
    network: "keras.Model",
    state: "State",
    training: "Decoded",
    validation: "Decoded",
) -> "Trained":
    """Calibrate the network and put together what is known of it."""
    from training.loop.calibration import calibrate
    from training.publishing.publish import Trained

    facts = _recipe_facts(plan, state)
    if plan.recipe.calibrate:
        temperature = calibrate(network, validation.pixels, validation.labels)
        facts["temperature"] = round(temperature, 4)
    return Trained(
        network=network,
        name=plan.name,
        labels=plan.dataset.labels,
        recipe=facts,
        data={
            "source": plan.source.resolve().name,
            "fingerprint": plan.dataset.fingerprint,
            "train": len(training.labels),
            "validation": len(validation.labels),
            "test": len(plan.dataset.test),
        },
        history=state.history,
        kept_epoch=_kept_epoch(plan, state),
    )


def _kept_epoch(plan: Plan, state: "State") -> int:
    return state.best_epoch if plan.recipe.keep == "best" else state.epochs


def _recipe_facts(plan: Plan, state: "State") -> dict[str, str | int | float | None]:
    recipe = plan.recipe
    return {
        "name": recipe.name,
        "network": recipe.network,
        "optimizer": recipe.optimizer,
        "learning_rate": recipe.learning_rate,
        "batch_size": recipe.batch_size,
        "epochs": recipe.epochs,
        "kept_epoch": _kept_epoch(plan, state),
        "seed": recipe.seed,
        "precision": plan.precision,
        "minutes": round(sum(row["seconds"] or 0 for row in state.history) / 60, 1),
    }


if __name__ == "__main__":
    run(PROG, main)
