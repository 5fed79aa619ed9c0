"""Starting, watching and stopping servers, and wrk against a real one."""

import shutil
import sys
from pathlib import Path

import httpx
import pytest

from app.cli import CommandError
from app.model.version_folder import find_version, load_card
from benchmarks.harness import server as servers
from benchmarks.harness.memory import (
    highest_bytes,
    process_tree,
    proportional_bytes,
    pss_bytes,
    reset_peak,
    resident_bytes,
    start_time,
)
from benchmarks.harness.photos import SIZE, encode_jpeg, generate_picture, load_photos
from benchmarks.harness.wrk import Body, run_wrk
from benchmarks.serving.swaps import publish_copy
from tests.conftest import ROOT

DIGITS = ROOT / "models" / "digits" / "1"


def test_a_service_is_started_watched_and_stopped() -> None:
    with servers.running_service(DIGITS, workers=1) as server:
        answer = httpx.get(f"{server.address}/model", trust_env=False).json()
        assert answer["name"] == "digits"
        tree = process_tree(server.pid)
        assert len(tree) >= 3  # with the fork server and a worker
        one, shared = proportional_bytes(server.pid), pss_bytes(server.pid)
        assert 20 * 2**20 < one < shared < resident_bytes(server.pid)
        reset_peak(server.pid)
        assert highest_bytes(server.pid) >= one * 0.9
        assert server.ready_seconds > 0
    assert server.process.returncode == 0
    assert resident_bytes(server.pid) == pss_bytes(server.pid) == 0
    assert not any(map(resident_bytes, tree))


def test_child_processes_of_a_server_are_killed(tmp_path: Path) -> None:
    script = tmp_path / "server.py"
    script.write_text(
        "import http.server, subprocess, sys\n"
        "subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        "handler = http.server.SimpleHTTPRequestHandler\n"
        "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), handler).serve_forever()\n"
    )
    port = servers.free_port()
    with servers.running_server([sys.executable, script, str(port)], {}, port, "/") as server:
        parent, child = process_tree(server.pid)
        births = start_time(parent), start_time(child)
        assert all(births)
    assert resident_bytes(parent) == resident_bytes(child) == 0


def test_a_server_that_ends_at_its_start_is_reported() -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no such thing')"]
    with (
        pytest.raises(CommandError, match=r"ended as it started: no such thing"),
        servers.running_server(command, {}, servers.free_port(), "/"),
    ):
        pass


@pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")
@pytest.mark.parametrize("body", ["multipart", "raw"])
def test_wrk_posts_photos_and_counts_bad_answers(service: httpx.Client, body: Body) -> None:
    address = f"{service.base_url}/predict".replace("//predict", "/predict")
    photo = encode_jpeg(generate_picture(0, 60, 40))
    # The first answer waits until the model is loaded.
    assert service.post("/predict", files={"file": photo}).status_code == 200
    good = run_wrk(address, [photo], 2, 1, body)
    assert good.errors == 0
    assert good.rate > 1
    assert 0 < good.p50 < 60
    bad = run_wrk(address, [b"no photo"], 2, 1, body)
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


def test_generated_photos_have_the_size_of_real_ones() -> None:
    photos = load_photos(None)
    assert len(set(photos)) == len(photos) == 16
    assert all(30_000 < len(photo) < 60_000 for photo in photos)
    assert generate_picture(0, *SIZE).size == SIZE


def test_photos_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "1.JPG").write_bytes(b"one")
    (tmp_path / "notes.txt").write_bytes(b"two")
    assert load_photos(tmp_path) == [b"one"]
