"""Models and servers that the tests share: real, tiny, made once a session."""

import fcntl
import importlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest

from app.main import create_app
from app.server.server import Server
from app.settings import Settings
from tests import pictures

if TYPE_CHECKING:
    import keras

ROOT = Path(__file__).parents[1]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts its background jobs so, and what the tests start would inherit it: deaf to
    # the Ctrl-C that some of them send.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have APP_... set."""
    for name in os.environ:
        if name.startswith("APP_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def photos_data() -> Path:
    """The folder with the real photos and digits."""
    folder = os.environ.get("CATS_VS_DOGS_DATA")
    if not folder:
        pytest.skip("CATS_VS_DOGS_DATA does not point at the real photos")
    return Path(folder)


def connect(client: httpx.Client) -> socket.socket:
    """A bare connection to the service that the client talks to."""
    return socket.create_connection((client.base_url.host, client.base_url.port or 0), timeout=20)


Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def command() -> Command:
    """Runs `python -m MODULE ...` in the checkout, as a user does."""

    def run(*words: object, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", *map(str, words)],
            cwd=ROOT,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture
def run_here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command in this process: for tests of what it does, not of how it starts."""

    def run(module: object, *words: object) -> "subprocess.CompletedProcess[str]":
        program = importlib.import_module(str(module))
        monkeypatch.setattr(sys, "argv", [str(module), *map(str, words)])
        monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")  # the command sets it, if nobody did
        status: Any = 0
        try:
            program.main()
        except SystemExit as done:
            status = done.code
        printed = capsys.readouterr()
        return subprocess.CompletedProcess(sys.argv, status, printed.out, printed.err)

    return run


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """The folder NAME of this test run: the first worker makes it, the others wait for it."""
    base = factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, partial = base / name, base / f"{name}.partial"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            make(partial)
            partial.rename(folder)
    return folder


def striped(label: int, seed: int, side: int = 28) -> np.ndarray:
    """A grey picture that a small network tells apart by `label`: stripes of that direction."""
    random = np.random.default_rng((label, seed))
    rows, columns = np.indices((side, side))
    waves = [rows, columns, rows + columns][label % 3] + random.integers(0, 8)
    picture = 127 + 90 * np.sin(waves * 0.8) + random.normal(0, 20, (side, side))
    return np.asarray(picture.clip(0, 255), np.uint8)


def write_classes(folder: Path, count: int, labels: tuple[str, ...], side: int = 28) -> Path:
    """FOLDER/CLASS/N.png with `count` striped pictures a class."""
    for label, name in enumerate(labels):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            data = pictures.encode(pictures.grey(striped(label, number, side)))
            (folder / name / f"{number}.png").write_bytes(data)
    return folder


def shaken(network: "keras.Model", seed: int = 0) -> "keras.Model":
    """Weights that no layer starts with, the normalisations' statistics too."""
    random = np.random.default_rng(seed)
    for layer in network.layers:
        layer.set_weights(
            [random.uniform(0.5, 1.5, weight.shape) if "norm" in layer.name else
             weight + random.normal(0, 0.02, weight.shape) for weight in layer.get_weights()]
        )  # fmt: skip
    return network


@pytest.fixture(scope="session")
def stripes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of striped pictures, 150 each."""
    labels = ("down", "level", "slope")
    return write_classes(tmp_path_factory.mktemp("data") / "stripes", 150, labels)


@pytest.fixture(scope="session")
def stripes_model(
    tmp_path_factory: pytest.TempPathFactory, stripes: Path, command: Command
) -> Path:
    """The version folder of a three-class model that `training.fit` trained and published."""

    def train(base: Path) -> None:
        done = command(
            "training.fit", "--recipe", "digits", "--data", stripes, "--name", "stripes",
            "--epochs", 10, "--models", base / "models", "--runs", base / "runs",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    return made_once(tmp_path_factory, "published", train) / "models" / "stripes" / "1"


@contextmanager
def serving(settings: Settings) -> Iterator[httpx.Client]:
    """The service on a free loopback port, under uvicorn, and a client for it."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(create_app(settings), settings)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        with httpx.Client(base_url=address, timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(timeout=30)
        listener.close()


@pytest.fixture(scope="session")
def service() -> Iterator[httpx.Client]:
    """The service with the shipped model, as `make serve` starts it."""
    with serving(Settings()) as client:
        yield client
