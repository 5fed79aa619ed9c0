"""Convert the network of a published version to LiteRT again.

    python -m training.export models/cats-vs-dogs/1
    python -m training.export models/cats-vs-dogs/1 --data data/cats_vs_dogs_small

Use it for a version without the files that the service needs, or after the conversion was
improved. With the photos of its training, the network in int8 is made, too; without them, that
stays as it is. The network itself and its figures do not change.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli import CommandError, Parser, command, shortened
from app.model.card import EXPLAIN, INT8, LITERT
from app.model.version_folder import find_version, load_card

if TYPE_CHECKING:
    from training.data.samples import Dataset

PROG = "python -m training.export"


@command(PROG)
def main() -> None:
    """Run the command."""
    parser = Parser(PROG, description="Make a published version's LiteRT files anew.")
    parser.add_argument("model", type=Path, help="a version folder, e.g. models/cats-vs-dogs/1")
    parser.add_argument("--data", type=Path, help="the photos of its training, to make int8 from")
    arguments = parser.parse_args()
    folder, dataset = find_version(arguments.model), None
    if arguments.data:
        dataset = _open(arguments.data, folder)
    # TensorFlow and scikit-learn take seconds to import, so errors in the arguments come first.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from training.publishing.litert import reconvert

    reconvert(folder, dataset)
    made = [folder / name for name in (LITERT, EXPLAIN, INT8) if name in load_card(folder).files]
    print(f"{', '.join(map(str, made))}: up to date")


def _open(source: Path, folder: Path) -> "Dataset":
    """Open the photos that the version was trained on, in the subsets of its training."""
    from training.data.calibration import hold_out_calibration
    from training.data.class_folders import open_dataset

    dataset, card = open_dataset(source), load_card(folder, unchecked=(LITERT, EXPLAIN, INT8))
    if dataset.labels != card.labels:
        raise CommandError(
            f"--data {source}: its classes are {shortened(dataset.labels)}, those of {folder} "
            f"{shortened(card.labels)}. Give the photos that it was trained on."
        )
    if card.thresholds and not card.thresholds.cross_validated:
        return hold_out_calibration(dataset)
    return dataset


if __name__ == "__main__":
    main()
