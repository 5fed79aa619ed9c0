"""What a client sends beside bodies that are read: heads, trailers, framing, upgrades."""

import re
import socket
import time
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI

from app.server.server import Server
from app.settings import Settings
from tests import pictures
from tests.conftest import connect, serving

PHOTO = pictures.encode(pictures.noise(1, 60, 40), "JPEG")
CHUNKED = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\n"
CHUNKED += b"Transfer-Encoding: chunked\r\n\r\n"


def answer_to(client: httpx.Client, request: bytes) -> bytes:
    """All that is answered until the server hangs up, or waits for a second."""
    with connect(client) as connection:
        try:
            connection.sendall(request)
        except OSError:
            return b""  # it hung up before it had everything
        received = b""
        connection.settimeout(1)
        try:
            while part := connection.recv(65536):
                received += part
        except OSError:
            pass
        return received


def one_answer(connection: socket.socket) -> bytes:
    """A whole answer of known length; its head and its body may arrive apart."""
    received = connection.recv(65536)
    head, _, _ = received.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    assert length, received
    while len(received) < len(head) + 4 + int(length[1]):
        received += connection.recv(65536)
    return received


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize("pieces", [1, 2])
@pytest.mark.parametrize(("size", "expected"), [(60_000, 200), (400_000, 431), (900_000, 431)])
def test_a_long_head_is_refused_however_it_arrives(
    service: httpx.Client, size: int, expected: int, pieces: int
) -> None:
    head = b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + b"a" * size + b"\r\n\r\n"
    with connect(service) as connection:
        step = len(head) // pieces + 1
        try:
            for begin in range(0, len(head), step):
                connection.sendall(head[begin : begin + step])
                time.sleep(0.01 * (pieces > 1))
            answer = connection.recv(65536)
        except OSError:  # hung up on in the middle, which can lose the answer
            answer = b"HTTP/1.1 431 "
        assert status(answer) == expected


def test_many_headers_and_a_long_address_are_refused(service: httpx.Client) -> None:
    many = b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 100_000 + b"\r\n"
    assert status(answer_to(service, many)) == 431
    long = b"GET /" + b"a" * 400_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"
    assert status(answer_to(service, long)) == 431


def test_a_long_path_is_not_repeated(service: httpx.Client) -> None:
    answer = service.get("/" + "a" * 50_000)
    assert answer.status_code == 404
    assert len(answer.content) < 1_000


def test_a_slash_too_many_is_no_redirect(service: httpx.Client) -> None:
    for path in ("/predict/", "/model/", "/docs/"):
        answer = service.get(path, headers={"Host": "elsewhere.example"})
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"


def chunks(body: bytes, size: int) -> bytes:
    parts = [body[begin : begin + size] for begin in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)


def test_small_chunks_and_trailers_are_accepted(service: httpx.Client) -> None:
    for size in (1, 100):
        request = CHUNKED + chunks(PHOTO, size) + b"0\r\nX-Checksum: abc\r\n\r\n"
        assert status(answer_to(service, request)) == 200


@pytest.mark.parametrize("trailers", [b"Tabc: abcdefgh\r\n" * 100_000, b"T: " + b"a" * 3_000_000])
def test_trailers_are_not_endless(service: httpx.Client, trailers: bytes) -> None:
    answer = answer_to(service, CHUNKED + chunks(PHOTO, 1000) + b"0\r\n" + trailers)
    assert not answer or status(answer) in (400, 431)
    assert service.get("/livez").status_code == 200


def test_chunks_are_not_all_framing(service: httpx.Client) -> None:
    answer = answer_to(service, CHUNKED + b"1;" + b"a" * 3_000_000)
    assert not answer or status(answer) == 431


UPGRADES = {
    "h2c": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAA\r\n",
    "websocket": b"Upgrade: websocket\r\nConnection: upgrade\r\n",
    "of nothing known": b"connection: keep-alive, UPGRADE\r\nupgrade: a/1, b/2\r\n",
}


@pytest.mark.parametrize("step", [7, 1 << 20])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("name", UPGRADES)
def test_an_upgrade_is_not_followed_and_loses_no_body(
    service: httpx.Client, name: str, chunked: bool, step: int
) -> None:
    if chunked:
        request = CHUNKED[:-2] + UPGRADES[name] + b"\r\n" + chunks(PHOTO, 1000) + b"0\r\n\r\n"
    else:
        request = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\n"
        request += UPGRADES[name] + b"Content-Length: %d\r\n\r\n" % len(PHOTO) + PHOTO
    expected = service.post("/predict", content=PHOTO, headers={"Content-Type": "image/jpeg"})
    with connect(service) as connection:
        for _ in range(2):  # the connection stays usable
            for begin in range(0, len(request), step):
                connection.sendall(request[begin : begin + step])
            answer = one_answer(connection)
            assert status(answer) == 200
            assert answer.endswith(expected.content)
        last = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        connection.sendall(request + last)
        both = b"".join(iter(lambda: connection.recv(65536), b""))
        assert both.count(b"HTTP/1.1 200 OK") == 2, "a pipelined request is answered, too"


def test_a_slow_head_is_refused() -> None:
    with serving(Settings(upload_seconds=1.5)) as client, connect(client) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert status(one_answer(connection)) == 200
        began = time.monotonic()
        for byte in b"GET /livez HTTP/1.1":
            connection.sendall(bytes([byte]))
            time.sleep(0.02)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert status(answer) == 408
        assert 1.2 < time.monotonic() - began < 5


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """A service that keeps an idle connection for half a second."""
    make = Server.__init__

    def made(server: Server, app: FastAPI, settings: Settings) -> None:
        make(server, app, settings)
        server.config.timeout_keep_alive = 0.5  # type: ignore[assignment]  # any number of seconds

    monkeypatch.setattr(Server, "__init__", made)
    with serving(Settings()) as client:
        yield client


@pytest.mark.parametrize("rest", [b"body", b"\r\n", b""])
def test_an_answered_connection_is_not_kept_for_ever(hasty: httpx.Client, rest: bytes) -> None:
    length = len(rest.strip())
    with connect(hasty) as connection:
        connection.sendall(
            b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % length
        )
        assert status(one_answer(connection)) == 404
        connection.sendall(rest)
        connection.settimeout(10)
        assert connection.recv(65536) == b""


@pytest.mark.parametrize("first", [b"", b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"])
@pytest.mark.parametrize("line", [b"CONNECT x:443 HTTP/1.1", b"GET http://x HTTP/1.1"])
def test_an_address_that_is_none_is_a_problem(
    service: httpx.Client, first: bytes, line: bytes
) -> None:
    with connect(service) as connection:
        if first:
            connection.sendall(first)
            assert status(one_answer(connection)) == 200
        connection.sendall(line + b"\r\nHost: x\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert status(answer) == 400
    assert b"urn:problem:malformed-request" in answer


# Answers of more bytes than the systems of both sides hold.
PIPELINED = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 200


def test_a_client_that_reads_nothing_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    with serving(Settings(upload_seconds=0.5)) as client:
        with reading_little(client) as one, reading_little(client) as other:
            for connection in (one, other):
                connection.sendall(PIPELINED)
            assert is_dropped(one, 10)
            assert is_dropped(other, 10)
        assert client.get("/livez").status_code == 200
    assert not [record for record in caplog.records if record.exc_info], "no traceback"


def test_a_client_that_reads_slowly_is_kept() -> None:
    with serving(Settings(upload_seconds=0.5)) as client, reading_little(client) as connection:
        connection.sendall(PIPELINED)
        end = time.monotonic() + 5
        while time.monotonic() < end:
            assert connection.recv(1000)
            time.sleep(0.05)


def is_dropped(connection: socket.socket, seconds: float) -> bool:
    """Read nothing, until the server hangs up or the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            return True
        time.sleep(0.05)
    return False


def reading_little(client: httpx.Client) -> socket.socket:
    """A connection whose own system takes little before it is read."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((client.base_url.host, client.base_url.port))
    return connection


CODINGS = {
    b"chunked": 200,
    b"chunked ": 200,
    b"gzip, chunked": 501,
    b"gzip,chunked": 501,
    b"gzip\r\nTransfer-Encoding: chunked": 501,
    b"identity\r\nTransfer-Encoding: chunked": 501,
    b"identity, chunked": 501,
    b", chunked": 501,
    b"identity": 501,
    b"gzip": 501,
    b"xchunked": 501,
    b"chunked;a=b": 501,
    b'"chunked"': 501,
    b"chunked, chunked": 400,
    b"chunked\r\nTransfer-Encoding: chunked": 400,
    b"chunked\r\nTransfer-Encoding: gzip": 400,
    b"chunked, identity": 400,
    b"gzip,\r\n chunked": 400,
    b"\x0bchunked": 400,
    b"": 400,
    b"chunked\r\nContent-Length: 2000": 400,
    b"identity\r\nContent-Length: 2000": 400,
    b"gzip\r\nContent-Length: 2000": 400,
}


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
@pytest.mark.parametrize("upgrade", [b"", b"Connection: Upgrade\r\nUpgrade: h2c\r\n"])
@pytest.mark.parametrize("coding", CODINGS)
def test_a_transfer_coding_is_chunked_or_refused(
    service: httpx.Client, coding: bytes, upgrade: bytes, version: bytes
) -> None:
    expected = CODINGS[coding] if version == b"1.1" else 400
    head = b"POST /predict HTTP/%b\r\nHost: x\r\nContent-Type: image/jpeg\r\n" % version
    head += upgrade + b"Transfer-Encoding: " + coding + b"\r\n\r\n"
    with connect(service) as connection:
        connection.sendall(head + chunks(PHOTO, 1000) + b"0\r\n\r\n")
        if expected == 200:
            assert status(one_answer(connection)) == 200
            return
        # The server hangs up, so that what follows is not taken for a request.
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert status(answer) == expected
        assert answer.count(b"HTTP/1.1") == answer.count(b"urn:problem:") == 1


@pytest.mark.parametrize(
    "length", [b"-1", b"+5", b"0x10", b"1 2", b"5, 5", b"5\r\nContent-Length: 5", b"", b"9" * 30]
)
def test_a_length_is_one_number(service: httpx.Client, length: bytes) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: " + length + b"\r\n\r\n"
    answer = answer_to(service, head + b"abcde")
    assert status(answer) == 400
    assert b"urn:problem:malformed-request" in answer
