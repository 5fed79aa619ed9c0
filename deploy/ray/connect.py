"""Connect to a Ray cluster, or start a Ray on this machine."""

import os
import re
import socket

from app.cli import CommandError

_SECONDS = 5.0  # to wait for an address


def connect(address: str | None, cpus: int) -> None:
    """Connect to the Ray at an address; without one, start a Ray here with so many CPUs.

    Call it before Ray is imported elsewhere.

    Raises:
        CommandError: there is no Ray at the address.
    """
    if address is None:
        # Whatever it is called, it keeps the traffic of Ray on the loopback interface, on Linux
        # too. Ray reads it when it is imported, and would not reach other machines with it.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    import ray

    if address is None:
        ray.init(num_cpus=cpus, include_dashboard=False, log_to_driver=False)
        return
    try:
        _require_open(address)
        ray.init(address=address, log_to_driver=False)
    except (OSError, RuntimeError, ValueError) as error:
        reason = (str(error).splitlines() or [""])[0]
        raise CommandError(f"--address {address}: no Ray can be reached there: {reason}") from error


def _require_open(address: str) -> None:
    """Ray itself would try for minutes.

    Raises:
        OSError: nothing listens there.
    """
    found = re.fullmatch(r"(?:ray://)?([^/]+):(\d+)", address)
    if found:
        socket.create_connection((found[1], int(found[2])), timeout=_SECONDS).close()
