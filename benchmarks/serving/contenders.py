"""The servers that benchmarks.serving.serve compares."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.cli import CommandError
from app.model.litert import FILES
from benchmarks.harness.server import Server, free_port, running_server, running_service
from benchmarks.harness.table import BUILD
from benchmarks.harness.wrk import Body
from benchmarks.serving.peers.network import MODEL, WORKERS

OURS = "this service"
OURS_RAW = "this service, raw body"
LIMIT = "in-process limit"
_VERSIONS = """
import importlib.metadata as m, importlib.util as u, sys
print(*(f"{n} {m.version(n)}" for n in sys.argv[1:] if u.find_spec(n)), sep=", ")
"""


@dataclass(frozen=True)
class Contender:
    """A server to compare.

    Attributes:
        name: the name in the tables.
        library: the package that it needs.
        command: the arguments of Python, with {port}; empty for this project's service.
        ready: the path that returns 200 when the server is ready.
        workers: the number of worker processes.
        threads: the number of TensorFlow threads in each worker; None uses its default.
        bodies: names in the tables and how photos are sent; empty is multipart only.
        engine: of this project's service; empty: that of the command.
    """

    name: str
    library: str
    command: tuple[str, ...]
    ready: str = "/readyz"
    workers: int = 1
    threads: int | None = None
    bodies: tuple[tuple[str, Body], ...] = ()
    engine: str = ""


_UVICORN = ("-m", "uvicorn", "--port", "{port}")
_LITSERVE = ("-m", "benchmarks.serving.peers.litserve_server", "{port}")
_BENTOML = (
    *("-m", "bentoml", "serve", "benchmarks.serving.peers.bentoml_service:Photos"),
    *("--host", "127.0.0.1", "--port", "{port}"),
)

# By default, TensorFlow uses all cores in every worker; neither guide says so.
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
    *(Contender(f"{OURS}, {engine}", "app", (), engine=engine) for engine in FILES),
)
PEERS = tuple(
    each.name
    for each in CONTENDERS
    if each.library in ("litserve", "bentoml") and each.threads is None
)
TUNED_PEERS = tuple(each.name for each in CONTENDERS if each.threads is not None)


@contextmanager
def running_contender(
    contender: Contender, model: Path, python: Path, engine: str
) -> Iterator[Server]:
    """Run a contender inside the block.

    Args:
        contender: the server to run.
        model: the version folder to serve.
        python: the interpreter of the peers' environment.
        engine: that of this project's service, if the contender names none.
    """
    if not contender.command:
        with running_service(model, engine=contender.engine or engine) as server:
            yield server
        return
    port = free_port()
    command = [word.format(port=port) for word in contender.command]
    environment = {
        MODEL: str(model.resolve()),
        WORKERS: str(contender.workers),
        "BENTOML_DO_NOT_TRACK": "True",  # no telemetry
        "BENTOML_HOME": str((BUILD / "bentoml").resolve()),  # not in the home directory
    }
    if contender.threads:
        environment["TF_NUM_INTRAOP_THREADS"] = str(contender.threads)
    with running_server([python, *command], environment, port, contender.ready) as server:
        yield server


def versions(python: Path, contenders: "tuple[Contender, ...]") -> str:
    """Return the versions of the libraries in the peers' environment.

    Raises:
        CommandError: a library is missing, or `python` cannot be run.
    """
    libraries = sorted({each.library for each in contenders if each.command})
    command = [str(python), "-c", _VERSIONS, *libraries, "tensorflow", "keras", "pillow"]
    try:
        # The user chooses the interpreter; there is no shell.
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
