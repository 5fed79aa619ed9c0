"""Score with worker processes of this machine, as the service does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.api.errors import from_photo_error
from app.imaging.errors import PhotoError
from app.main import load_model
from app.model.decision import Strictness
from app.scoring.arguments import settings_of_rows
from app.scoring.row import Row, answered, refused
from app.serving.metrics import Metrics
from app.serving.served_model import ServedModel
from app.settings import Settings

_AT_LEAST, _FOR_WORKER = 16, 8  # photos at a time


class LocalScorer:
    """Scores with a model in this service's worker processes. For one event loop."""

    def __init__(self, model: ServedModel, settings: Settings, concurrency: int) -> None:
        self._model, self.concurrency = model, concurrency
        self.settings = settings_of_rows(settings, model.card, model.engine_name)
        self.name, self.version = model.card.name, model.card.version
        self.labels = model.card.labels
        self.description = model.engine_description
        self.decides = model.card.thresholds is not None

    async def score(self, path: str, data: bytes) -> Row:
        """The row of a photo, from the bytes of its file."""
        try:
            answer = await self._model.finish(self._model.submit(data), 0.0)
        except PhotoError as error:
            return refused(path, from_photo_error(error))
        decision = self._model.decisions.decide(answer.prediction, Strictness())
        return answered(path, answer.prediction, decision)


@asynccontextmanager
async def local_scorer(settings: Settings, concurrency: int | None) -> AsyncIterator[LocalScorer]:
    """Load the model that the settings ask for, and end its workers with the block.

    Args:
        settings: the settings.
        concurrency: photos at a time; by default enough to keep all workers busy.

    Raises:
        app.model.card.ModelError: it cannot be loaded; the message says why.
    """
    concurrency = concurrency or max(_AT_LEAST, _FOR_WORKER * settings.workers)
    # Each of them may be a photo that takes much memory; these wait for each other.
    settings = settings.model_copy(update={"max_batch": concurrency})
    model = await load_model(settings, Metrics())
    try:
        yield LocalScorer(model, settings, concurrency)
    finally:
        model.close()
