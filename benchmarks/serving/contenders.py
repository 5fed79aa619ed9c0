"""The servers that benchmarks.serving.serve compares, each by its command."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.server import Server, free_port, service, started
from benchmarks.harness.table import BUILD
from benchmarks.harness.wrk import Body
from benchmarks.serving.peers.network import MODEL, WORKERS
from training.cli import CommandError

OURS = "this service"
OURS_RAW = "this service, raw body"
LIMIT = "in-process limit"
_VERSIONS = """
import importlib.metadata as m, importlib.util as u, sys
print(*(f"{n} {m.version(n)}" for n in sys.argv[1:] if u.find_spec(n)), sep=", ")
"""


@dataclass(frozen=True)
class Contender:
    """One server: the library it needs, its command (with {port}), and how it is asked."""

    name: str
    library: str
    command: tuple[str, ...]
    ready: str = "/readyz"
    workers: int = 1
    threads: int | None = None  # of TensorFlow in each worker; None: its own choice
    bodies: tuple[tuple[str, Body], ...] = ()


_UVICORN = ("-m", "uvicorn", "--port", "{port}")
_LITSERVE = ("-m", "benchmarks.serving.peers.litserve_server", "{port}")
_BENTOML = (
    *("-m", "bentoml", "serve", "benchmarks.serving.peers.bentoml_service:Photos"),
    *("--host", "127.0.0.1", "--port", "{port}"),
)

# Not in either guide: TensorFlow takes all cores in every worker unless it is told otherwise.
_TUNED = " of 1 thread"

CONTENDERS = (
    Contender(
        "FastAPI, model.predict", "fastapi", (*_UVICORN, "benchmarks.serving.peers.naive:app")
    ),
    Contender("FastAPI, tf.function", "fastapi", (*_UVICORN, "benchmarks.serving.peers.plain:app")),
    Contender("LitServe, 1 worker", "litserve", _LITSERVE, "/health"),
    Contender("LitServe, 2 workers", "litserve", _LITSERVE, "/health", workers=2),
    Contender(f"LitServe, 2 workers{_TUNED}", "litserve", _LITSERVE, "/health", 2, 1),
    Contender("BentoML, 1 worker", "bentoml", _BENTOML),
    Contender("BentoML, 2 workers", "bentoml", _BENTOML, workers=2),
    Contender(f"BentoML, 2 workers{_TUNED}", "bentoml", _BENTOML, workers=2, threads=1),
    Contender(OURS, "app", (), bodies=((OURS, "multipart"), (OURS_RAW, "raw"))),
)
PEERS = tuple(
    each.name
    for each in CONTENDERS
    if each.library in ("litserve", "bentoml") and each.threads is None
)
TUNED_PEERS = tuple(each.name for each in CONTENDERS if each.threads is not None)


@contextmanager
def running(contender: Contender, model: Path, python: Path) -> Iterator[Server]:
    """Start a contender, ready to answer.

    Args:
        contender: which.
        model: the version folder that all of them serve.
        python: the interpreter of the peers' environment.
    """
    if not contender.command:
        with service(model) as server:
            yield server
        return
    port = free_port()
    command = [word.format(port=port) for word in contender.command]
    environment = {
        MODEL: str(model.resolve()),
        WORKERS: str(contender.workers),
        "BENTOML_DO_NOT_TRACK": "True",  # no message to its makers
        "BENTOML_HOME": str((BUILD / "bentoml").resolve()),  # or it makes a folder at home
    }
    if contender.threads:
        environment["TF_NUM_INTRAOP_THREADS"] = str(contender.threads)
    with started([python, *command], environment, port, contender.ready) as server:
        yield server


def versions(python: Path, contenders: "tuple[Contender, ...]") -> str:
    """The versions of the libraries that the peers' environment has, for the record.

    Raises:
        CommandError: one is missing there, or that is no Python.
    """
    libraries = sorted({each.library for each in contenders if each.command})
    command = [str(python), "-c", _VERSIONS, *libraries, "tensorflow", "keras", "pillow"]
    try:
        # The interpreter that the user named, without a shell.
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError) as error:
        raise CommandError(f"{python}: not a Python that runs ({error}).") from error
    found = done.stdout.strip()
    for library in libraries:
        if f"{library} " not in found:
            raise CommandError(
                f"{library} is not installed for {python}: pip install '.[bench]' into an "
                "environment and give its --peer-python, or leave it out with --only."
            )
    return f"Python {sys.version.split()[0]}, {found}"
