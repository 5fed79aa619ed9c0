"""HTTP/1.1 in which nothing that a client sends is endless, whatever becomes of its request."""

import asyncio
import json
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.api import problems
from app.api.problems import Problem
from app.server import load_shedding

_LONGEST_HEAD = 64 * 1024  # bytes; of trailers, too
_MOST_FRAMING = 16  # bytes around a byte of a body in chunks; a chunk of one byte has five
_MOST_DRAINED = 8  # times the largest body: what is read on after an early answer
_MOST_REFUSED = 16  # requests of one read, at the door: others have a turn in between


class _Answered:
    """Stands for the cycle of a request that was answered without one."""

    response_started = response_complete = True
    message_event = asyncio.Event()  # for which nobody waits


_ANSWERED = _Answered()


class BoundedProtocol(HttpToolsProtocol):
    """Bounds what the application does not see: heads, trailers, chunks' framing, unread bodies.

    A body itself is bounded by who reads it. What is left of one after an answer is read on, as a
    client that sends its whole request first would else find a reset connection, no answer; but not
    for ever. What `app.server.load_shedding` refuses is answered here, without asking the
    application.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.access_log = False  # app.api.middleware.access_log's has the request id
        self._service = self.config.app.state  # type: ignore[union-attr]  # create_app's
        settings = self._service.settings
        self._patience: float = settings.upload_seconds
        self._most_drained: int = _MOST_DRAINED * settings.max_bytes
        self._timer: asyncio.TimerHandle | None = None
        self._problem: Problem | None = None
        self._requests = 0  # that have begun
        self._refused = 0  # at the door, of the data that is being read
        self._in_head = self._in_body = False
        self._head = self._fields = self._body = self._framing = self._drained = 0  # bytes

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Wait for a head from here; after an answer, uvicorn's keep-alive time counts."""
        super().connection_made(transport)
        self._wait(self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._end_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Count from here."""
        self._unset_keepalive_if_required()  # of an answer that was given within the same data
        self._requests += 1
        self._in_head = True
        self._head = self._fields = self._body = self._framing = self._drained = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A part of the address."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer: nobody reads those, and uvicorn would keep them."""
        self._count(len(name) + len(value) + len(": \r\n"))
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head's time is over."""
        self._in_head = False
        self._end_waiting()
        if not self._refused_at_the_door():
            super().on_headers_complete()  # or it raises: the address is none
        self._in_body = True

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Nothing is left to be read."""
        self._in_body = False
        self._end_waiting()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer is out; if its request's body is not whole, the rest has a time."""
        super().on_response_complete()
        if not self.transport.is_closing():
            self._wait_for_more()

    def data_received(self, data: bytes) -> None:
        """Hang up on what does not end."""
        request, body = self._requests, self._body
        in_head, in_body = self._in_head, self._in_body
        self._refused = 0
        super().data_received(data)
        begun = self._requests - request
        if self.transport.is_closing():
            return
        self._wait_for_more()
        # What else than one head, or than one body, is in `data` counts from the next data on.
        if self._in_head and (not begun or (begun == 1 and not in_head and not in_body)):
            self._head += len(data)
            if self._head > _LONGEST_HEAD:
                self._refuse(_too_long())
        elif in_body and self._in_body and not begun:
            self._check_body(len(data), len(data) - (self._body - body))

    def send_400_response(self, msg: str) -> None:
        """What uvicorn answers to something that is not HTTP, or that `_count` refused."""
        self._refuse(self._problem or Problem(400, "malformed-request", "This is not HTTP", msg))

    def _wait_for_more(self) -> None:
        """Have an end to whatever the client is to send next; most requests are here as a whole."""
        if self._in_head:
            self._wait(self._give_up)
        elif self.cycle is not None and self.cycle.response_complete:
            if self._in_body:
                self._wait(self.transport.close)
            elif self.timeout_keep_alive_task is None:  # what has just come in has ended it
                self.timeout_keep_alive_task = self.loop.call_later(
                    self.timeout_keep_alive, self.timeout_keep_alive_handler
                )

    def _refused_at_the_door(self) -> bool:
        parser = self.parser
        stays = parser.get_http_version() == "1.1" and parser.should_keep_alive()
        plain = stays and not (parser.should_upgrade() or self.expect_100_continue)
        idle = self.cycle is None or self.cycle.response_complete  # and no answer is to come first
        if not plain or not idle or self.flow.write_paused or self._refused == _MOST_REFUSED:
            return False
        method, draining = parser.get_method(), self._service.draining
        answer: bytes | None = self._service.door.refusal(method, self.url, self.scope, draining)
        if answer is None:
            return False
        self._refused += 1
        self.cycle = _ANSWERED  # type: ignore[assignment]  # all of a cycle that is still asked for
        own = [b"%b: %b\r\n" % header for header in self.server_state.default_headers]
        self.transport.write(b"".join([STATUS_LINE[load_shedding.STATUS], *own, answer]))
        self.on_response_complete()
        return True

    def _count(self, size: int) -> None:
        self._fields += size
        if self._fields > _LONGEST_HEAD:
            self._problem = _too_long()
            raise ValueError(self._problem.detail)  # ends the parsing

    def _check_body(self, size: int, framing: int) -> None:
        self._framing += framing
        if self.cycle.response_complete:
            self._drained += size
        if self._drained > self._most_drained:
            self.transport.close()
        elif self._framing > _LONGEST_HEAD + _MOST_FRAMING * self._body:
            detail = "The body's chunks have more around them than in them."
            self._refuse(Problem(400, "malformed-request", "The body is malformed", detail))

    def _wait(self, then: Any) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self._patience, then)

    def _end_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        detail = f"The request's head had not arrived within {self._patience:g} seconds."
        self._refuse(problems.of_status(408, detail))

    def _refuse(self, problem: Problem) -> None:
        """Answer outside of any request, unless an answer has begun, and hang up."""
        if not (self._in_body and self.cycle.response_started):
            body = json.dumps(problems.details(problem)).encode()
            head = (
                f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\n"
                f"Content-Type: {problems.MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\n"
                "Connection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
        self.transport.close()


def _too_long() -> Problem:
    detail = f"The request's head, or what follows its body, is longer than {_LONGEST_HEAD} bytes."
    return problems.of_status(431, detail)
