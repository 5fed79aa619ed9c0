"""Run the load tool wrk: each client sends its next photo after the answer to the last one."""

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from app.cli import CommandError

Body = Literal["multipart", "raw"]

_SCRIPT = Path(__file__).with_name("post.lua")
_TIMEOUT = "60s"  # long, as slow answers are no errors


@dataclass(frozen=True)
class WrkResult:
    """The result of a run of wrk.

    `rate` is the number of good answers per second, `p50` the median time of all answers in
    seconds, `errors` the number of answers with a status from 400 and of broken connections.
    """

    rate: float
    p50: float
    errors: int


def wrk_path() -> str:
    """Return the path of the program.

    Raises:
        CommandError: wrk is not installed.
    """
    path = shutil.which("wrk")
    if path is None:
        raise CommandError("wrk, the load tool, is not installed (Debian: apt-get install wrk).")
    return path


def run_wrk(
    address: str, photos: list[bytes], clients: int, seconds: float, body: Body = "multipart"
) -> WrkResult:
    """Post the photos in turn.

    Args:
        address: the URL, e.g. http://127.0.0.1:8000/predict.
        photos: the files' bytes.
        clients: the number of connections, each with one request at a time.
        seconds: the duration; it is rounded up to whole seconds.
        body: how a photo is sent.

    Raises:
        CommandError: wrk is not installed, or failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / f"{number}.jpg") for number in range(len(photos))]
        for path, data in zip(paths, photos, strict=True):
            Path(path).write_bytes(data)
        command = [wrk_path(), "-t1", f"-c{clients}", f"-d{-int(-seconds // 1)}s"]
        command += ["--timeout", _TIMEOUT, "-s", str(_SCRIPT), address, "--", body, *paths]
        # The command is the program that `wrk_path` found, without a shell.
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines or not lines[-1].startswith("{"):
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise CommandError(f"wrk failed on {address}: {said}")
    seen = json.loads(lines[-1])
    return WrkResult(
        rate=(seen["requests"] - seen["refused"]) * 1e6 / seen["microseconds"],
        p50=seen["p50"] / 1e6,
        errors=seen["refused"] + seen["broken"],
    )
