"""uvicorn, with an end that loses no request and a beginning of a request that has a bound."""

import asyncio
import json
import logging
import signal
import socket
import time
from http import HTTPStatus
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app import problems
from app.problems import Problem
from app.settings import Settings

logger = logging.getLogger(__name__)

# With the default drain less than the 10 seconds after which `docker stop` kills.
GRACE_SECONDS = 8

_LONGEST_HEAD = 64 * 1024  # bytes


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


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 whose request line and headers are neither endless nor for ever on their way."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.access_log = False  # app.observer's has the request id
        self._head: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._patience: float = self.config.app.state.settings.upload_seconds  # type: ignore[union-attr]  # create_app's

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Wait for a head from here; after an answer, uvicorn's keep-alive time counts."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._end_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Count from here."""
        self._head = 0
        self._await_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Count no more: bodies have limits of their own."""
        self._head = None
        self._end_waiting()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Hang up on a head that does not end."""
        super().data_received(data)
        if self._head is not None and not self.transport.is_closing():
            self._head += len(data)
            if self._head > _LONGEST_HEAD:
                detail = f"The request's head is longer than {_LONGEST_HEAD} bytes."
                self._refuse(problems.of_status(431, detail))

    def send_400_response(self, msg: str) -> None:
        """What uvicorn answers to something that is not HTTP."""
        self._refuse(Problem(400, "malformed-request", "This is not HTTP", msg))

    def _await_head(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self._patience, self._give_up)

    def _end_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        detail = f"The request's head had not arrived within {self._patience:g} seconds."
        self._refuse(problems.of_status(408, detail))

    def _refuse(self, problem: Problem) -> None:
        """Answer outside of any request, and hang up."""
        body = json.dumps(problems.details(problem)).encode()
        head = (
            f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\n"
            f"Content-Type: {problems.MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
