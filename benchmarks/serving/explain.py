"""What `/explain` and `/layers` cost, and that `/predict` pays nothing for them.

    python -m benchmarks.serving.explain models/cats-vs-dogs/1
    python -m benchmarks.serving.explain models/cats-vs-dogs/1 --photo photo.jpg

Two services run side by side on loopback: one with the version as it is, one with a copy
without `explain.tflite`, as it was published before there was one. The requests take turns,
so that whatever else the machine does meets all of them. Compare the ratios, not the
milliseconds.
"""

import io
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import uvicorn
from PIL import Image

from app.main import create_app
from app.model.card import CARD, EXPLAIN, find_version, load_card
from app.settings import Settings
from training.cli import Parser, positive, progress, run

PROG = "python -m benchmarks.serving.explain"


def main() -> None:
    """The command."""
    parser = Parser(PROG, description="Measure /explain and /layers against /predict.")
    parser.add_argument("model", type=Path, help="a version folder with explain.tflite")
    parser.add_argument("--photo", type=Path, help="send this one (default: 450x374, made here)")
    parser.add_argument("--rounds", type=positive, default=300, help="requests of each kind")
    arguments = parser.parse_args()
    folder = find_version(arguments.model)
    data = arguments.photo.read_bytes() if arguments.photo else _photo()
    with tempfile.TemporaryDirectory() as scratch:
        old = _without_explanation(folder, Path(scratch))
        with _serving(old) as before, _serving(folder) as after:
            _report(_measure(_asking(before, after), data, arguments.rounds))


def _asking(before: httpx.Client, after: httpx.Client) -> dict[str, tuple[httpx.Client, str]]:
    return {
        "/predict, without explain.tflite": (before, "/predict"),
        "/predict": (after, "/predict"),
        "/explain": (after, "/explain"),
        "/explain?format=png": (after, "/explain?format=png"),
        "/layers": (after, "/layers"),
    }


def _measure(
    asked: dict[str, tuple[httpx.Client, str]], data: bytes, rounds: int
) -> dict[str, np.ndarray]:
    """Seconds of each request, by what was asked.

    Each round asks everything once, in an order of its own: what comes after `/layers` finds
    the caches full of feature maps.
    """
    seconds: dict[str, list[float]] = {name: [] for name in asked}
    order = np.random.default_rng(0)
    headers = {"Content-Type": "image/jpeg"}
    for turn in progress(range(rounds + 5), "measuring", "round"):
        for name in order.permutation(list(asked)):
            client, path = asked[name]
            start = time.perf_counter()
            client.post(path, content=data, headers=headers).raise_for_status()
            if turn >= 5:  # the first requests load files and warm caches
                seconds[name].append(time.perf_counter() - start)
    return {name: np.array(values) for name, values in seconds.items()}


def _report(seconds: dict[str, np.ndarray]) -> None:
    base = np.median(seconds["/predict, without explain.tflite"])
    print(f"{'request':<34}{'median':>10}{'ratio':>8}")
    for name, values in seconds.items():
        print(f"{name:<34}{1e3 * np.median(values):>7.2f} ms{np.median(values) / base:>8.3f}")


def _photo() -> bytes:
    """A picture of the usual size of the data set, with detail at every scale."""
    random = np.random.default_rng(0)
    layers = [
        Image.fromarray(random.integers(0, 256, (side, side, 3), np.uint8)).resize((450, 374))
        for side in (4, 16, 64, 256)
    ]
    mean = np.mean([np.asarray(layer, np.float64) for layer in layers], axis=0)
    buffer = io.BytesIO()
    Image.fromarray(mean.astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _without_explanation(folder: Path, scratch: Path) -> Path:
    card = load_card(folder)
    copy = Path(shutil.copytree(folder, scratch / folder.name))
    (copy / EXPLAIN).unlink()
    files = {name: digest for name, digest in card.files.items() if name != EXPLAIN}
    (copy / CARD).write_text(card.model_copy(update={"files": files}).model_dump_json())
    return copy


@contextmanager
def _serving(folder: Path) -> Iterator[httpx.Client]:
    listener = socket.create_server(("127.0.0.1", 0))
    app = create_app(Settings(model=folder, engine="litert"))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        with httpx.Client(base_url=address, timeout=60) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


if __name__ == "__main__":
    run(PROG, main)
