"""Starting, watching and stopping servers, and wrk against a real one."""

import shutil
import sys
from pathlib import Path

import httpx
import pytest

from app.model.card import find_version, load_card
from benchmarks.harness import server as servers
from benchmarks.harness.memory import born, family, peak, reset_peak, resident
from benchmarks.harness.photos import SIZE, jpeg, photos_of, picture
from benchmarks.harness.wrk import Body, send
from benchmarks.serving.swaps import publish_copy
from tests.conftest import ROOT
from training.cli import CommandError

DIGITS = ROOT / "models" / "digits" / "1"


def test_a_service_is_started_watched_and_stopped() -> None:
    with servers.service(DIGITS, threads=1) as server:
        answer = httpx.get(f"{server.address}/model", trust_env=False).json()
        assert answer["name"] == "digits"
        assert server.pid in family(server.pid)
        assert resident(server.pid) > 20 * 2**20
        reset_peak(server.pid)
        assert peak(server.pid) >= resident(server.pid) * 0.9
        assert server.ready_seconds > 0
    assert server.process.returncode == 0
    assert resident(server.pid) == 0


def test_what_a_server_leaves_behind_is_ended(tmp_path: Path) -> None:
    script = tmp_path / "server.py"
    script.write_text(
        "import http.server, subprocess, sys\n"
        "subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        "handler = http.server.SimpleHTTPRequestHandler\n"
        "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), handler).serve_forever()\n"
    )
    port = servers.free_port()
    with servers.started([sys.executable, script, str(port)], {}, port, "/") as server:
        parent, child = family(server.pid)
        births = born(parent), born(child)
        assert all(births)
    assert resident(parent) == resident(child) == 0


def test_a_server_that_ends_at_once_is_one_line() -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no such thing')"]
    with (
        pytest.raises(CommandError, match=r"ended as it started: no such thing"),
        servers.started(command, {}, servers.free_port(), "/"),
    ):
        pass


@pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")
@pytest.mark.parametrize("body", ["multipart", "raw"])
def test_wrk_posts_photos_and_counts_bad_answers(service: httpx.Client, body: Body) -> None:
    address = f"{service.base_url}/predict".replace("//predict", "/predict")
    good = send(address, [jpeg(picture(0, 60, 40))], 2, 1, body)
    assert good.errors == 0
    assert good.rate > 1
    assert 0 < good.p50 <= good.p99 < 60
    bad = send(address, [b"no photo"], 2, 1, body)
    assert bad.errors > 0
    assert bad.rate == 0


def test_a_copy_of_a_version_is_a_newer_version(tmp_path: Path) -> None:
    tmp_path.joinpath("models").mkdir()
    for number in (1, 7):
        publish_copy(DIGITS, tmp_path / "models", number)
    newest = find_version(tmp_path / "models")
    assert newest.name == "7"
    assert load_card(newest).version == 7
    assert sorted(path.name for path in newest.parent.iterdir()) == ["1", "7"]


def test_made_photos_are_like_real_ones() -> None:
    photos = photos_of(None)
    assert len(set(photos)) == len(photos) == 16
    assert all(30_000 < len(photo) < 60_000 for photo in photos)
    assert picture(0, *SIZE).size == SIZE


def test_photos_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "1.JPG").write_bytes(b"one")
    (tmp_path / "notes.txt").write_bytes(b"two")
    assert photos_of(tmp_path) == [b"one"]
