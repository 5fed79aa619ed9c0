"""Scoring through a service: the same rows, whatever happens to the service."""

import asyncio
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from app.scoring import remote
from app.settings import Settings
from tests import pictures
from tests.app.scoring.conftest import DIGITS, Score, read, scoring
from tests.app.scoring.test_score import rounded
from tests.conftest import ROOT, Command, serving, striped
from tests.versions import publish

POST = remote.RemoteScorer._post
KEY = "a-key-of-thirty-two-characters--"


@pytest.fixture(scope="module")
def small() -> Iterator[str]:
    """A service with one worker and room for two photos, so that most are refused at first."""
    with serving(Settings(model=DIGITS, workers=1, max_queue=1, max_batch=1)) as client:
        yield str(client.base_url)


def test_the_rows_are_those_of_this_process(small: str, score: Score, folder: Path) -> None:
    assert rounded(score(folder, "--url", small, model=False)) == rounded(score(folder))


def test_refused_photos_are_tried_again_when_the_service_says(
    small: str, score: Score, folder: Path
) -> None:
    before = refused(small)
    rows = score(folder, "--url", f"{small}/", "--concurrency", 8, model=False)
    assert refused(small) > before
    assert len(rows) == 20
    assert {row.problem for row in rows if row.path.startswith(("7", "3", "0"))} == {None}


def refused(address: str) -> int:
    """How many requests the service has answered with 429."""
    lines = httpx.get(f"{address}/metrics").text.splitlines()
    return int(sum(float(line.split()[-1]) for line in lines if 'status="429"' in line))


def test_thresholds_go_to_the_service(
    score: Score, folder: Path, tmp_path: Path, run_here: Command
) -> None:
    with serving(Settings(model=DIGITS.parent / "2", workers=1)) as client:
        url = ("--url", client.base_url)
        rows = score(folder, *url, "--min-familiarity", 1, model=False)
        words = ("--min-familiarity", 2, "--output", tmp_path / "o.csv")
        wrong = run_here("app.score", folder, *url, *words)
    assert {row.decision for row in rows if row.label} == {"unknown"}
    assert wrong.returncode == 2  # and not a problem of each photo


def test_a_photo_that_always_fails_ends_nothing(
    score: Score, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = pictures.encode(pictures.grey(striped(2, 50)))
    (folder / "3" / "1.png").write_bytes(bad)

    async def post(self: remote.RemoteScorer, data: bytes) -> httpx.Response:
        if data == bad:  # as a proxy answers while the others are answered
            await asyncio.sleep(0.3)
            return httpx.Response(502)
        return await POST(self, data)

    monkeypatch.setattr(remote.RemoteScorer, "_post", post)
    with serving(Settings(model=DIGITS, workers=1)) as client:
        rows = score(folder, "--url", client.base_url, "--concurrency", 3, model=False)
    assert [row.path for row in rows if row.problem == "http-502"] == ["3/1.png"]
    assert len(rows) == 20


def test_keys_come_from_a_file_or_a_variable(
    run_here: Command, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, score: Score
) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    with serving(Settings(model=DIGITS, workers=1, api_keys=(SecretStr(KEY),))) as client:
        words = ("app.score", folder, "--url", client.base_url, "--output", tmp_path / "o.csv")
        without = run_here(*words)
        score(folder, "--url", client.base_url, "--api-key-file", tmp_path / "key", model=False)
        monkeypatch.setenv("CATS_VS_DOGS_API_KEY", KEY)
        score(folder, "--url", client.base_url, model=False)
    assert without.returncode == 2
    assert "401" in without.stderr
    assert "--api-key-file" in without.stderr


@contextmanager
def process(port: int, model: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The service as a process of its own, ready."""
    words = ["--port", str(port), "--model", str(model), "--workers", "1", "--log-level", "error"]
    with subprocess.Popen([sys.executable, "-m", "app", *words], cwd=ROOT) as running:
        try:
            for _ in range(600):
                try:
                    httpx.get(f"http://127.0.0.1:{port}/readyz").raise_for_status()
                    break
                except httpx.HTTPError:
                    time.sleep(0.05)
            yield running
        finally:
            running.kill()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_a_service_that_is_killed_and_comes_back_loses_nothing(
    folder: Path, tmp_path: Path
) -> None:
    lines = [f"{folder}/f{number}/../7/1.png" for number in range(600)]
    for number in range(600):
        (folder / f"f{number}").mkdir()
    (tmp_path / "list.txt").write_text("\n".join(lines))
    port, output = free_port(), tmp_path / "rows.jsonl"
    url = ("--url", f"http://127.0.0.1:{port}")
    with process(port, DIGITS) as service, scoring(tmp_path / "list.txt", output, 50, *url) as run:
        service.kill()
        service.wait()
        assert run.poll() is None
        with process(port, DIGITS):
            assert run.wait(60) == 0
    assert [row.path for row in read(output)] == lines
    assert {row.problem for row in read(output)} == {None}


def test_rows_of_two_versions_are_not_mixed(
    run_here: Command, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tmp_path / "models"
    base.mkdir()
    publish(base, 1)
    (tmp_path / "list.txt").write_text("\n".join(f"{folder}/7/{n}/../1.png" for n in range(5)))
    shutil.copytree(folder / "7", tmp_path / "copy")
    with serving(Settings(model=base, workers=1, model_poll_seconds=0.05)) as client:

        async def swap_first(self: remote.RemoteScorer, data: bytes) -> httpx.Response:
            if not (base / "2").exists():
                publish(base, 2)
            while client.get("/readyz").json()["model"]["version"] != 2:
                time.sleep(0.02)
            return await POST(self, data)

        monkeypatch.setattr(remote.RemoteScorer, "_post", swap_first)
        words = ("--url", client.base_url, "--output", tmp_path / "o.csv")
        done = run_here("app.score", tmp_path / "copy", *words)
    assert done.returncode == 2
    assert "now answers with digits 2 instead of digits 1" in done.stderr


def test_another_server_is_told_apart(run_here: Command, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "model").write_text('{"name": "other"}')
    port = free_port()
    words = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    with subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.DEVNULL) as server:
        for _ in range(200):
            try:
                httpx.get(f"http://127.0.0.1:{port}/")
                break
            except httpx.HTTPError:
                time.sleep(0.05)
        url = f"http://127.0.0.1:{port}"
        done = run_here("app.score", folder, "--url", url, "--output", tmp_path / "o.csv")
        server.kill()
    assert done.returncode == 2
    assert "no answer of a photo classifier" in done.stderr


def test_a_service_that_stays_away_ends_the_scoring(
    run_here: Command, folder: Path, tmp_path: Path
) -> None:
    port = free_port()
    with process(port, DIGITS) as running:
        url = f"http://127.0.0.1:{port}"
        words = ("--url", url, "--output", tmp_path / "o.csv", "--patience", 0.5)
        threading.Timer(0.0, running.kill).start()
        done = run_here("app.score", folder, *words)
    assert done.returncode == 2
    assert "no answer" in done.stderr
