"""The load tool wrk: as many clients as asked for, each sending its next photo when answered."""

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from training.cli import CommandError

Body = Literal["multipart", "raw"]

_SCRIPT = Path(__file__).with_name("post.lua")
_PATIENCE = "60s"  # a slow answer is slow, not an error


@dataclass(frozen=True)
class Load:
    """What wrk saw. `rate` is of good answers; `errors` are answers from 400 up, and none."""

    rate: float
    p50: float
    p99: float
    errors: int


def wrk() -> str:
    """The path of the program.

    Raises:
        CommandError: it is not installed.
    """
    path = shutil.which("wrk")
    if path is None:
        raise CommandError("wrk, the load tool, is not installed (Debian: apt-get install wrk).")
    return path


def send(
    address: str, photos: list[bytes], clients: int, seconds: float, body: Body = "multipart"
) -> Load:
    """Post the photos in turn for a while.

    Args:
        address: the route, e.g. http://127.0.0.1:8000/predict.
        photos: the files' bytes.
        clients: connections, each with one request at a time.
        seconds: how long, rounded up to whole ones.
        body: how a photo is sent.

    Returns:
        Good answers a second, and the percentiles of all answers' times in seconds.

    Raises:
        CommandError: wrk is missing, or failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / f"{number}.jpg") for number in range(len(photos))]
        for path, data in zip(paths, photos, strict=True):
            Path(path).write_bytes(data)
        command = [wrk(), "-t1", f"-c{clients}", f"-d{-int(-seconds // 1)}s"]
        command += ["--timeout", _PATIENCE, "-s", str(_SCRIPT), address, "--", body, *paths]
        # The program that `wrk` found, and our own script, without a shell.
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines or not lines[-1].startswith("{"):
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise CommandError(f"wrk failed on {address}: {said}")
    seen = json.loads(lines[-1])
    return Load(
        rate=(seen["requests"] - seen["refused"]) * 1e6 / seen["microseconds"],
        p50=seen["p50"] / 1e6,
        p99=seen["p99"] / 1e6,
        errors=seen["refused"] + seen["broken"],
    )
