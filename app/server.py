"""uvicorn, with an end that loses no request and a beginning of a request that has a bound."""

import logging
import signal
import time
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.settings import Settings

logger = logging.getLogger(__name__)

# With the default drain less than the 10 seconds after which `docker stop` kills.
GRACE_SECONDS = 8

_LONGEST_HEAD = 64 * 1024  # bytes


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
    """HTTP/1.1 whose request line and headers may not be endless."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.access_log = False  # app.observer's has the request id
        self._head: int | None = None

    def on_message_begin(self) -> None:
        """Count from here."""
        self._head = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Count no more: bodies have a limit of their own."""
        self._head = None
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Hang up on a head that does not end."""
        super().data_received(data)
        if self._head is not None and not self.transport.is_closing():
            self._head += len(data)
            if self._head > _LONGEST_HEAD:
                self.send_400_response("The request's head is too long.")
