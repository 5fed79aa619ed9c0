"""Photos in, predictions out: decode -> engine -> labels."""

from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from app.imaging import decode
from app.imaging.formats import FORMATS
from app.model.card import EXPLAIN, FAMILIARITY, Card
from app.model.engine import Choice
from app.model.explainer import Explainer
from app.model.fastest import load_engine, select
from app.model.litert import FILES
from app.model.network import Network
from app.model.prediction import Prediction, prediction
from app.model.shared_file import SharedFile
from app.model.version_folder import find_version, load_card, read_file, read_listed


class Classifier:
    """A loaded model: its card, its engine, its explainer. For one thread at a time.

    Args:
        card: the version's card.
        network: answers; None if another process does, and photos are decoded here.
        max_pixels, formats, memory: see `app.imaging.decode.decode`. `memory` may be changed.
        explainer: the network with its inside shown.
    """

    def __init__(
        self,
        card: Card,
        network: Network | None,
        max_pixels: int = decode.MAX_PIXELS,
        formats: Collection[str] = FORMATS,
        explainer: Explainer | None = None,
        memory: int | None = None,
    ) -> None:
        self.card = card
        self._network = network
        self.max_pixels = max_pixels
        self.formats = formats
        self.explainer = explainer or Explainer(card, None)
        self.memory = memory

    @property
    def network(self) -> Network:
        """The network, where there is one."""
        if self._network is None:
            raise RuntimeError("this classifier only decodes")
        return self._network

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
            engine: see `app.model.engine.choose`.
            threads: cores for a photo that is alone, see `app.model.litert.LiteRTEngine`.
            max_pixels, formats: see `app.imaging.decode.decode`.

        Raises:
            ModelError: the folder is missing, damaged, or answers otherwise than its card says.
        """
        folder = find_version(path, version)
        card = load_card(folder)
        explain = card.files.get(EXPLAIN)
        read = partial(read_file, folder / EXPLAIN, explain) if explain else None
        loaded = load_engine(folder, card, engine, threads)
        network = Network.of(card, loaded, read_listed(folder, card, FAMILIARITY))
        return cls(card, network, max_pixels, formats, Explainer(card, read))

    @classmethod
    def from_files(
        cls,
        card: Card,
        files: Mapping[str, SharedFile],
        threads: int,
        max_pixels: int = decode.MAX_PIXELS,
        formats: Collection[str] = FORMATS,
    ) -> "Classifier":
        """As `load`, on a CPU, from a version's checked files by their names.

        Of several networks the fastest answers. Without one, the classifier only decodes and
        explains.

        Raises:
            ModelError: as `load`.
        """
        network = None
        shared = {name: files[file] for name, file in FILES.items() if file in files}
        if shared:
            models = {name: file.path() or file.read() for name, file in shared.items()}
            known = files[FAMILIARITY].read() if FAMILIARITY in files else None
            network = Network.of(card, select(card, models, threads), known)
        read = files[EXPLAIN].read if EXPLAIN in files else None
        return cls(card, network, max_pixels, formats, Explainer(card, read, threads))

    def predict(self, data: bytes) -> Prediction:
        """Classify one photo from the bytes of its file.

        Raises:
            app.imaging.errors.PhotoError: the bytes are not a usable photo.
        """
        return self.predict_pixels(self.pixels(data)[np.newaxis], alone=True)[0]

    def pixels(self, data: bytes) -> np.ndarray:
        """The network's input for a photo: uint8 (height, width, channels).

        Raises:
            app.imaging.errors.PhotoError: the bytes are not a usable photo.
        """
        return self.decoded(data).pixels

    def decoded(self, data: bytes) -> decode.Decoded:
        """As `pixels`, with the size of the photo itself."""
        shape = self.card.input.shape
        return decode.decode_photo(data, *shape, self.max_pixels, self.formats, self.memory)

    def predict_pixels(self, batch: np.ndarray, alone: bool = False) -> list[Prediction]:
        """Classify decoded photos: uint8 (photos, height, width, channels).

        `alone`: see `app.model.engine.Engine.run`.
        """
        answers = self.network.run(batch, alone)
        return [prediction(self.card, each.values, each.familiar) for each in answers]
