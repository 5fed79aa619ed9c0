"""Photos through the workers: the same answers on both paths, errors, bounds, the deadline."""

import asyncio
import threading
import traceback
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from app.imaging.errors import BrokenPhoto
from app.model.classifier import Classifier
from app.serving import predictor as predictor_module
from app.serving import worker
from app.serving.admission import QueueFull
from app.serving.predictor import Answer, ClientDisconnected, DeadlinePassed, Predictor
from tests import pictures
from tests.conftest import striped

PHOTOS = [pictures.encode(pictures.grey(striped(seed % 3, seed))) for seed in range(12)]


class Batching:
    """LiteRT behind the face of an engine that wants batches, and a gate before it."""

    name = "batching"
    max_batch = 8
    exclusive = True

    def __init__(self, classifier: Classifier, shift: int = 0) -> None:
        self._inner = classifier.engine
        self._shift = shift  # another version: the outputs in another order
        self.sizes: list[int] = []
        self.entered = threading.Event()
        self.go = threading.Event()
        self.go.set()

    def run(self, batch: np.ndarray, alone: bool = False) -> np.ndarray:
        self.entered.set()
        assert self.go.wait(10)
        self.sizes.append(len(batch))
        return np.roll(self._inner.run(batch, alone), self._shift, axis=1)

    def warm(self) -> None:
        pass


@pytest.fixture
def classifier(stripes_model: Path) -> Classifier:
    return Classifier.load(stripes_model, threads=2)


@pytest.fixture
def predictor() -> Iterator[Predictor]:
    made = Predictor(threads=2, max_queue=10, deadline=10)
    yield made
    made.stop()


async def stays() -> None:
    await asyncio.Event().wait()


async def leaves() -> None:
    return


def run(work: Callable[[], Awaitable[object]]) -> object:
    async def main() -> object:
        return await work()

    return asyncio.run(main())


def test_both_ways_give_the_answers_of_the_classifier(
    classifier: Classifier, predictor: Predictor
) -> None:
    expected = [classifier.predict(photo) for photo in PHOTOS]
    for engine in (classifier.engine, Batching(classifier)):
        other = Classifier(classifier.card, engine)

        async def ask(other: Classifier = other) -> object:
            return await predictor.predict_all(other, PHOTOS, stays)

        answers = run(ask)
        assert isinstance(answers, list)
        assert [answer.prediction for answer in answers] == expected
        assert all(min(a.queue, a.decode, a.infer) >= 0 for a in answers)
        assert predictor.admission.admitted == 0


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("models", [1, 2])
def test_those_that_wait_go_in_one_batch(
    classifier: Classifier, predictor: Predictor, models: int
) -> None:
    engines = [Batching(classifier, shift) for shift in range(models)]
    engine = engines[0]
    # Two while a new version takes over; their photos must not be mixed up.
    served = [Classifier(classifier.card, each) for each in engines]

    async def ask() -> object:
        engine.go.clear()
        tasks = []
        for number, photo in enumerate(PHOTOS):
            work = predictor.predict(served[number % models], photo, stays)
            tasks.append(asyncio.create_task(work))
            await until(engine.entered.is_set)  # the first goes alone
        await until(lambda: predictor.waiting == 11)
        engine.go.set()
        return await asyncio.gather(*tasks)

    answers = run(ask)
    assert isinstance(answers, list)
    expected = [served[number % models].predict(photo) for number, photo in enumerate(PHOTOS)]
    assert [answer.prediction for answer in answers] == expected
    assert models == 2 or engine.sizes[:3] == [1, 8, 3]


def test_on_a_cpu_photos_of_two_versions_are_no_batch(classifier: Classifier) -> None:
    """Both wait while a new version takes over; each version has its labels in another order."""
    sizes: list[int] = []
    predictor = Predictor(threads=1, max_queue=20, deadline=10, on_batch=sizes.append)
    card = classifier.card
    turned = card.model_copy(update={"labels": (*card.labels[1:], card.labels[0])})
    served = [classifier, Classifier(turned, classifier.engine)]
    order = [0, 1, 1, 0, 0]
    entered, go = threading.Event(), threading.Event()

    def block() -> bool:
        entered.set()
        return go.wait(10)

    async def ask() -> list[Answer]:
        blocked = asyncio.create_task(predictor.run(block, stays))
        await until(entered.is_set)
        waiting = [
            asyncio.create_task(predictor.predict(served[which], PHOTOS[number], stays))
            for number, which in enumerate(order)
        ]
        await until(lambda: predictor.waiting == len(order))
        go.set()
        await blocked
        return await asyncio.gather(*waiting)

    answers = run(ask)
    predictor.stop()
    assert isinstance(answers, list)
    expected = [served[which].predict(PHOTOS[number]) for number, which in enumerate(order)]
    assert [answer.prediction for answer in answers] == expected
    assert sizes == [1, 2, 2]


class Clock:
    """A clock that only the stages of a photo move."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.mark.parametrize("exclusive", [False, True])
def test_each_stage_has_its_own_seconds(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch, exclusive: bool
) -> None:
    clock = Clock()
    for module in (worker, predictor_module):
        monkeypatch.setattr(module, "time", clock)
    engine = Batching(classifier) if exclusive else classifier.engine
    model = Classifier(classifier.card, engine)
    decode, infer = model.pixels, engine.run
    predictor = Predictor(threads=1, max_queue=20, deadline=10)
    entered, go = threading.Event(), threading.Event()

    def block() -> bool:
        entered.set()
        return go.wait(10)

    def slow_decode(data: bytes) -> np.ndarray:
        clock.now += 2
        return decode(data)

    def slow_infer(batch: np.ndarray, alone: bool = False) -> np.ndarray:
        clock.now += 30
        return infer(batch, alone)

    monkeypatch.setattr(model, "pixels", slow_decode)
    monkeypatch.setattr(engine, "run", slow_infer)

    async def ask() -> Answer:
        blocked = asyncio.create_task(predictor.run(block, stays))
        await until(entered.is_set)
        waiting = asyncio.create_task(predictor.predict(model, PHOTOS[0], stays))
        await until(lambda: predictor.waiting == 1)
        clock.now += 400
        go.set()
        await blocked
        return await waiting

    answer = run(ask)
    predictor.stop()
    assert isinstance(answer, Answer)
    assert (answer.queue, answer.decode, answer.infer) == (400, 2, 30)


def test_a_broken_photo_harms_no_other(classifier: Classifier, predictor: Predictor) -> None:
    async def ask() -> object:
        photos = [PHOTOS[0], PHOTOS[1][:60], PHOTOS[2]]
        return await predictor.predict_all(classifier, photos, stays)

    answers = run(ask)
    assert isinstance(answers, list)
    assert [type(answer) for answer in answers] == [Answer, BrokenPhoto, Answer]


def test_on_a_cpu_those_that_wait_go_in_twos_and_other_work_alone(
    classifier: Classifier,
) -> None:
    sizes: list[int] = []
    predictor = Predictor(threads=1, max_queue=20, deadline=10, on_batch=sizes.append)
    entered, go = threading.Event(), threading.Event()

    def block() -> str:
        entered.set()
        assert go.wait(10)
        return "done"

    async def ask() -> list[object]:
        blocked = asyncio.create_task(predictor.run(block, stays))
        await until(entered.is_set)
        photos = [PHOTOS[0], PHOTOS[1], PHOTOS[2][:60], PHOTOS[3]]
        waiting = [
            asyncio.create_task(predictor.predict_all(classifier, photos, stays)),
            asyncio.create_task(predictor.run(lambda: "other", stays)),
            asyncio.create_task(predictor.predict(classifier, PHOTOS[4], stays)),
        ]
        await until(lambda: predictor.waiting == 6)
        go.set()
        return [await blocked, *[await task for task in waiting]]

    answers = run(ask)
    predictor.stop()
    assert isinstance(answers, list)
    blocked, several, other, one = answers
    assert (blocked, other) == ("done", "other")
    assert [type(answer) for answer in several] == [Answer, Answer, BrokenPhoto, Answer]
    expected = [classifier.predict(PHOTOS[number]) for number in (0, 1, 3, 4)]
    assert [answer.prediction for answer in (*several[:2], several[3], one)] == expected
    assert sizes == [2, 1, 1]


def test_a_defect_and_a_heavy_photo_are_no_matter_of_the_next(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    predictor = Predictor(threads=1, max_queue=20, deadline=10, on_batch=sizes.append)
    entered, go = threading.Event(), threading.Event()
    decode = Classifier.pixels

    def block() -> bool:
        entered.set()
        return go.wait(10)

    def pixels(classifier: Classifier, data: bytes) -> np.ndarray:
        if data == b"defect":
            raise RuntimeError("of ours")
        return decode(classifier, data)

    monkeypatch.setattr(Classifier, "pixels", pixels)
    heavy = PHOTOS[1] + bytes(600_000)

    async def ask() -> list[object]:
        blocked = asyncio.create_task(predictor.run(block, stays))
        await until(entered.is_set)
        photos = (b"defect", PHOTOS[0], heavy, PHOTOS[2], PHOTOS[3])
        waiting = [
            asyncio.create_task(predictor.predict(classifier, photo, stays)) for photo in photos
        ]
        await until(lambda: predictor.waiting == len(photos))
        go.set()
        await blocked
        return await asyncio.gather(*waiting, return_exceptions=True)

    answers = run(ask)
    predictor.stop()
    assert isinstance(answers, list)
    assert isinstance(answers[0], RuntimeError)
    assert "pixels" in [frame.name for frame in traceback.extract_tb(answers[0].__traceback__)]
    expected = [classifier.predict(PHOTOS[number]) for number in range(4)]
    assert [answer.prediction for answer in answers[1:]] == expected
    assert sizes == [1, 1, 2]


@pytest.mark.parametrize("kind", ["litert", "batching"])
def test_an_engine_that_fails_is_an_error_and_gives_its_places_back(
    classifier: Classifier, predictor: Predictor, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Batching(classifier) if kind == "batching" else classifier.engine

    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(engine, "run", fail)
    for ask in (predictor.predict, predictor.predict_all):
        data = PHOTOS[0] if ask == predictor.predict else PHOTOS[:2]
        with pytest.raises(MemoryError):
            run(lambda ask=ask, data=data: ask(Classifier(classifier.card, engine), data, stays))  # type: ignore[misc]
    assert predictor.admission.admitted == 0


def test_there_is_no_place_for_more_than_fit(classifier: Classifier, predictor: Predictor) -> None:
    with pytest.raises(QueueFull):
        run(lambda: predictor.predict_all(classifier, PHOTOS * 2, stays))
    assert predictor.admission.admitted == 0


def test_who_goes_away_is_not_waited_for(classifier: Classifier, predictor: Predictor) -> None:
    engine = Batching(classifier)
    engine.go.clear()
    with pytest.raises(ClientDisconnected):
        run(lambda: predictor.predict(Classifier(classifier.card, engine), PHOTOS[0], leaves))
    engine.go.set()
    assert predictor.admission.admitted == 0


def test_the_deadline_is_kept(classifier: Classifier) -> None:
    predictor = Predictor(threads=1, max_queue=5, deadline=0.05)
    engine = Batching(classifier)
    engine.go.clear()
    with pytest.raises(DeadlinePassed, match=r"within 0\.05 seconds"):
        run(lambda: predictor.predict(Classifier(classifier.card, engine), PHOTOS[0], stays))
    engine.go.set()
    predictor.stop()
