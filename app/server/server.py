"""uvicorn, with an end that loses no request."""

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

# With the default drain less than the 10 seconds after which `docker stop` kills.
GRACE_SECONDS = 8


class AddressError(Exception):
    """The service cannot listen where it should. The message is for whoever starts it."""


def require_free(host: str, port: int) -> None:
    """Find out before the model is loaded that nobody could reach it; port 0 takes any.

    Raises:
        AddressError: it is no address of this computer, taken, or not allowed.
    """
    try:
        passive = socket.AI_PASSIVE
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=passive)
    except OSError as error:
        raise _address_error(host, port, error) from error
    failures = [failure for address in found if (failure := _failure_at(address))]
    # One is enough: "localhost" is an address of version 6 also where that is turned off.
    if len(failures) == len(found):
        raise _address_error(host, port, failures[0])


def _failure_at(found: tuple[Any, ...]) -> OSError | None:
    family, kind, protocol, _, address = found
    try:
        with socket.socket(family, kind, protocol) as trial:
            # As asyncio does: otherwise a restart would meet its own old connections.
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
    """Goes on answering after SIGTERM for a while: "draining" to the probe, 503 to the rest.

    So a load balancer sees what is coming, a client on a kept connection is told to open
    another one, and what was accepted before is finished. A second signal ends at once.
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
            timeout_graceful_shutdown=GRACE_SECONDS,
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
        """See `uvicorn.Server.on_tick`; ends when the time to drain is over."""
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return True
        return await super().on_tick(counter)
