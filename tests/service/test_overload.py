"""More than the service can do: refused early, given up in time, and nothing left behind."""

import json
import logging
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.conftest import connect, serving
from tests.service.busy import PHOTO, RAW, Stuck, full, inside, tiny, wait_for


def test_a_full_queue_is_429_and_the_accepted_are_answered(stuck: Stuck) -> None:
    with serving(tiny()) as client:
        with full(client, stuck, 3) as answers:
            for options in (RAW, {"files": {"file": PHOTO}}, {"content": iter([PHOTO])}):
                answer = client.post("/predict", **options)
                assert answer.status_code == 429
                assert answer.json()["type"] == "urn:problem:queue-full"
                assert (answer.json()["limit"], answer.json()["actual"]) == (3, 3)
                assert int(answer.headers["retry-after"]) >= 1
            assert 'route="/predict",status="429"} 3.0' in client.get("/metrics").text
            for path in ("/explain", "/layers", "/predict/batch"):
                assert client.post(path, **RAW).status_code == 429
            assert client.get("/readyz").status_code == 200
            assert client.get("/model").status_code == 200
        assert [answer.status_code for answer in answers] == [200] * 3
        assert inside(client) == 0
        assert client.post("/predict", **RAW).status_code == 200


def test_a_flood_of_refusals_has_a_line_a_second(
    stuck: Stuck, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "app.access")

    def lines(text: str, number: int) -> list[logging.LogRecord]:
        """Those with the text, once there are so many: a line follows its answer."""
        until = time.monotonic() + 10
        while len(found := [each for each in caplog.records if text in each.getMessage()]) < number:
            assert time.monotonic() < until, caplog.text
            time.sleep(0.05)
        return found

    with serving(tiny()) as client, full(client, stuck, 3):
        for _ in range(5):
            assert client.post("/predict", **RAW).status_code == 429
        (summary,) = lines("more requests were refused", 1)
        assert summary.fields == {"status": 429, "refused": 4}  # type: ignore[attr-defined]  # extra's
        assert len(lines(" 429 in ", 1)) == 1
        client.post("/predict", **RAW)  # the next one has a line of its own again
        assert len(lines(" 429 in ", 2)) == 2


def test_a_large_upload_reads_the_refusal_and_keeps_its_connection(stuck: Stuck) -> None:
    # A client that sends its whole body before it reads must not find a reset connection.
    with serving(tiny()) as client, full(client, stuck, 3):
        headers = {"Content-Type": "image/png"}
        with httpx.Client(base_url=client.base_url) as other:
            for _ in range(3):
                answer = other.post("/predict", content=bytes(15_000_000), headers=headers)
                assert answer.status_code == 429
            pool = other._transport._pool  # type: ignore[attr-defined]  # how many were opened
            assert len(pool.connections) == 1


def test_a_batch_that_does_not_fit_any_more_is_refused_as_a_whole(stuck: Stuck) -> None:
    with serving(tiny()) as client, full(client, stuck, 2):
        answer = client.post("/predict/batch", files=[("files", PHOTO)] * 2)
        assert answer.status_code == 429
        assert inside(client) == 2


def test_the_deadline_covers_the_queue(stuck: Stuck) -> None:
    with serving(tiny(deadline_seconds=2)) as client:
        with ThreadPoolExecutor(3) as pool:

            def post() -> httpx.Response:
                return httpx.post(f"{client.base_url}/predict", **RAW, timeout=30)

            posts = [pool.submit(post)]
            assert stuck.begun.wait(20)  # or the next could go with it, as two that wait do
            posts += [pool.submit(post) for _ in range(2)]
            answers = [each.result() for each in posts]
        # The first one was at work all the time, the others waited.
        assert [answer.status_code for answer in answers] == [413, 504, 504]
        assert answers[0].json()["type"] == "urn:problem:too-expensive"
        assert answers[1].json()["type"] == "urn:problem:deadline-passed"
        stuck.let_go()
        wait_for(client, 0)
        assert client.post("/predict", **RAW).status_code == 200
    assert stuck.sent == 1  # the last: those before were dropped


def send(client: httpx.Client, head: str, body: bytes | None = b"") -> socket.socket:
    """A connection with a request on it; one whose head has no end if the body is None."""
    end = b"" if body is None else b"\r\n\r\n" + body
    connection = connect(client)
    connection.sendall(f"POST /predict HTTP/1.1\r\nHost: x\r\n{head}".encode() + end)
    return connection


def test_a_client_that_goes_away_takes_its_photo_along(stuck: Stuck) -> None:
    head = f"Content-Type: image/jpeg\r\nContent-Length: {len(PHOTO)}"
    with serving(tiny()) as client:
        waiting = [send(client, head, PHOTO)]
        assert stuck.begun.wait(20)
        waiting += [send(client, head, PHOTO) for _ in range(2)]
        wait_for(client, 3)
        for connection in waiting:
            connection.close()
        wait_for(client, 0)
        stuck.let_go()
        assert client.post("/predict", **RAW).status_code == 200
        assert 'status="499"} 3.0' in client.get("/metrics").text
    assert stuck.sent in (1, 2)  # the last, and the first if its worker had not ended yet


def test_an_upload_that_does_not_arrive_is_given_up() -> None:
    with serving(tiny(upload_seconds=0.2)) as client:
        with send(client, "Content-Type: image/jpeg\r\nContent-Length: 5000", b"slow") as slow:
            answer = read_all(slow)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"urn:problem:upload-too-slow" in answer


def test_a_head_without_end_is_given_up() -> None:
    with serving(tiny()) as client:
        with send(client, "X: " + "x" * 100_000, None) as endless:
            assert read_all(endless).startswith(b"HTTP/1.1 431 ")
        assert client.get("/livez").status_code == 200


@pytest.mark.parametrize(
    "first", [b"", b"POST /pre", b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: "]
)
def test_a_head_that_does_not_arrive_is_given_up(first: bytes) -> None:
    with serving(tiny(upload_seconds=0.2)) as client:
        with connect(client) as slow:
            slow.sendall(first)
            answer = read_all(slow)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"urn:problem:request-timeout" in answer
        assert client.get("/livez").status_code == 200


def test_what_is_not_http_is_a_problem_too() -> None:
    with serving(tiny()) as client, connect(client) as connection:
        connection.sendall(b"\x16\x03\x01 a TLS hello\r\n\r\n")
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in head
    assert json.loads(body)["type"] == "urn:problem:malformed-request"


def read_all(connection: socket.socket) -> bytes:
    connection.settimeout(20)
    return b"".join(iter(lambda: connection.recv(65536), b""))
