"""uvicorn with a graceful end: accepted requests are answered after SIGTERM."""

import logging
import signal
import socket
import time
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI

from app.server.protocol import BoundedProtocol
from app.settings import Settings

logger = logging.getLogger(__name__)

# Together with the default APP_DRAIN_SECONDS less than the 10 seconds of `docker stop`.
GRACE_SECONDS = 8


class AddressError(Exception):
    """The service cannot listen on its address. The message is for the operator."""


def require_free(host: str, port: int) -> None:
    """Check before the model is loaded that the service can listen; port 0 is any free port.

    Raises:
        AddressError: the address is not this computer's, is in use, or is not allowed.
    """
    try:
        passive = socket.AI_PASSIVE
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=passive)
    except OSError as error:
        raise _address_error(host, port, error) from error
    failures = [failure for address in found if (failure := _failure_at(address))]
    # One address is enough: "localhost" has an IPv6 address also where IPv6 is turned off.
    if len(failures) == len(found):
        raise _address_error(host, port, failures[0])


def _failure_at(found: tuple[Any, ...]) -> OSError | None:
    family, kind, protocol, _, address = found
    try:
        with socket.socket(family, kind, protocol) as trial:
            # As asyncio does: otherwise closed connections of the last run would be in the way.
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
    except OSError as error:
        return error
    return None


def _address_error(host: str, port: int, error: OSError) -> AddressError:
    return AddressError(
        f"cannot listen on {host}, port {port}: {error.strerror or error}. "
        "Choose others with APP_HOST and APP_PORT."
    )


class Server(uvicorn.Server):
    """Goes on answering for a while after SIGTERM: /readyz says "draining", other requests get 503.

    So a load balancer notices the end, a client with an open connection learns to open another
    one, and accepted requests are finished. A second signal ends the server at once.
    """

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        config = uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http=BoundedProtocol,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            forwarded_allow_ips=list(settings.trusted_proxies),
            timeout_graceful_shutdown=GRACE_SECONDS,
            timeout_keep_alive=settings.keep_alive_seconds,  # type: ignore[arg-type]  # any number
        )
        super().__init__(config)
        self._state = app.state
        self._drain_seconds = settings.drain_seconds
        self._deadline: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """See `uvicorn.Server.handle_exit`."""
        if sig != signal.SIGTERM or self._deadline is not None or not self.started:
            super().handle_exit(sig, frame)
            return
        self._captured_signals.append(sig)
        self._state.draining = True
        self._deadline = time.monotonic() + self._drain_seconds
        logger.info("draining: requests in work are finished, new ones get 503")

    async def on_tick(self, counter: int) -> bool:
        """See `uvicorn.Server.on_tick`. The server ends when the time to drain is over."""
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return True
        return await super().on_tick(counter)
