"""Ray Serve on this machine alone: `python -m deploy.ray.local`."""

import time

from pydantic import ValidationError

from app.cli import CommandError, Parser, command, positive
from app.model.version_folder import find_version
from app.server.server import AddressError, require_free
from app.settings import Settings, describe
from deploy.ray.connect import connect, prepare

PROG = "python -m deploy.ray.local"
LOOPBACK = "127.0.0.1"


@command(PROG)
def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    parser = Parser(PROG, description="Serve with Ray Serve on this machine.")
    parser.add_argument("--port", type=positive, default=8000)
    parser.add_argument("--replicas", type=positive, default=2)
    parser.add_argument("--cpus", type=positive, default=1, help="of each replica: its workers")
    parser.add_argument("--model-version", type=positive, help="default: the newest")
    arguments = parser.parse_args()
    _check(arguments.port, arguments.model_version)
    prepare(None)  # before Ray is imported
    import ray
    from ray import serve

    from deploy.ray.serve import deployment

    target = deployment.options(
        num_replicas=arguments.replicas,
        autoscaling_config=None,
        ray_actor_options={"num_cpus": arguments.cpus},
        user_config={"model_version": arguments.model_version},
    ).bind()
    start(arguments.replicas * arguments.cpus, arguments.port)
    try:
        serve.run(target)
        while True:
            time.sleep(1)
    finally:
        serve.shutdown()
        ray.shutdown()


def start(cpus: int, port: int) -> None:
    """Start Ray with this number of CPUs, more than there are if need be, and Ray Serve's proxy."""
    connect(None, cpus, 1)
    from ray import serve

    serve.start(proxy_location="HeadOnly", http_options={"host": LOOPBACK, "port": port})


def _check(port: int, version: int | None) -> None:
    """Before Ray starts, which takes seconds and would say it in a hundred lines."""
    try:
        settings = Settings(port=port)
        require_free(LOOPBACK, port)
    except ValidationError as error:
        raise CommandError(describe(error)) from error
    except AddressError as error:
        raise CommandError(f"--port {port}: it is in use, or not allowed.") from error
    find_version(settings.model, version or settings.model_version)


if __name__ == "__main__":
    main()
