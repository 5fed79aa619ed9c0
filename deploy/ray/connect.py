"""Connect to a Ray cluster, or start a Ray on this machine."""

import os
import re
import signal
import socket
from importlib.util import find_spec
from typing import Any

from app.cli import CommandError, note

_SECONDS = 5.0  # to wait for an address


def prepare(address: str | None) -> None:
    """Check what can be checked before Ray is imported.

    A Ray that is started here keeps its traffic on the loopback interface by a variable that it
    reads then. Whatever it is called, it works on Linux, too. A process with it would not reach
    other machines.

    Raises:
        CommandError: Ray is not installed, or nothing listens at the address.
    """
    if find_spec("ray") is None:
        raise CommandError("Ray is not installed: pip install -r requirements/cluster.txt.")
    if address is None:
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    elif found := re.fullmatch(r"(?:ray://)?([^/]+):(\d+)", address):
        try:  # Ray itself would try for minutes
            socket.create_connection((found[1], int(found[2])), timeout=_SECONDS).close()
        except (OSError, OverflowError) as error:
            raise CommandError(f"--address {address}: no Ray is there ({error}).") from error


def connect(address: str | None, cpus: int, largest: int) -> None:
    """Connect to the Ray at an address; without one, start a Ray here.

    Nothing is done in a process that is connected.

    Args:
        address: of a Ray that runs.
        cpus: the CPUs of a Ray that is started, more than there are if need be.
        largest: the CPUs that one actor needs.

    Raises:
        CommandError: there is no Ray at the address.
    """
    import ray

    if ray.is_initialized():
        return
    before = signal.getsignal(signal.SIGTERM)  # Ray puts its own there
    try:
        if address is None:
            ray.init("local", num_cpus=cpus, _node_ip_address="127.0.0.1", **_quiet())
        else:
            ray.init(address, **_quiet())
    except (OSError, RuntimeError, ValueError) as error:
        reason = (str(error).splitlines() or [""])[0]
        where = f"--address {address}: no Ray is there" if address else "no Ray starts"
        raise CommandError(f"{where}: {reason}") from error
    finally:
        signal.signal(signal.SIGTERM, before)
    nodes = ray.nodes()
    found = max(node["Resources"].get("CPU", 0) for node in nodes if node["Alive"])
    if found < largest:
        note(f"waiting for a node of {largest} CPUs: the largest has {found:g}")


def disconnect() -> None:
    """Leave a cluster, or end the Ray that was started here."""
    import ray

    ray.shutdown()


def _quiet() -> dict[str, Any]:
    import ray

    # Without the dashboard, one of Ray Train's actors would warn every second.
    return {"include_dashboard": False, "logging_config": ray.LoggingConfig(log_level="ERROR")}
