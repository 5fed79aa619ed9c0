"""A small load generator that keeps every answer: its status, its time, when it was sent.

wrk measures throughput, but cannot tell the times of accepted requests from those of refused
ones, nor send at a rate whatever the server does. This one can; a request costs it about a
tenth of a millisecond, a third of it the system's, as requests are bytes made once, answers are
hardly parsed, and a connection is a bare protocol: streams took a sixth more.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

BROKEN = 0  # the status of a connection that was refused, or closed without an answer
OK = 200
TIMEOUT_SECONDS = 60.0
_PAUSE_SECONDS = 0.01
_BOUNDARY = "photo-boundary-7e9a"


@dataclass(frozen=True, slots=True)
class Answer:
    """One request: `sent` by time.perf_counter(), `seconds` from then to its answer's end.

    `connected` tells a connection that was closed or reset from one that was never made.
    """

    status: int
    sent: float
    seconds: float
    connected: bool = True


@dataclass
class LoadResult:
    """The answers of one run, in the order in which they came."""

    answers: list[Answer] = field(default_factory=list)
    late: list[float] = field(default_factory=list)  # seconds that `at_rate` sent too late
    unsent: int = 0  # what `at_rate` could not send, as all connections were waiting

    @property
    def statuses(self) -> Counter[int]:
        """How many answers of each status; `BROKEN` for none."""
        return Counter(answer.status for answer in self.answers)

    def times(self, status: int = OK) -> list[float]:
        """The seconds of the answers with a status."""
        return [answer.seconds for answer in self.answers if answer.status == status]

    @property
    def rate(self) -> float:
        """Good answers a second, from the first request sent to the last answer."""
        if not self.answers:
            return 0.0
        began = min(answer.sent for answer in self.answers)
        ended = max(answer.sent + answer.seconds for answer in self.answers)
        return len(self.times()) / max(ended - began, 1e-9)


def multipart_request(data: bytes, name: str = "photo.jpg", kind: str = "image/jpeg") -> bytes:
    """The HTTP request that posts a photo to /predict as the multipart field `file`."""
    head = f'Content-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: {kind}'
    body = f"--{_BOUNDARY}\r\n{head}\r\n\r\n".encode() + data + f"\r\n--{_BOUNDARY}--\r\n".encode()
    return _post(body, f"multipart/form-data; boundary={_BOUNDARY}")


def raw_request(data: bytes, kind: str = "image/jpeg") -> bytes:
    """The HTTP request that posts a photo to /predict as it is."""
    return _post(data, kind)


class Connection:
    """One keep-alive connection, opened when it is needed, for one request at a time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._wire: _HttpProtocol | None = None

    async def send(self, request: bytes) -> Answer:
        """Send a request and wait for the end of its answer; never raises for a bad server."""
        sent = time.perf_counter()
        connected, status = False, BROKEN
        loop = asyncio.get_running_loop()
        timer = None
        try:
            if self._wire is None or self._wire.transport.is_closing():
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    _, self._wire = await loop.create_connection(
                        _HttpProtocol, "127.0.0.1", self._port
                    )
            connected = True
            timer = loop.call_later(TIMEOUT_SECONDS, self._wire.abort)
            status = await self._wire.exchange(request)
        except OSError:  # TimeoutError is one, too
            pass  # nobody listens there
        finally:
            if timer:
                timer.cancel()
        return Answer(status, sent, time.perf_counter() - sent, connected)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._wire:
            self._wire.abort()
        self._wire = None


class _HttpProtocol(asyncio.Protocol):
    """A connection as the event loop sees it."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._received = b""
        self._status: asyncio.Future[int] | None = None  # that is waited for

    def exchange(self, request: bytes) -> "asyncio.Future[int]":
        """Send a request; the answer's status once it has ended, `BROKEN` if there is none."""
        self._received = b""
        self._status = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._status

    def abort(self) -> None:
        """Hang up."""
        self.transport.abort()
        self._resolve(BROKEN)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # TCP's
        """See `asyncio.Protocol`."""
        self.transport = transport

    def connection_lost(self, _: Exception | None) -> None:
        """The server hung up; an answer that it had not ended is none."""
        self._resolve(BROKEN)

    def data_received(self, data: bytes) -> None:
        """A part of the answer; its end is known by Content-Length."""
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        head = head.lower() + b"\r\n"
        length = head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0].strip()
        if not length.isdigit() or not head[9:12].isdigit():
            self.abort()
        elif len(body) >= int(length):
            if b"\r\nconnection: close" in head:
                self.transport.close()
            self._resolve(int(head[9:12]))

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
    """A closed loop: each client sends the next request when its last one is answered.

    Args:
        port: of the server, on loopback.
        requests: what to send; the run ends with them.
        clients: how many requests are under way at a time.
        stop: asked before each request; True ends the run, too.
        on_answer: told the request's number and its answer.
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
            if answer.status == BROKEN:  # a server that is gone is not asked without a pause
                await asyncio.sleep(_PAUSE_SECONDS)
        connection.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return run


async def open_loop(
    port: int, requests: Sequence[bytes], rate: float, seconds: float, max_connections: int
) -> LoadResult:
    """An open loop: a request is due every 1/rate seconds, whatever was answered meanwhile.

    Args:
        port: of the server, on loopback.
        requests: sent in turn, over and over.
        rate: requests a second.
        seconds: how long.
        most: requests under way at a time; what is due beyond that counts as `Run.unsent`.
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
