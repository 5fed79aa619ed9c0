"""Real worker processes: the answers, and what a bad photo does to the others."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from app.imaging.errors import BrokenPhoto, DecoderCrashed, TooExpensive
from app.model.card import EXPLAIN, INT8, LITERT, ModelError
from app.model.classifier import Classifier
from app.model.prediction import prediction
from app.model.shared_file import SharedFile
from app.model.version_folder import load_card
from app.serving.messages import WorkerDefect
from app.serving.pool import READY, WorkerPool
from app.serving.process import WorkerProcess
from app.serving.worker import CLASSIFY
from tests import pictures
from tests.app.serving.pools import PHOTOS, run, running, spec, until
from tests.versions import DIGITS


def test_the_answers_are_those_of_the_classifier(stripes_model: Path) -> None:
    classifier = Classifier.load(stripes_model, engine="litert-float")
    expected = [classifier.predict(photo) for photo in PHOTOS]

    async def ask() -> None:
        async with running(stripes_model) as pool:
            tasks = [pool.submit(CLASSIFY, photo) for photo in PHOTOS]
            replies = await asyncio.gather(*(task.future for task in tasks))
            outputs = [reply.members["values"] for reply in replies]
            for values, one in zip(outputs, expected, strict=True):
                found = prediction(classifier.card, values)
                assert found.label == one.label
                assert found.probability == pytest.approx(one.probability, abs=1e-6)
            assert all(reply.members["decode"] > 0 for reply in replies)
            assert all(reply.members["infer"] > 0 for reply in replies)
            assert sum(pool.batches) == len(PHOTOS)  # type: ignore[attr-defined]
            assert set(pool.batches) == {1, 2}  # type: ignore[attr-defined]

    run(ask)


def test_a_broken_photo_harms_no_other(stripes_model: Path) -> None:
    async def ask() -> None:
        async with running(stripes_model, workers=1) as pool:
            photos = [PHOTOS[0], PHOTOS[1][:60], PHOTOS[2]]
            tasks = [pool.submit(CLASSIFY, photo) for photo in photos]
            answers = await asyncio.gather(*(task.future for task in tasks), return_exceptions=True)
            assert [isinstance(answer, BrokenPhoto) for answer in answers] == [False, True, False]
            assert pool.ends == []  # type: ignore[attr-defined]

    run(ask)


def test_other_jobs_answer_with_members_or_bytes(stripes_model: Path) -> None:
    async def ask() -> None:
        async with running(stripes_model, workers=1) as pool:
            reply = await pool.submit("picture", b"abc").future
            assert (reply.members, reply.blob) == ({}, b"cba")
            reply = await pool.submit("sleep", b"0").future
            assert reply.members["result"]["slept"] == 0
            with pytest.raises(BrokenPhoto, match="cut off"):
                await pool.submit("fail", b"photo").future
            with pytest.raises(WorkerDefect, match=r"(?s)bad_jobs.*RuntimeError: of ours"):
                await pool.submit("fail", b"").future

    run(ask)


@pytest.mark.parametrize("data", [b"SIGSEGV", b"SIGABRT", b"SIGKILL"])
def test_a_crash_is_the_fault_of_its_photo_alone(stripes_model: Path, data: bytes) -> None:
    async def ask() -> None:
        async with running(stripes_model) as pool:
            bad = pool.submit("crash", data)
            good = [pool.submit(CLASSIFY, photo) for photo in PHOTOS]
            await asyncio.gather(*(task.future for task in good))
            with pytest.raises(DecoderCrashed, match=f"code -{signal.Signals[data.decode()]:d}"):
                await bad.future
            assert pool.ends == ["crash"] * 3  # type: ignore[attr-defined]
            await until(lambda: len(pool._workers) == 2 + READY)

    run(ask)


def test_a_fault_of_memory_is_a_crash(stripes_model: Path) -> None:
    async def ask() -> None:
        async with running(stripes_model, workers=1) as pool:
            with pytest.raises(DecoderCrashed):
                await pool.submit("fault", b"").future
            await pool.submit(CLASSIFY, PHOTOS[0]).future

    run(ask)


def test_whoever_kills_a_worker_fails_no_photo(stripes_model: Path) -> None:
    async def ask() -> None:
        async with running(stripes_model) as pool:
            tasks = [pool.submit("sleep", b"0.2") for _ in range(6)]
            await asyncio.sleep(0.05)
            for worker in list(pool._workers):
                os.kill(worker._process.pid, signal.SIGKILL)
            replies = await asyncio.gather(*(task.future for task in tasks))
            assert [reply.members["result"]["slept"] for reply in replies] == [0.2] * 6

    run(ask)


def test_a_photo_has_a_limit_of_processor_time(stripes_model: Path) -> None:
    async def ask() -> None:
        async with running(stripes_model, workers=1, photo_seconds=0.5) as pool:
            assert await pool.submit("burn", b"0.2").future
            began = time.monotonic()
            with pytest.raises(TooExpensive, match=r"0\.5 seconds of processor time"):
                await pool.submit("burn", b"60").future
            assert time.monotonic() - began < 10
            assert pool.ends == ["processor-time"]  # type: ignore[attr-defined]
            assert await pool.submit("sleep", b"0.6").future  # no time of the processor
            assert await pool.submit("burn", b"0.2").future

    run(ask)


def test_a_photo_that_uses_the_processor_is_slow_soon(stripes_model: Path) -> None:
    async def ask() -> None:
        async with running(stripes_model, workers=1) as pool:
            burning, sleeping = pool.submit("burn", b"5"), pool.submit("sleep", b"0.7")
            await until(lambda: burning.slow)
            await sleeping.future  # it was given to another worker
            assert not burning.future.done()
            assert not sleeping.slow  # as a worker without processor time is not

    run(ask)


def test_a_slow_photo_delays_no_other(stripes_model: Path) -> None:
    async def ask() -> None:
        async with running(stripes_model, workers=1) as pool:
            slow = [pool.submit("sleep", b"6") for _ in range(2)]
            began = time.monotonic()
            await asyncio.gather(*(pool.submit(CLASSIFY, photo).future for photo in PHOTOS))
            assert time.monotonic() - began < 4
            assert not any(task.future.done() for task in slow)
            assert len(pool._workers) >= 3

    run(ask)


def test_a_slow_photo_of_a_batch_is_looked_at_alone(
    stripes_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two photos in a batch; the first takes all the time that a batch gives it."""
    monkeypatch.setattr("app.serving.photo_queue.CLASSIFY", "burn")  # burns form batches here

    async def ask() -> None:
        async with running(stripes_model, workers=1, photo_seconds=0.4) as pool:
            blocked = pool.submit("sleep", b"0.1")
            tasks = [pool.submit("burn", data) for data in (b"60", b"0.01")]
            await blocked.future
            with pytest.raises(TooExpensive):
                await tasks[0].future
            await tasks[1].future

    run(ask)


def test_spare_workers_end_when_they_are_idle(
    stripes_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.serving.pool._IDLE_SECONDS", 0.1)
    monkeypatch.setattr("app.serving.pool._PAUSE", 0.1)

    async def ask() -> None:
        async with running(stripes_model, workers=1) as pool:
            slow = pool.submit("sleep", b"3")
            await until(lambda: len(pool._workers) == 2 + READY)
            await slow.future
            await until(lambda: len(pool._workers) == 1 + READY)
            assert await pool.submit(CLASSIFY, PHOTOS[0]).future
            assert pool.ends == []  # type: ignore[attr-defined]

    run(ask)


def test_a_worker_that_is_stuck_is_killed_after_the_deadline(stripes_model: Path) -> None:
    async def ask() -> None:
        async with running(stripes_model, workers=1, deadline=0.5) as pool:
            with pytest.raises(DecoderCrashed):
                await pool.submit("sleep", b"60").future
            assert await pool.submit(CLASSIFY, PHOTOS[0]).future

    run(ask)


def test_nobody_works_for_a_client_that_left(stripes_model: Path) -> None:
    async def ask() -> None:
        async with running(stripes_model, workers=1) as pool:
            slow = pool.submit("sleep", b"60")
            waiting = pool.submit(CLASSIFY, PHOTOS[0])
            await until(lambda: slow.slow)
            slow.future.cancel()
            assert await waiting.future
            await until(lambda: not any(w.batch for w in pool._workers.values()))
            assert pool.ends == ["given-up"]  # type: ignore[attr-defined]

    run(ask)


def test_a_photo_that_needs_more_memory_gets_it_once_and_within_its_limit(
    stripes_model: Path,
) -> None:
    async def ask() -> None:
        async with running(stripes_model, photo_memory=300 * 2**20) as pool:
            sizes = [b"50", b"250", b"250"]
            tasks = [pool.submit("allocate", data) for data in sizes]
            replies = await asyncio.gather(*(task.future for task in tasks))
            found = [reply.members["result"]["size"] >> 20 for reply in replies]
            assert found == [50, 250, 250]
            assert [task.large for task in tasks] == [False, True, True]
            with pytest.raises(TooExpensive, match="memory"):
                await pool.submit("allocate", b"301").future
            assert pool.ends == []  # type: ignore[attr-defined]

    run(ask)


def test_a_worker_can_open_nothing_and_knows_no_keys(
    stripes_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APP_API_KEYS", "a-key-of-sixteen-characters")

    async def ask() -> None:
        async with running(stripes_model, workers=1) as pool:
            found = (await pool.submit("look", b"").future).members["result"]
            assert [found[name] for name in ("file", "connection", "process")] == ["OSError"] * 3
            assert "APP_API_KEYS" not in found["environment"]
            assert os.environ["APP_API_KEYS"]

    run(ask)


def test_signals_for_the_whole_group_leave_the_workers_at_work(stripes_model: Path) -> None:
    async def ask() -> None:
        async with running(stripes_model, workers=1) as pool:
            task = pool.submit("sleep", b"0.3")
            await asyncio.sleep(0.1)
            for number in (signal.SIGINT, signal.SIGTERM):
                os.kill(next(iter(pool._workers))._process.pid, number)
            assert (await task.future).members["result"]["slept"] == 0.3
            assert pool.ends == []  # type: ignore[attr-defined]

    run(ask)


@pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")
def test_starts_that_are_given_up_do_not_end_the_fork_server(stripes_model: Path) -> None:
    async def ask() -> None:
        async with running(stripes_model, workers=1) as pool:
            stat = Path(f"/proc/{next(iter(pool._workers))._process.pid}/stat").read_text()
            server = Path("/proc") / stat.rpartition(")")[2].split()[1]  # its parent, see proc(5)
            for number in range(20):
                process = WorkerProcess(lambda *_: None, lambda *_: None)
                start = asyncio.create_task(process.start(pool._spec, 1, False))
                await asyncio.sleep(number / 7_000)
                start.cancel()
                await asyncio.gather(start, return_exceptions=True)
        assert server.exists()
        async with running(stripes_model, workers=1) as pool:
            assert await pool.submit(CLASSIFY, PHOTOS[0]).future

    run(ask)


def test_a_model_that_does_not_load_is_refused(stripes_model: Path) -> None:
    async def start(bad: WorkerPool) -> None:
        with pytest.raises(ModelError, match="LiteRT cannot load it"):
            await bad.start()

    broken = spec(stripes_model, files={LITERT: SharedFile(b"TFL3" + bytes(100))})
    run(lambda: start(WorkerPool(broken, 2, 8, 10)))


def test_a_system_that_starts_no_process_is_one_line(
    stripes_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr("app.serving.process._start", fail)

    async def ask() -> None:
        with pytest.raises(ModelError, match=r"no worker process .* \(No usable temporary"):
            async with running(stripes_model):
                pass

    run(ask)


def test_workers_are_replaced_when_the_system_can_again(
    stripes_model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> None:
        raise BlockingIOError("Resource temporarily unavailable")

    async def ask() -> None:
        async with running(stripes_model, workers=1) as pool:
            with monkeypatch.context() as patch:
                patch.setattr("app.serving.process._start", fail)
                for worker in list(pool._workers):
                    worker.kill()
                task = pool.submit(CLASSIFY, PHOTOS[0])
                await until(lambda: "temporarily" in pool.failing)
            await task.future
            await until(lambda: not pool.failing)
        assert "no worker can be started" in caplog.text

    run(ask)


def test_closing_ends_the_processes_and_cancels_what_waits(stripes_model: Path) -> None:
    async def ask() -> None:
        async with running(stripes_model, workers=1) as pool:
            tasks = [pool.submit("sleep", b"60"), pool.submit(CLASSIFY, PHOTOS[0])]
            await asyncio.sleep(0.1)
            processes = [worker._process for worker in pool._workers]
        assert tasks[1].future.cancelled()
        await until(lambda: not any(process.is_alive() for process in processes))

    run(ask)


@pytest.mark.parametrize("wins", ["litert-float", "litert-int8"])
def test_all_workers_run_the_network_that_the_first_one_selected(wins: str) -> None:
    card = load_card(DIGITS)
    assert card.int8
    files = {name: SharedFile((DIGITS / name).read_bytes()) for name in (LITERT, INT8, EXPLAIN)}
    if wins == "litert-float":  # the other one does not reproduce the card's answers
        other = tuple(each.model_copy(update={"seed": each.seed + 1}) for each in card.int8.golden)
        card = card.model_copy(update={"int8": card.int8.model_copy(update={"golden": other})})
    else:
        del files[LITERT]

    async def ask() -> None:
        async with running(DIGITS, workers=3, card=card, files=files) as pool:
            assert pool.engine == wins
            kept = LITERT if wins == "litert-float" else INT8
            assert set(pool._spec.files) == {kept, EXPLAIN}
            photo = pictures.encode(pictures.noise(4, 90, 60))
            tasks = [pool.submit(CLASSIFY, photo) for _ in range(30)]
            replies = await asyncio.gather(*(task.future for task in tasks))
            assert len({tuple(reply.members["values"]) for reply in replies}) == 1

    run(ask)
