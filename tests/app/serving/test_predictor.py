"""Admission and the deadline, on real workers."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from app.imaging.errors import BrokenPhoto, TooExpensive
from app.model.card import ModelError
from app.model.classifier import Classifier
from app.serving.admission import QueueFull
from app.serving.predictor import ClientDisconnected, DeadlinePassed, Predictor
from app.serving.served_model import Answer, Options, ServedModel
from tests.app.serving.bad_jobs import JOBS
from tests.app.serving.pools import PHOTOS, run, until


@asynccontextmanager
async def serving(folder: Path, **more: Any) -> AsyncIterator[ServedModel]:
    members: dict[str, Any] = {
        "workers": 1, "most_large": 8, "deadline": 20, "engine": "litert-float", "jobs": JOBS,
        "formats": ("PNG",), "max_pixels": 10_000, "photo_memory": 200 * 2**20, "photo_seconds": 5,
    }  # fmt: skip
    model = await ServedModel.load(folder, Options(**members | more))
    try:
        yield model
    finally:
        model.close()
        await asyncio.sleep(0.01)


async def stays() -> None:
    await asyncio.Event().wait()


async def leaves() -> None:
    return


@pytest.mark.parametrize("engine", ["litert-float", "litert-int8", "tensorflow"])
def test_each_engine_gives_the_answers_of_the_classifier(stripes_model: Path, engine: str) -> None:
    classifier = Classifier.load(stripes_model, engine="litert-float")
    expected = [classifier.predict(photo) for photo in PHOTOS]
    tolerance = 0.02 if engine == "litert-int8" else 1e-4
    batches: list[int] = []

    async def ask() -> None:
        async with serving(stripes_model, engine=engine, on_batch=batches.append) as model:
            assert model.engine_name == engine
            predictor = Predictor(12, 20)
            one = await predictor.predict(model, PHOTOS[0], stays)
            answers = [one, *await predictor.predict_all(model, PHOTOS[1:], stays)]
            for answer, wanted in zip(answers, expected, strict=True):
                assert isinstance(answer, Answer)
                found = answer.prediction
                assert found.label == wanted.label
                assert list(found.probabilities) == list(wanted.probabilities)
                assert found.probabilities == pytest.approx(wanted.probabilities, abs=tolerance)
                assert answer.queue >= 0
                assert min(answer.decode, answer.infer) > 0
            assert predictor.admission.admitted == 0
            assert model.waiting == 0
        assert sum(batches) == len(PHOTOS)

    run(ask)


def test_a_broken_photo_fails_alone(stripes_model: Path) -> None:
    async def ask() -> None:
        async with serving(stripes_model) as model:
            photos = [PHOTOS[0], PHOTOS[1][:60], PHOTOS[2]]
            answers = await Predictor(3, 20).predict_all(model, photos, stays)
            assert [type(answer) for answer in answers] == [Answer, BrokenPhoto, Answer]

    run(ask)


def test_there_is_no_place_for_more_than_fit(stripes_model: Path) -> None:
    async def ask() -> None:
        async with serving(stripes_model) as model:
            predictor = Predictor(3, 20)
            with pytest.raises(QueueFull):
                await predictor.predict_all(model, PHOTOS[:4], stays)
            assert predictor.admission.admitted == 0
            assert model.waiting == 0

    run(ask)


def test_the_queue_time_is_that_of_waiting(stripes_model: Path) -> None:
    async def ask() -> None:
        async with serving(stripes_model) as model:
            predictor = Predictor(3, 20)
            blocked = asyncio.create_task(predictor.run(model, "sleep", b"0.2", stays))
            await asyncio.sleep(0.02)
            began = time.perf_counter()
            answer = await predictor.predict(model, PHOTOS[0], stays)
            seconds = time.perf_counter() - began
            assert 0.1 < answer.queue < seconds
            assert answer.queue + answer.decode + answer.infer < seconds
            await blocked

    run(ask)


def test_the_deadline_is_kept_in_the_queue(stripes_model: Path) -> None:
    async def ask() -> None:
        async with serving(stripes_model) as model:
            predictor = Predictor(9, 0.1)
            blocked = [model.pool.submit("sleep", b"5") for _ in range(5)]
            with pytest.raises(DeadlinePassed, match=r"within 0\.1 seconds"):
                await predictor.predict(model, PHOTOS[0], stays)
            await until(lambda: predictor.admission.admitted == 0)
            for each in blocked:
                each.future.cancel()

    run(ask)


def test_a_photo_that_takes_longer_than_the_deadline_is_too_expensive(stripes_model: Path) -> None:
    async def ask() -> None:
        async with serving(stripes_model) as model:
            predictor = Predictor(9, 2)
            with pytest.raises(TooExpensive, match="the 2 seconds that an answer may take"):
                await predictor.run(model, "sleep", b"5", stays)
            assert (await Predictor(9, 20).predict(model, PHOTOS[0], stays)).prediction

    run(ask)


def test_who_goes_away_is_not_waited_for(stripes_model: Path) -> None:
    async def ask() -> None:
        async with serving(stripes_model) as model:
            predictor = Predictor(9, 20)
            with pytest.raises(ClientDisconnected):
                await predictor.run(model, "sleep", b"5", leaves)
            assert predictor.admission.admitted == 0

    run(ask)


def test_the_plots_are_those_that_were_checked(stripes_model: Path) -> None:
    async def ask() -> None:
        async with serving(stripes_model) as model:
            assert set(model.plots) == {n for n in model.card.files if n.endswith(".png")}
            assert all(plot.startswith(b"\x89PNG") for plot in model.plots.values())

    run(ask)


def test_a_folder_that_cannot_be_served_says_why(tmp_path: Path) -> None:
    async def ask() -> None:
        with pytest.raises(ModelError, match=r"card\.json: cannot be read"):
            async with serving(tmp_path):
                pass

    run(ask)
