"""A saved Keras network -> its LiteRT files, checked against the card's golden predictions."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from app.model.card import (
    CARD,
    EXPLAIN,
    KERAS,
    LITERT,
    Card,
    ModelError,
    golden_pixels,
    load_card,
    matches,
    sha256,
)
from app.model.classifier import GOLDEN_TOLERANCE, Classifier
from app.model.explainer import Explainer, NotExplainable
from training.atomic import staged, write_text
from training.cli import CommandError

ADDITIVITY_TOLERANCE = 1e-4


def convert_again(folder: Path) -> None:
    """Make a version folder's LiteRT files from its `model.keras`, and list them on the card.

    The card and every other file are checked first; the new folder takes the old one's place only
    after it was loaded and both files reproduced the card's golden predictions.

    Raises:
        CommandError: the conversion failed, or the files disagree.
        ModelError: the folder is damaged, or does not answer as its card says.
    """
    card = load_card(folder, unchecked=(LITERT, EXPLAIN))
    with staged(folder, replace=True) as fresh:
        shutil.copytree(folder, fresh, dirs_exist_ok=True)
        export_litert(fresh / KERAS, fresh / LITERT, fresh / EXPLAIN)
        made = {name: sha256(fresh / name) for name in (LITERT, EXPLAIN)}
        files = dict(sorted({**card.files, **made}.items()))
        card = card.model_copy(update={"files": files})
        write_text(fresh / CARD, card.model_dump_json(indent=2) + "\n")
        Classifier.load(fresh, engine="litert")
        check_explanation(fresh, card)


def export_litert(source: Path, destination: Path, explain: Path) -> None:
    """Convert a `.keras` file to the file that is served and the one that explains.

    Weights and arithmetic stay float32. The conversion has a process of its own: it needs
    TensorFlow as Keras's backend.

    Raises:
        CommandError: the converter failed; the message is its last line.
    """
    environment = os.environ | {
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    command = [
        sys.executable,
        "-m",
        "training.publishing.convert",
        *map(str, (source, destination, explain)),
    ]
    # Our own interpreter, our own module and our paths, without a shell.
    done = subprocess.run(  # noqa: S603
        command, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode or not all(path.is_file() for path in (destination, explain)):
        last = (done.stderr.strip() or "no output").splitlines()[-1]
        raise CommandError(f"{source}: the conversion to LiteRT failed: {last}")


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
