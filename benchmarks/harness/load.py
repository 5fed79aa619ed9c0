"""A load generator that keeps the status and the time of every answer.

The packaged tools wrk and hey cannot send at a fixed rate independently of the answers, send a
different photo with each request and report its answer, or tell refused connections from dropped
ones. `benchmarks.harness.wrk` is used where a throughput and percentiles are enough.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from httptools import HttpParserError, HttpResponseParser

BROKEN = 0  # the status if the connection was refused, or closed before the answer was complete
OK = 200
TIMEOUT_SECONDS = 60.0
_PAUSE_SECONDS = 0.01
_BOUNDARY = "photo-boundary-7e9a"


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one request.

    `sent` is the time.perf_counter() at sending, `seconds` the time until the answer was complete.
    `connected` is false if the connection could not be opened.
    """

    status: int
    sent: float
    seconds: float
    connected: bool = True


@dataclass
class LoadResult:
    """The answers of one run, in the order of their arrival."""

    answers: list[Answer] = field(default_factory=list)
    late: list[float] = field(default_factory=list)  # delays of `open_loop` in seconds
    unsent: int = 0  # requests that `open_loop` skipped, as all connections were busy

    @property
    def statuses(self) -> Counter[int]:
        """The number of answers by status."""
        return Counter(answer.status for answer in self.answers)

    def times(self, status: int = OK) -> list[float]:
        """Return the seconds of the answers with this status."""
        return [answer.seconds for answer in self.answers if answer.status == status]

    @property
    def rate(self) -> float:
        """Answers with status 200 per second, from the first request to the last answer."""
        if not self.answers:
            return 0.0
        began = min(answer.sent for answer in self.answers)
        ended = max(answer.sent + answer.seconds for answer in self.answers)
        return len(self.times()) / max(ended - began, 1e-9)


def multipart_request(data: bytes, name: str = "photo.jpg", kind: str = "image/jpeg") -> bytes:
    """Return the HTTP request that posts a photo to /predict as the multipart field `file`."""
    head = f'Content-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: {kind}'
    body = f"--{_BOUNDARY}\r\n{head}\r\n\r\n".encode() + data + f"\r\n--{_BOUNDARY}--\r\n".encode()
    return _post(body, f"multipart/form-data; boundary={_BOUNDARY}")


def raw_request(data: bytes, kind: str = "image/jpeg") -> bytes:
    """Return the HTTP request that posts a photo to /predict as a raw body."""
    return _post(data, kind)


def get_request(path: str) -> bytes:
    """Return the HTTP request that gets a path."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


class Connection:
    """A keep-alive connection for one request at a time; it is opened when needed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._http: _HttpProtocol | None = None

    async def send(self, request: bytes) -> Answer:
        """Send a request and wait for the complete answer; failures have the status BROKEN."""
        sent = time.perf_counter()
        loop = asyncio.get_running_loop()
        try:
            if self._http is None or self._http.transport.is_closing():
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    _, self._http = await loop.create_connection(
                        _HttpProtocol, "127.0.0.1", self._port
                    )
        except OSError:  # includes TimeoutError
            return Answer(BROKEN, sent, time.perf_counter() - sent, connected=False)
        timer = loop.call_later(TIMEOUT_SECONDS, self._http.abort)
        status = await self._http.exchange(request)
        timer.cancel()
        return Answer(status, sent, time.perf_counter() - sent)

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        if self._http:
            self._http.abort()
        self._http = None


class _HttpProtocol(asyncio.Protocol):
    """The callbacks of the event loop and of the HTTP parser."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self._status: asyncio.Future[int] | None = None  # of the current request

    def exchange(self, request: bytes) -> "asyncio.Future[int]":
        """Send a request; the future's result is the status of the answer, or `BROKEN`."""
        self._status = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._status

    def abort(self) -> None:
        """Close the connection."""
        self.transport.abort()
        self._resolve(BROKEN)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # TCP's
        """Store the transport."""
        self.transport = transport

    def connection_lost(self, _: Exception | None) -> None:
        """End the current request without an answer."""
        self._resolve(BROKEN)

    def data_received(self, data: bytes) -> None:
        """Parse a part of the answer."""
        try:
            self._parser.feed_data(data)
        except HttpParserError:
            self.abort()

    def on_message_complete(self) -> None:
        """End the current request with the status of its answer."""
        if not self._parser.should_keep_alive():
            self.transport.close()
        self._resolve(self._parser.get_status_code())

    def _resolve(self, status: int) -> None:
        if self._status and not self._status.done():
            self._status.set_result(status)


async def closed_loop(
    port: int,
    requests: Iterable[bytes],
    clients: int,
    stop: Callable[[], bool] = lambda: False,
    on_answer: Callable[[int, Answer], None] = lambda *_: None,
) -> LoadResult:
    """Run a closed loop: each client sends its next request after the answer to the last one.

    Args:
        port: the server's port on the loopback interface.
        requests: the requests; the run ends after the last one.
        clients: the number of clients.
        stop: called before each request; the run ends if it returns True.
        on_answer: called with the number and the answer of each request.
    """
    run = LoadResult()
    numbered = enumerate(requests)

    async def client() -> None:
        connection = Connection(port)
        for number, request in numbered:
            if stop():
                break
            answer = await connection.send(request)
            run.answers.append(answer)
            on_answer(number, answer)
            if answer.status == BROKEN:  # do not flood a server that has ended
                await asyncio.sleep(_PAUSE_SECONDS)
        connection.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return run


async def open_loop(
    port: int,
    requests: Sequence[bytes],
    rate: float,
    seconds: float,
    max_connections: int,
    stop: Callable[[], bool] = lambda: False,
) -> LoadResult:
    """Run an open loop: send a request every 1/rate seconds, independently of the answers.

    Args:
        port: the server's port on the loopback interface.
        requests: sent in turn, repeatedly.
        rate: requests per second.
        seconds: the duration.
        max_connections: the most concurrent requests; further ones count as `LoadResult.unsent`.
        stop: called before each request; no more are sent once it returns True.
    """
    run = LoadResult()
    idle = [Connection(port) for _ in range(max_connections)]
    under_way: set[asyncio.Task[None]] = set()

    async def one(connection: Connection, request: bytes) -> None:
        run.answers.append(await connection.send(request))
        idle.append(connection)

    began = time.perf_counter()
    for number in range(round(rate * seconds)):
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        if stop():
            break
        run.late.append(time.perf_counter() - due)
        if not idle:
            run.unsent += 1
            continue
        task = asyncio.create_task(one(idle.pop(), requests[number % len(requests)]))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    await asyncio.gather(*under_way)
    for connection in idle:
        connection.close()
    return run


def _post(body: bytes, kind: str) -> bytes:
    head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
