import asyncio
import itertools
import math
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest

from benchmarks.harness.load import (
    BROKEN,
    Answer,
    LoadResult,
    closed_loop,
    multipart_request,
    open_loop,
    raw_request,
)
from benchmarks.harness.server import free_port
from benchmarks.harness.table import markdown_table, percentile
from benchmarks.serving.stops import classify_answers
from tests import pictures

PHOTO = pictures.encode(pictures.noise(1), "JPEG")


class Handler(BaseHTTPRequestHandler):
    """Refuses photos whose last byte is odd, and hangs up on an empty one."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not body:
            self.close_connection = True
            return
        self.send_response(429 if body[-1] % 2 else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_closed_loop_sends_everything_once(port: int) -> None:
    numbers = []
    requests = [raw_request(bytes([number])) for number in range(20)]
    run = asyncio.run(closed_loop(port, requests, 3, on_answer=lambda n, _: numbers.append(n)))
    assert run.statuses == {200: 10, 429: 10}
    assert sorted(numbers) == list(range(20))
    assert len(run.times()) == 10
    assert run.rate > 0


def test_a_closed_loop_can_be_stopped(port: int) -> None:
    seen: list[int] = []
    work = itertools.repeat(raw_request(b"\0"))
    run = asyncio.run(
        closed_loop(port, work, 2, lambda: len(seen) >= 5, lambda number, _: seen.append(number))
    )
    assert 5 <= len(run.answers) <= 6


def test_an_open_loop_counts_sent_and_skipped_requests(port: int) -> None:
    run = asyncio.run(open_loop(port, [raw_request(b"\0"), raw_request(b"\1")], 100, 0.2, 50))
    assert len(run.answers) + run.unsent == 20
    assert set(run.statuses) == {200, 429}
    assert len(run.late) == 20


def test_a_closed_connection_is_broken(port: int) -> None:
    run = asyncio.run(closed_loop(port, [raw_request(b""), raw_request(b"\0")], 1))
    assert [answer.status for answer in run.answers] == [BROKEN, 200]
    assert run.answers[0].connected


def test_a_refused_connection_is_not_connected() -> None:
    run = asyncio.run(closed_loop(free_port(), [raw_request(b"\0")], 1))
    assert run.statuses == {BROKEN: 1}
    assert not run.answers[0].connected


def test_the_service_accepts_both_kinds_of_body(service: httpx.Client) -> None:
    port = service.base_url.port
    assert port
    run = asyncio.run(closed_loop(port, [raw_request(PHOTO), multipart_request(PHOTO)], 1))
    assert run.statuses == {200: 2}


def test_stops_count_requests_before_and_after_sigterm() -> None:
    answers = [
        Answer(200, 1.0, 0.5),
        Answer(BROKEN, 1.5, 0.6),
        Answer(503, 1.8, 0.3),
        Answer(503, 1.95, 0.1),
        Answer(BROKEN, 1.95, 0.1),
        Answer(200, 2.0, 0.1),
        Answer(503, 2.1, 0.1),
        Answer(BROKEN, 2.2, 0.1, connected=False),
        Answer(BROKEN, 2.3, 0.1, connected=True),
    ]
    stop = classify_answers(answers, 2.0, 1.0, 0)
    assert (stop.accepted, stop.failed, stop.unread) == (4, 3, 1)
    assert (stop.answered, stop.refused, stop.unconnected, stop.dropped) == (1, 1, 1, 1)


def test_a_run_without_answers_has_no_rate() -> None:
    assert LoadResult().rate == 0


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, 1), (1, 1), (50, 50), (99, 99), (99.5, 100), (100, 100)]
)
def test_percentiles_are_values_that_occurred(percent: float, expected: float) -> None:
    values = list(range(100, 0, -1))
    assert percentile(values, percent) == expected


def test_the_percentile_of_nothing_is_not_a_number() -> None:
    assert math.isnan(percentile([], 50))


def test_a_markdown_table() -> None:
    assert markdown_table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
