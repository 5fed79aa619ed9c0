"""The service as a process: what it imports, how it starts, fails to start, and stops."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests import pictures
from tests.conftest import ROOT, Command
from tests.versions import publish

BAD_STARTS: dict[str, tuple[list[str], dict[str, str], str]] = {
    "port too high": ([], {"APP_PORT": "99999"}, "APP_PORT='99999'"),
    "port is a word": ([], {"APP_PORT": "http"}, "APP_PORT='http'"),
    "unknown engine": ([], {"APP_ENGINE": "onnx"}, "APP_ENGINE='onnx'"),
    "a host with a scheme": ([], {"APP_TRUSTED_HOSTS": "http://x.org/"}, "APP_TRUSTED_HOSTS"),
    "a host with half a wildcard": ([], {"APP_TRUSTED_HOSTS": "a*.org"}, "is not a host's name"),
    "a host with a port": ([], {"APP_TRUSTED_HOSTS": "x.org:80"}, "is not a host's name"),
    "a proxy by name": ([], {"APP_TRUSTED_PROXIES": "proxy"}, "neither an address nor a network"),
    "a network that is none": (
        [],
        {"APP_TRUSTED_PROXIES": "127.0.0.1,172.16.0.1/12"},
        "'172.16.0.1/12' is neither an address nor a network, as 10.0.0.7 or 172.16.0.0/12",
    ),
    "an origin without one": ([], {"APP_CORS_ORIGINS": "x.org"}, "is not an origin, as https://"),
    "no workers": (["--workers", "0"], {}, "APP_WORKERS='0'"),
    "pixel limit above Pillow's": ([], {"APP_MAX_PIXELS": "999999999"}, "APP_MAX_PIXELS"),
    "byte limit below a photo": ([], {"APP_MAX_BYTES": "10"}, "APP_MAX_BYTES"),
    "unknown option": (["--colour", "red"], {}, "--colour"),
    "option without value": (["--port"], {}, "--port"),
    "no such model": ([], {"APP_MODEL": "models/cows"}, "the folder from APP_MODEL"),
    "model is a file": ([], {"APP_MODEL": "README.md"}, "expected a model folder"),
    "unknown format": ([], {"APP_FORMATS": "JPEG,XCF"}, "'XCF' is none of JPEG, PNG"),
    "no format": ([], {"APP_FORMATS": ","}, "APP_FORMATS"),
    "a prefix that ends in a slash": ([], {"APP_ROOT_PATH": "/a/"}, "APP_ROOT_PATH='/a/'"),
    "a prefix without a slash": ([], {"APP_ROOT_PATH": "a"}, "is not a path prefix, as /photos"),
    "short key": (
        [],
        {"APP_API_KEYS": "short"},
        "APP_API_KEYS: a key has fewer than 16 characters",
    ),
    "no such file of keys": ([], {"APP_API_KEYS_FILE": "keys.txt"}, "keys.txt: cannot be read"),
    "batch larger than the queue": (
        [],
        {"APP_MAX_BATCH": "100", "APP_WORKERS": "2"},
        "APP_MAX_BATCH=100 photos can never be inside at a time: APP_MAX_QUEUE=64 and "
        "APP_WORKERS=2 are too few; set APP_MAX_BATCH to at most 66",
    ),
    "unknown log format": ([], {"APP_LOG_FORMAT": "xml"}, "APP_LOG_FORMAT='xml'"),
    "no address of this computer": (
        [],
        {"APP_HOST": "192.0.2.1"},
        "cannot listen on 192.0.2.1, port",
    ),
    "no such version": ([], {"APP_MODEL_VERSION": "77"}, "no version 77"),
}


@pytest.mark.parametrize("name", BAD_STARTS)
def test_a_bad_start_is_one_line_and_exit_2(command: Command, name: str) -> None:
    words, environment, expected = BAD_STARTS[name]
    done = command("app", *words, **environment)
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("python -m app: error: ")
    assert expected in lines[0]


def test_a_port_that_is_taken_is_one_line_and_exit_2(command: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = command("app", APP_HOST="127.0.0.1", APP_PORT=str(port))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"python -m app: error: cannot listen on 127.0.0.1, port {port}: ")


def test_a_misspelled_setting_is_named(command: Command) -> None:
    done = command("app", "--model", "models/cows", APP_MAX_BYTE="1")
    assert "APP_MAX_BYTE is not a setting and has no effect; is APP_MAX_BYTES meant?" in done.stderr


def test_settings_that_were_renamed_are_named(command: Command) -> None:
    done = command("app", "--model", "models/cows", APP_THREADS="3", FORWARDED_ALLOW_IPS="*")
    for old, new in (
        ("APP_THREADS", "APP_WORKERS"),
        ("FORWARDED_ALLOW_IPS", "APP_TRUSTED_PROXIES"),
    ):
        assert f"{old} is not a setting and has no effect; is {new} meant?" in done.stderr


def test_help_lists_every_setting(command: Command) -> None:
    text = command("app", "--help").stdout
    for option in ("--model", "--engine", "--workers", "--max-bytes", "--max-pixels", "--port"):
        assert option in text


def test_the_service_imports_neither_tensorflow_nor_training() -> None:
    code = (
        "import sys, app.main, app.settings; from app.model.classifier import Classifier; "
        f"Classifier.load(__import__('pathlib').Path({str(ROOT / 'models/digits')!r})); "
        "print([m for m in sys.modules if m.split('.')[0] in ('tensorflow', 'keras', 'training')])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_decoder_does_not_import_fastapi() -> None:
    code = "import sys, app.imaging.decode; print('fastapi' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


@contextmanager
def process_of(log: Path, *options: object) -> Iterator["tuple[subprocess.Popen[bytes], str]"]:
    """`python -m app` with the digits on a free port, and its address."""
    words = [sys.executable, "-m", "app", "--port", "0", *map(str, options)]
    with log.open("w") as output:
        process = subprocess.Popen(
            words, cwd=ROOT, stdout=output, stderr=output,
            env=os.environ | {"APP_MODEL": "models/digits"},
        )  # fmt: skip
    try:
        yield process, _address(log)
    finally:
        process.kill()
        process.wait()


@contextmanager
def running(log: Path, stop: signal.Signals = signal.SIGTERM) -> Iterator[str]:
    """`python -m app` with the digits on a free port; its address."""
    with process_of(log) as (process, address):
        yield address
        process.send_signal(stop)
        code = process.wait(timeout=20)
        assert code == 0, log.read_text()
        assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_starts_answers_and_stops(tmp_path: Path, stop: signal.Signals) -> None:
    with running(tmp_path / "log", stop) as address:
        picture = pictures.encode(pictures.noise(1))
        assert httpx.post(f"{address}/predict", files={"file": picture}).status_code == 200
        assert httpx.get(f"{address}/model").json()["name"] == "digits"
    assert "serving digits version 2 with litert" in (tmp_path / "log").read_text()


def test_a_client_that_goes_away_in_its_upload_is_no_defect(tmp_path: Path) -> None:
    head = (
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
        b"Content-Length: 5000\r\n\r\n"
    )
    with running(tmp_path / "log") as address:
        url = httpx.URL(address)
        with socket.create_connection((url.host, url.port or 0)) as connection:
            connection.sendall(head + bytes(1000))
        time.sleep(0.5)
        assert httpx.get(f"{address}/livez").status_code == 200
    assert "500" not in (tmp_path / "log").read_text()


def test_sigterm_finishes_what_was_accepted_and_refuses_the_rest(tmp_path: Path) -> None:
    photo = pictures.encode(pictures.noise(1))
    head = (
        "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
        f"Expect: 100-continue\r\nContent-Length: {len(photo)}\r\n\r\n"
    )
    with process_of(tmp_path / "log") as (process, address), ExitStack() as stack:
        kept = stack.enter_context(httpx.Client(base_url=address))
        assert kept.get("/readyz").status_code == 200
        url = httpx.URL(address)
        accepted = [
            stack.enter_context(socket.create_connection((url.host, url.port or 0)))
            for _ in range(5)
        ]
        for connection in accepted:
            connection.sendall(head.encode())
            assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")  # it is being read
        process.send_signal(signal.SIGTERM)
        _wait_for_status(kept, "/readyz", 503)
        assert kept.get("/readyz").json()["type"] == "urn:problem:draining"
        assert kept.get("/livez").status_code == 200
        refused = kept.post("/predict", files={"file": photo})
        assert refused.status_code == 503
        assert refused.headers["connection"] == "close"
        for connection in accepted:
            connection.sendall(photo)
            assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
        assert process.wait(timeout=20) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    with process_of(tmp_path / "log", "--drain-seconds", 300) as (process, address):
        process.send_signal(signal.SIGTERM)
        with httpx.Client(base_url=address) as client:
            _wait_for_status(client, "/readyz", 503)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


def test_sighup_takes_over_a_newer_version_and_refuses_a_broken_one(tmp_path: Path) -> None:
    models = tmp_path / "models"
    publish(models, 1)
    with process_of(tmp_path / "log", "--model", models) as (process, address):
        publish(models, 2)
        publish(models, 3, broken=True)
        process.send_signal(signal.SIGHUP)
        for _ in range(200):
            ready = httpx.get(f"{address}/readyz").json()
            if ready["model"]["version"] == 2:
                break
            time.sleep(0.05)
        assert ready["model"]["version"] == 2
        assert [one["version"] for one in ready["refused"]] == ["3"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    assert "version 3 is refused, 1 is served on" in (tmp_path / "log").read_text()


def test_json_logs_are_json_from_the_first_to_the_last_line(tmp_path: Path) -> None:
    key = "a-key-that-must-not-be-logged"
    options = ("--log-format", "json", "--api-keys", key, "--drain-seconds", 0)
    with process_of(tmp_path / "log", *options) as (process, address):
        headers = {"X-Request-ID": "from-the-test", "X-API-Key": key}
        httpx.get(f"{address}/model", headers=headers)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    text = (tmp_path / "log").read_text()
    lines = [json.loads(line) for line in text.splitlines() if not line.startswith("INFO: Created")]
    [access] = [line for line in lines if line["logger"] == "app.access"]
    assert (access["path"], access["status"]) == ("/model", 200)
    assert access["request_id"] == "from-the-test"
    assert key not in text


def _wait_for_status(client: httpx.Client, path: str, status: int) -> None:
    for _ in range(200):
        if client.get(path).status_code == status:
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} does not answer {status}")


def _address(log: Path) -> str:
    for _ in range(200):
        if found := re.search(r"running on (http://[\d.:]+)", log.read_text()):
            return found[1]
        time.sleep(0.1)
    raise AssertionError(log.read_text())
