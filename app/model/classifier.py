"""Photos in, predictions out: decode -> engine -> labels."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.imaging import decode
from app.imaging.formats import FORMATS
from app.model.card import Card, Golden, ModelError, find_version, golden_pixels, load_card, matches
from app.model.engine import Choice, Engine, load_engine
from app.model.explainer import Explainer

# Engines differ in the last bits of a float32; a wrong file or layer differs much more.
GOLDEN_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Prediction:
    """The answer for one photo. `probabilities` has every label and sums to 1."""

    label: str
    probability: float
    probabilities: dict[str, float]


class Classifier:
    """A loaded model: its card, its engine, and the step from outputs to labels."""

    def __init__(
        self,
        card: Card,
        engine: Engine,
        max_pixels: int = decode.MAX_PIXELS,
        folder: Path = Path(),
        formats: Collection[str] = FORMATS,
        threads: int = 1,
    ) -> None:
        self.card = card
        self.engine = engine
        self.max_pixels = max_pixels
        self.folder = folder
        self.formats = formats
        self.explainer = Explainer(folder, card, threads)

    @classmethod
    def load(
        cls,
        path: Path,
        *,
        version: int | None = None,
        engine: Choice = "auto",
        threads: int = 1,
        max_pixels: int = decode.MAX_PIXELS,
        formats: Collection[str] = FORMATS,
    ) -> "Classifier":
        """Load a model folder, warm it up, and check it against its card's golden predictions.

        Args:
            path: a version folder, or a folder of versions (the highest is taken).
            version: that version instead.
            engine: see `app.model.engine.load_engine`.
            threads: cores to use, see `app.model.litert.worker_count`.
            max_pixels, formats: see `app.imaging.decode.decode`.

        Raises:
            ModelError: the folder is missing, damaged, or answers otherwise than its card says.
        """
        folder = find_version(path, version)
        card = load_card(folder)
        loaded = load_engine(folder, card, engine, threads)
        loaded.warm()
        classifier = cls(card, loaded, max_pixels, folder, formats, threads)
        classifier._check_golden(folder)
        return classifier

    def predict(self, data: bytes) -> Prediction:
        """Classify one photo from the bytes of its file.

        Raises:
            app.imaging.errors.PhotoError: the bytes are not a usable photo.
        """
        return self.predict_pixels(self.pixels(data)[np.newaxis])[0]

    def pixels(self, data: bytes) -> np.ndarray:
        """The network's input for a photo: uint8 (height, width, channels).

        Raises:
            app.imaging.errors.PhotoError: the bytes are not a usable photo.
        """
        shape = self.card.input
        size = (shape.height, shape.width, shape.channels)
        return decode.decode(data, *size, self.max_pixels, self.formats)

    def predict_pixels(self, batch: np.ndarray, alone: bool = False) -> list[Prediction]:
        """Classify decoded photos: uint8 (photos, height, width, channels).

        `alone`: see `app.model.engine.Engine.run`.
        """
        return [self.label(outputs) for outputs in self.engine.run(batch, alone)]

    def label(self, outputs: np.ndarray) -> Prediction:
        """The prediction for one photo's outputs, float32 (outputs,)."""
        if self.card.activation == "sigmoid":
            # A single output is the probability of the second label.
            second = float(outputs[0])
            values = [1.0 - second, second]
        else:
            values = [float(value) for value in outputs]
        probabilities = dict(zip(self.card.labels, values, strict=True))
        label = max(probabilities, key=probabilities.__getitem__)
        return Prediction(label, probabilities[label], probabilities)

    def _check_golden(self, folder: Path) -> None:
        """Run the golden pictures one by one, with one core and with all, and then as a batch."""
        golden = self.card.golden
        if not golden:
            return
        pixels = [golden_pixels(each.seed, self.card.input) for each in golden]
        for place, (each, one) in enumerate(zip(golden, pixels, strict=True)):
            outputs = self.engine.run(one[np.newaxis], alone=place % 2 == 1)[0]
            self._compare(folder, each, outputs)
        places = [place % len(golden) for place in range(max(len(golden), self.engine.max_batch))]
        together = self.engine.run(np.stack([pixels[place] for place in places]))
        for place, outputs in zip(places, together, strict=True):
            self._compare(folder, golden[place], outputs)

    def _compare(self, folder: Path, golden: Golden, outputs: np.ndarray) -> None:
        if not matches(golden.outputs, outputs, GOLDEN_TOLERANCE):
            raise ModelError(
                f"{folder}: the {self.engine.name} engine does not reproduce the card's golden "
                f"prediction {golden.seed}: {[round(float(v), 6) for v in outputs]} instead of "
                f"{[round(v, 6) for v in golden.outputs]}. Retrain, or use another engine."
            )
