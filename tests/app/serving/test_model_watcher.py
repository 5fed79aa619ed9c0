"""Which version is served: the newest that can be, a pinned one, and never a broken one."""

import asyncio
import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

import httpx
import pytest

from app.model.card import CARD, ModelError
from app.model.decision import Decisions
from app.model.version_folder import find_version, load_card
from app.serving.metrics import Metrics
from app.serving.model_watcher import ModelWatcher
from app.serving.pool import WorkerPool
from app.serving.served_model import ServedModel
from app.settings import Settings
from tests import pictures
from tests.conftest import serving
from tests.versions import DIGITS, damage, publish, repair

PHOTO = pictures.encode(pictures.noise(1))


class Pool:
    """No workers: their end alone counts here."""

    closed = False

    def close(self) -> None:
        self.closed = True


def load(path: Path, version: int | None = None) -> ServedModel:
    folder = find_version(path, version)
    card = load_card(folder)
    pool = cast(WorkerPool, Pool())
    return ServedModel(folder, card, "litert", Decisions(card, None), {}, pool, None)


async def load_later(path: Path) -> ServedModel:
    return load(path)


def watcher(path: Path, version: int | None = None) -> ModelWatcher:
    return ModelWatcher(load(path, version), load_later, path, version, Metrics())


def check(served: ModelWatcher) -> None:
    asyncio.run(served.check())


def test_a_newer_version_takes_over(tmp_path: Path) -> None:
    publish(tmp_path, 1)
    served = watcher(tmp_path)
    check(served)
    assert served.model.card.version == 1
    publish(tmp_path, 2)
    publish(tmp_path, 10)
    check(served)
    assert served.model.card.version == 10
    assert served.refused == {}


def test_the_same_version_is_not_loaded_again(tmp_path: Path) -> None:
    publish(tmp_path, 1)
    served = watcher(tmp_path)
    before = served.model
    check(served)
    assert served.model is before
    os.utime(tmp_path / "1" / CARD)  # published anew
    check(served)
    assert served.model is not before


def test_a_broken_version_is_refused_until_it_changes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    publish(tmp_path, 1)
    served = watcher(tmp_path)
    publish(tmp_path, 2, broken=True)
    for _ in range(3):
        check(served)
    assert served.model.card.version == 1
    assert list(served.refused) == ["2"]
    assert served.refused["2"].startswith("model.tflite: its SHA-256 is")
    assert str(tmp_path) not in served.refused["2"]
    assert len([line for line in caplog.messages if "version 2 is refused" in line]) == 1
    repair(tmp_path / "2")
    check(served)
    assert served.model.card.version == 2
    assert served.refused == {}


def test_a_refused_version_is_tried_again_when_told_to(tmp_path: Path) -> None:
    publish(tmp_path, 1)
    publish(tmp_path, 2)
    tries: list[str] = []

    async def load_second(folder: Path) -> ServedModel:
        tries.append(folder.name)
        if len(tries) == 1:
            raise ModelError("for want of memory, say: the folder itself is good")
        return load(folder)

    served = ModelWatcher(load(tmp_path, 1), load_second, tmp_path, None, Metrics())
    check(served)
    check(served)
    assert (tries, list(served.refused)) == (["2"], ["2"])
    served.check_now()
    check(served)
    assert (tries, served.model.card.version) == (["2", "2"], 2)
    assert served.refused == {}


def test_a_change_of_versions_is_logged_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    publish(tmp_path, 3)
    metrics = Metrics()
    served = ModelWatcher(load(tmp_path), load_later, tmp_path, None, metrics)
    publish(tmp_path, 5, broken=True)
    publish(tmp_path, 4)
    check(served)
    assert caplog.messages[1] == "serving digits version 4 instead of 3 with litert ()"
    refusal, changed = caplog.messages[0].split(": ", 1)
    assert refusal == "version 5 is refused, 3 is served on"
    assert changed.startswith(f"{tmp_path / '5'}/model.tflite: its SHA-256 is")
    text = metrics.text().decode()
    assert 'model_refused{version="5"} 1.0' in text
    assert 'model_info{engine="litert",name="digits",version="4"} 1.0' in text
    assert "model_swaps_total 1.0" in text
    assert "model_refusals_total 1.0" in text
    repair(tmp_path / "5")
    check(served)
    assert served.model.card.version == 5
    assert "model_refused{" not in metrics.text().decode()


@pytest.mark.parametrize("place", ["models", "my models (old)"])
def test_a_refusal_tells_clients_no_path(tmp_path: Path, place: str) -> None:
    publish(tmp_path / place, 1)
    publish(tmp_path / place, 2)

    async def refuse(folder: Path) -> ServedModel:
        raise ModelError(f"{folder}/a.tflite: cannot be read ('{folder}/a.tflite').")

    loaded = load(tmp_path / place, 1)
    served = ModelWatcher(loaded, refuse, tmp_path / place, None, Metrics())
    check(served)
    assert served.refused == {"2": "a.tflite: cannot be read ('a.tflite')."}


@pytest.mark.parametrize("seconds", [0, 0.01])
def test_watching_goes_on_after_a_defect(caplog: pytest.LogCaptureFixture, seconds: float) -> None:
    served = watcher(DIGITS)
    checks: list[int] = []

    async def fail_once() -> None:
        checks.append(len(checks))
        if len(checks) == 1:
            raise RuntimeError("a defect")

    async def run() -> None:
        task = asyncio.create_task(served.watch(seconds))
        for wanted in (1, 2):
            if not seconds:
                await asyncio.sleep(0.05)
                assert len(checks) == wanted - 1  # only when told to
                served.check_now()
            while len(checks) < wanted:
                await asyncio.sleep(0.005)
        task.cancel()

    served.check = fail_once  # type: ignore[method-assign]
    asyncio.run(asyncio.wait_for(run(), 10))
    assert caplog.messages == ["looking for another version failed"]
    assert "a defect" in caplog.text


def test_damage_to_the_served_version_changes_nothing(tmp_path: Path) -> None:
    publish(tmp_path, 1)
    publish(tmp_path, 2)
    served = watcher(tmp_path)
    damage(tmp_path / "2")
    for _ in range(2):
        check(served)
    assert served.model.card.version == 2
    assert list(served.refused) == ["2"]


def test_the_newest_that_can_be_served_is(tmp_path: Path) -> None:
    publish(tmp_path, 1)
    served = watcher(tmp_path)
    publish(tmp_path, 2)
    publish(tmp_path, 3, broken=True)
    check(served)
    assert served.model.card.version == 2
    assert list(served.refused) == ["3"]


def test_a_version_that_is_taken_away_is_rolled_back(tmp_path: Path) -> None:
    publish(tmp_path, 1)
    publish(tmp_path, 2)
    publish(tmp_path, 3, broken=True)
    served = ModelWatcher(load(tmp_path, 2), load_later, tmp_path, None, Metrics())
    check(served)
    for name in ("2", "3"):
        shutil.rmtree(tmp_path / name)
    check(served)
    assert served.model.card.version == 1
    assert served.refused == {}
    shutil.rmtree(tmp_path / "1")
    check(served)
    assert served.model.card.version == 1


def test_a_pinned_version_stays(tmp_path: Path) -> None:
    publish(tmp_path, 1)
    publish(tmp_path, 2)
    served = watcher(tmp_path, 1)
    check(served)
    assert served.model.card.version == 1


def pin(served: ModelWatcher, version: int | None) -> None:
    asyncio.run(served.pin(version))


def test_another_version_can_be_pinned_an_older_one_and_none(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        publish(tmp_path, number)
    served = watcher(tmp_path, 1)
    pin(served, 2)
    assert served.model.card.version == 2
    check(served)
    assert served.model.card.version == 2
    pin(served, 1)
    assert served.model.card.version == 1
    pin(served, None)
    assert served.model.card.version == 3
    assert served.refused == {}


def test_a_pinned_version_that_is_broken_or_missing_is_refused_until_it_is_good(
    tmp_path: Path,
) -> None:
    publish(tmp_path, 1)
    publish(tmp_path, 2, broken=True)
    served = watcher(tmp_path, 1)
    pin(served, 2)
    assert served.model.card.version == 1
    assert served.refused["2"].startswith("model.tflite: its SHA-256 is")
    pin(served, 7)
    check(served)
    assert served.model.card.version == 1
    assert served.refused == {"7": f"{tmp_path.name} has no version 7."}
    publish(tmp_path, 7)
    check(served)
    assert served.model.card.version == 7
    assert served.refused == {}
    repair(tmp_path / "2")
    pin(served, 2)
    assert served.model.card.version == 2


def test_pinning_while_the_folder_is_watched_loads_a_version_once(tmp_path: Path) -> None:
    publish(tmp_path, 1)
    loaded: list[str] = []

    async def load_slowly(folder: Path) -> ServedModel:
        loaded.append(folder.name)
        await asyncio.sleep(0.05)
        return load(folder)

    served = ModelWatcher(load(tmp_path, 1), load_slowly, tmp_path, None, Metrics())
    publish(tmp_path, 2)

    async def run() -> None:
        await asyncio.gather(served.check(), served.pin(2))

    asyncio.run(run())
    assert (loaded, served.model.card.version) == (["2"], 2)


def test_a_version_folder_is_served_alone(tmp_path: Path) -> None:
    folder = publish(tmp_path, 1).rename(tmp_path / "mine")
    served = watcher(folder)
    publish(tmp_path, 2)
    check(served)
    assert served.model.card.version == 1


@pytest.mark.parametrize("users", [0, 2])
def test_the_old_model_ends_when_its_last_request_has_ended(tmp_path: Path, users: int) -> None:
    publish(tmp_path, 1)
    served = watcher(tmp_path)
    old = served.model
    pool = cast(Pool, old.pool)
    for _ in range(users):
        old.acquire()
    publish(tmp_path, 2)
    check(served)
    for _ in range(users):
        assert not pool.closed
        old.release()
    assert pool.closed
    new = served.model
    new.acquire()
    new.release()
    assert not cast(Pool, new.pool).closed


def eventually(true: Callable[[], bool]) -> None:
    for _ in range(200):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen within ten seconds")


def serves(client: httpx.Client, version: int) -> bool:
    return bool(client.get("/readyz").json()["model"]["version"] == version)


def test_no_request_fails_while_versions_come_and_go(tmp_path: Path) -> None:
    publish(tmp_path, 1)
    answers: list[tuple[int, int]] = []
    done = threading.Event()

    def ask(address: httpx.URL) -> None:
        with httpx.Client(base_url=address) as other:
            while not done.is_set():
                answer = other.post("/predict", files={"file": PHOTO})
                answers.append((answer.status_code, answer.json()["model"]["version"]))

    with serving(Settings(model=tmp_path, model_poll_seconds=0.05)) as client:
        clients = [threading.Thread(target=ask, args=(client.base_url,)) for _ in range(3)]
        for thread in clients:
            thread.start()
        for number in range(2, 8):
            publish(tmp_path, number)
            eventually(partial(serves, client, number))
        publish(tmp_path, 8, broken=True)
        eventually(lambda: bool(client.get("/readyz").json()["refused"]))
        done.set()
        for thread in clients:
            thread.join()
        refused = client.get("/readyz").json()["refused"]
        metrics = client.get("/metrics").text
    assert {status for status, _ in answers} == {200}
    assert [seen for _, seen in answers][-1] == 7
    assert refused[0]["version"] == "8"
    assert "/" not in refused[0]["reason"]
    assert 'model_refused{version="8"} 1.0' in metrics
    info = [line for line in metrics.splitlines() if line.startswith("model_info{")]
    (line,) = info
    assert re.fullmatch(r'model_info\{engine="litert-\w+",name="digits",version="7"\} 1.0', line)
    assert "model_swaps_total 6.0" in metrics
