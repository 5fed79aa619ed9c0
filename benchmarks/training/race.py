"""Measure the minutes to 83.9 % validation accuracy, for residual and the lecture's recipe.

    python -m benchmarks.training.race data/cats_vs_dogs_small

The book reports 83.9 % for its augmented recipe after 100 epochs (third edition, chapter 8). The
recipe residual is trained until a validation reaches this accuracy. For the lecture's recipe, the
time of its second epoch is multiplied by 100. Decoding is not included.
"""

from dataclasses import replace
from pathlib import Path

from app.cli import CommandError, Parser, command, positive, positive_real
from training.recipes.catalogue import LECTURE_AUGMENTED, RESIDUAL

PROG = "python -m benchmarks.training.race"
GOAL = 0.839


@command(PROG)
def main() -> None:
    """Run the command."""
    parser = Parser(PROG, description="Time two recipes to the same validation accuracy.")
    parser.add_argument("data", type=Path, help="class folders, as training.fit takes them")
    parser.add_argument("--goal", type=positive_real, default=GOAL)
    parser.add_argument("--epochs", type=positive, default=40, help="of the recipe residual")
    parser.add_argument("--cache", type=Path, default=Path("data/.cache"))
    arguments = parser.parse_args()
    from benchmarks.harness.trial import train_history

    lecture = replace(LECTURE_AUGMENTED, epochs=2)
    epoch = train_history(lecture, arguments.data, arguments.cache)[-1]["seconds"] or 0
    slow = LECTURE_AUGMENTED.epochs * epoch / 60
    print(f"lecture-augmented: {epoch:.1f} s an epoch, {slow:.1f} minutes for 100", flush=True)
    ours = replace(RESIDUAL, epochs=arguments.epochs, validate_every=1)
    seconds = 0.0
    for row in train_history(ours, arguments.data, arguments.cache):
        seconds += row["seconds"] or 0
        if (row["val_accuracy"] or 0) >= arguments.goal:
            print(f"residual: {row['val_accuracy']:.1%} after {row['epoch']:.0f} epochs, ", end="")
            print(f"{seconds / 60:.1f} minutes: {slow * 60 / seconds:.1f} times faster")
            return
    raise CommandError(f"residual: {arguments.goal:.1%} was not reached in {ours.epochs} epochs.")


if __name__ == "__main__":
    main()
