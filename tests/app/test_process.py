"""The service as a process: what it imports, how it starts, fails to start, and stops."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests import pictures
from tests.conftest import ROOT, Command

BAD_STARTS: dict[str, tuple[list[str], dict[str, str], str]] = {
    "port too high": ([], {"APP_PORT": "99999"}, "APP_PORT='99999'"),
    "port is a word": ([], {"APP_PORT": "http"}, "APP_PORT='http'"),
    "unknown engine": ([], {"APP_ENGINE": "onnx"}, "APP_ENGINE='onnx'"),
    "no threads": (["--threads", "0"], {}, "APP_THREADS='0'"),
    "pixel limit above Pillow's": ([], {"APP_MAX_PIXELS": "999999999"}, "APP_MAX_PIXELS"),
    "byte limit below a photo": ([], {"APP_MAX_BYTES": "10"}, "APP_MAX_BYTES"),
    "unknown option": (["--colour", "red"], {}, "--colour"),
    "option without value": (["--port"], {}, "--port"),
    "no such model": ([], {"APP_MODEL": "models/cows"}, "models/cows: no version"),
    "model is a file": ([], {"APP_MODEL": "README.md"}, "expected a model folder"),
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


def test_a_misspelled_setting_is_named(command: Command) -> None:
    done = command("app", "--model", "models/cows", APP_MAX_BYTE="1")
    assert "APP_MAX_BYTE is not a setting and has no effect; is APP_MAX_BYTES meant?" in done.stderr


def test_help_lists_every_setting(command: Command) -> None:
    text = command("app", "--help").stdout
    for option in ("--model", "--engine", "--threads", "--max-bytes", "--max-pixels", "--port"):
        assert option in text


def test_the_service_imports_neither_tensorflow_nor_training() -> None:
    code = (
        "import sys, app.main, app.settings; from app.classifier import Classifier; "
        f"Classifier.load(__import__('pathlib').Path({str(ROOT / 'models/digits')!r})); "
        "print([m for m in sys.modules if m.split('.')[0] in ('tensorflow', 'keras', 'training')])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_decoder_does_not_import_fastapi() -> None:
    code = "import sys, app.images; print('fastapi' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


@contextmanager
def running(log: Path, stop: signal.Signals = signal.SIGTERM) -> Iterator[str]:
    """`python -m app` with the digits on a free port; its address."""
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "--port", "0"], cwd=ROOT, stdout=output, stderr=output,
            env=os.environ | {"APP_MODEL": "models/digits"},
        )  # fmt: skip
    try:
        yield _address(log)
    finally:
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
    assert "serving digits version 1 with litert" in (tmp_path / "log").read_text()


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


def _address(log: Path) -> str:
    for _ in range(200):
        if found := re.search(r"running on (http://[\d.:]+)", log.read_text()):
            return found[1]
        time.sleep(0.1)
    raise AssertionError(log.read_text())
