"""Connect to a Ray cluster, or start a Ray on this machine."""

import os
import re
import socket

from app.cli import CommandError

_SECONDS = 5.0  # to wait for an address


def prepare(address: str | None) -> None:
    """Keep the traffic of a Ray that is started here on the loopback interface.

    Call it before Ray is imported, which reads the variable then. Whatever it is called, it works
    on Linux, too. A process with it would not reach other machines.
    """
    if address is None:
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")


def connect(address: str | None, cpus: int) -> None:
    """Connect to the Ray at an address; without one, start a Ray here with so many CPUs.

    Nothing is done in a process that is connected.

    Raises:
        CommandError: there is no Ray at the address.
    """
    import ray

    if ray.is_initialized():
        return
    # Without the dashboard, one of Ray Train's actors would warn every second.
    quiet = ray.LoggingConfig(log_level="ERROR")
    if address is None:
        ray.init(
            "local",
            num_cpus=cpus,
            include_dashboard=False,
            logging_config=quiet,
            _node_ip_address="127.0.0.1",
        )
        return
    try:
        _require_open(address)
        ray.init(address, logging_config=quiet)
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
