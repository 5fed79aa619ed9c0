"""A saved Keras network -> its LiteRT files.

As a command, it adds what `/explain` and `/layers` need to a version that was published
without it; everything else in the folder stays as it is:

    python -m training.export models/cats-vs-dogs/1
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from app.card import (
    CARD,
    EXPLAIN,
    KERAS,
    Card,
    ModelError,
    find_version,
    golden_pixels,
    load_card,
    matches,
    sha256,
)
from app.classifier import GOLDEN_TOLERANCE, Classifier
from app.explainer import Explainer, NotExplainable
from training.command import CommandError, Parser, run
from training.staging import staged, write_text

PROG = "python -m training.export"
ADDITIVITY_TOLERANCE = 1e-4


def main() -> None:
    """Add `explain.tflite` to a published version, checked, or change nothing."""
    parser = Parser(PROG, description="Add explain.tflite to a version published without it.")
    parser.add_argument("model", type=Path, help="a version folder, e.g. models/cats-vs-dogs/1")
    folder = find_version(parser.parse_args().model)
    add_explanation(folder)
    print(f"added {folder / EXPLAIN}")


def add_explanation(folder: Path) -> None:
    """Make a version folder's `explain.tflite` from its `model.keras`, and list it on the card.

    The card and every file are checked first; the new folder takes the old one's place only
    after it was loaded and both files reproduced the card's golden predictions.

    Raises:
        CommandError: the conversion failed, or the files disagree.
        ModelError: the folder is damaged, or does not answer as its card says.
    """
    card = load_card(folder)
    with staged(folder, replace=True) as fresh:
        shutil.copytree(folder, fresh, dirs_exist_ok=True)
        _convert(fresh / KERAS, fresh / EXPLAIN)
        files = dict(sorted({**card.files, EXPLAIN: sha256(fresh / EXPLAIN)}.items()))
        card = card.model_copy(update={"files": files})
        write_text(fresh / CARD, card.model_dump_json(indent=2) + "\n")
        Classifier.load(fresh, engine="litert")
        check_explanation(fresh, card)


def export_litert(source: Path, destination: Path, explain: Path) -> None:
    """Convert a `.keras` file to the file that is served and the one that explains.

    Weights and arithmetic stay float32.

    Raises:
        CommandError: the converter failed; the message is its last line.
    """
    _convert(source, destination, explain)


def check_explanation(folder: Path, card: Card) -> None:
    """Hold `explain.tflite` to the card's golden predictions, and to its own sum.

    Raises:
        ModelError: it answers otherwise, or its evidence does not add up to its logits.
    """
    explainer = Explainer(folder, card)
    for golden in card.golden:
        try:
            terms = explainer.terms(golden_pixels(golden.seed, card.input))
        except NotExplainable:
            return  # such a network still shows its layers
        if not matches(golden.outputs, terms.probabilities, GOLDEN_TOLERANCE):
            raise ModelError(f"{folder / EXPLAIN}: does not reproduce golden {golden.seed}.")
        total = terms.maps.sum((0, 1), np.float64) + terms.bias
        error = float(np.abs(total - terms.logits).max())
        if not error <= ADDITIVITY_TOLERANCE:
            raise ModelError(f"{folder / EXPLAIN}: its evidence is off its logits by {error:.1e}.")


def _convert(source: Path, *destinations: Path) -> None:
    """Convert in a process of its own: the converter needs TensorFlow as Keras's backend."""
    environment = os.environ | {
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    command = [sys.executable, "-m", "training.conversion", str(source), *map(str, destinations)]
    # Our own interpreter, our own module and our paths, without a shell.
    done = subprocess.run(  # noqa: S603
        command, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode or not all(path.is_file() for path in destinations):
        last = (done.stderr.strip() or "no output").splitlines()[-1]
        raise CommandError(f"{source}: the conversion to LiteRT failed: {last}")


if __name__ == "__main__":
    run(PROG, main)
