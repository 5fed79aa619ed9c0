"""Convert a saved Keras network to LiteRT, and check the files against golden predictions."""

import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from app.cli import CommandError
from app.model.card import EXPLAIN, INT8, KERAS, LITERT, Card, ModelError
from app.model.classifier import Classifier
from app.model.explainer import Explainer, NotExplainable
from app.model.golden import GOLDEN_TOLERANCE, golden_pixels, matches
from app.model.version_folder import load_card, read_file
from training.atomic import atomic_folder
from training.data.samples import Dataset
from training.publishing.int8 import add_int8
from training.publishing.model_card import write

ADDITIVITY_TOLERANCE = 1e-4


def reconvert(folder: Path, dataset: Dataset | None = None) -> None:
    """Convert `model.keras` of a version folder again, and update its card.

    The other files are checked first. The new folder replaces the old one only after the LiteRT
    files reproduced the card's golden predictions.

    Args:
        folder: the version folder.
        dataset: the photos to make the network in int8 from, too. Without them, it stays.

    Raises:
        CommandError: the conversion failed.
        ModelError: the folder is damaged, or the new files do not reproduce the predictions.
    """
    made = (LITERT, EXPLAIN) if dataset is None else (LITERT, EXPLAIN, INT8)
    card = load_card(folder, unchecked=made)
    with atomic_folder(folder, replace=True) as temporary, TemporaryDirectory() as scratch:
        shutil.copytree(folder, temporary, dirs_exist_ok=True)
        if dataset is not None:
            card = card.model_copy(update={"int8": None})
            (temporary / INT8).unlink(missing_ok=True)
        plain = Path(scratch) / LITERT
        export_litert(temporary / KERAS, temporary / LITERT, temporary / EXPLAIN, plain)
        card = write(temporary, card)
        Classifier.load(temporary, engine="litert-float")
        check_explanation(temporary, card)
        if dataset is not None:
            add_int8(temporary, card, plain, dataset, {})
        load_card(temporary)


def export_litert(source: Path, destination: Path, explain: Path, plain: Path) -> None:
    """Convert a `.keras` file to LiteRT files, see `training.publishing.convert.convert`.

    The conversion runs in a separate process, as it needs TensorFlow as Keras's backend.

    Raises:
        CommandError: the conversion failed; the message contains the last line of its output.
    """
    environment = os.environ | {
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    paths = map(str, (source, destination, explain, plain))
    command = [sys.executable, "-m", "training.publishing.convert", *paths]
    # The command is this interpreter with a module of this package, without a shell.
    done = subprocess.run(  # noqa: S603
        command, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode or not all(path.is_file() for path in (destination, explain, plain)):
        last = (done.stderr.strip() or "no output").splitlines()[-1]
        raise CommandError(f"{source}: the conversion to LiteRT failed: {last}")


def check_explanation(folder: Path, card: Card) -> None:
    """Check that `explain.tflite` reproduces the golden predictions and that its evidence adds up.

    Raises:
        ModelError: a prediction differs, or the evidence does not add up to the logits.
    """
    explainer = Explainer(card, partial(read_file, folder / EXPLAIN, card.files[EXPLAIN]))
    for golden in card.golden:
        try:
            terms = explainer.terms(golden_pixels(golden.seed, card.input))
        except NotExplainable:
            return  # the file contains feature maps only
        if not matches(golden.outputs, terms.probabilities, GOLDEN_TOLERANCE):
            raise ModelError(f"{folder / EXPLAIN}: does not reproduce golden {golden.seed}.")
        total = terms.maps.sum((0, 1), np.float64) + terms.bias
        error = float(np.abs(total - terms.logits).max() / max(1.0, np.abs(terms.logits).max()))
        if not error <= ADDITIVITY_TOLERANCE:
            raise ModelError(f"{folder / EXPLAIN}: its evidence is off its logits by {error:.1e}.")
