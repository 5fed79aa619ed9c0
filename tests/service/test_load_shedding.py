"""A flood's refusals: given at the door, and not to be told from those of the application."""

import logging
import socket
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI

from app.api.middleware.access_log import Refusals
from app.main import create_app
from app.server.load_shedding import Door
from app.settings import Settings
from tests import conftest
from tests.app.server.test_protocol import hangs_up
from tests.conftest import connect, serving
from tests.service.busy import PHOTO, RAW, Stuck, full, tiny

HOST = "127.0.0.1"
KEY = "a-key-of-sixteen-characters"


class Doors:
    """Counts what is refused at the door."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.refused = 0
        refusal = Door.refusal

        def counted(door: Door, *arguments: object) -> bytes | None:
            answer = refusal(door, *arguments)  # type: ignore[arg-type]  # passed on
            self.refused += answer is not None
            return answer

        monkeypatch.setattr(Door, "refusal", counted)
        # A machine may be too slow for a second refusal within the second.
        monkeypatch.setattr(Refusals.__init__, "__defaults__", (30.0,))


@pytest.fixture
def doors(monkeypatch: pytest.MonkeyPatch) -> Doors:
    return Doors(monkeypatch)


@pytest.fixture
def settings() -> Settings:
    return tiny()


@pytest.fixture
def busy(doors: Doors, stuck: Stuck, settings: Settings) -> Iterator[httpx.Client]:
    """A service whose queue is full, and that has refused a photo just now."""
    with serving(settings) as client, full(client, stuck, 3):
        assert client.post("/predict", **RAW).status_code == 429
        assert doors.refused == 0  # the first goes through the application
        yield client


def shape(answer: httpx.Response) -> tuple[object, ...]:
    """All of an answer but the id and the second in which it was given."""
    body = answer.json()
    assert body.pop("request_id") == answer.headers["x-request-id"]
    fixed = {n: v for n, v in answer.headers.items() if n not in ("date", "x-request-id")}
    return answer.status_code, list(answer.headers), fixed, body


@pytest.mark.parametrize("path", ["/predict", "/predict/batch", "/explain", "/layers"])
def test_the_answer_is_the_applications(busy: httpx.Client, doors: Doors, path: str) -> None:
    # A query changes nothing for the application, and is not known at the door.
    by_application = busy.post(f"{path}?", **RAW)
    assert doors.refused == 0
    at_the_door = busy.post(path, **RAW)
    assert doors.refused == 1
    assert shape(at_the_door) == shape(by_application)
    again = busy.post(path, **RAW)
    assert shape(again) == shape(at_the_door)
    assert again.headers["x-request-id"] != at_the_door.headers["x-request-id"]


@pytest.mark.parametrize(
    "settings", [tiny(cors_origins=["*"]), tiny(cors_origins=["https://example.org"])]
)
def test_it_is_the_same_where_other_sites_may_call(busy: httpx.Client, doors: Doors) -> None:
    by_application = busy.post("/predict?", **RAW)
    assert by_application.headers["vary"] == "Origin"
    assert shape(busy.post("/predict", **RAW)) == shape(by_application)
    assert doors.refused == 1


def test_a_clients_id_is_echoed(busy: httpx.Client, doors: Doors) -> None:
    for number, accepted in [("mine-1", True), ("mine-22", True), ("no good", False)]:
        headers = RAW["headers"] | {"X-Request-ID": number}
        answer = busy.post("/predict", content=PHOTO, headers=headers)
        assert answer.status_code == 429
        assert (answer.headers["x-request-id"] == number) is accepted
        shape(answer)
    assert doors.refused == 2  # the application warns of the last


def test_it_is_counted_and_has_no_line(
    busy: httpx.Client, doors: Doors, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "app.access")
    for _ in range(4):
        busy.post("/predict", **RAW)
    assert doors.refused == 4
    text = busy.get("/metrics").text
    assert 'http_requests_total{method="POST",route="/predict",status="429"} 5.0' in text
    assert 'http_request_duration_seconds_count{route="/predict"} 5.0' in text
    assert " 429 in " not in caplog.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Connection": "close"},
        {"Expect": "100-continue"},
        {"Connection": "Upgrade", "Upgrade": "websocket"},
    ],
    ids=lambda headers: next(reversed(headers)),
)
def test_what_is_out_of_the_ordinary_is_the_applications(
    busy: httpx.Client, doors: Doors, headers: dict[str, str]
) -> None:
    answer = busy.post("/predict", content=PHOTO, headers=RAW["headers"] | headers)
    assert answer.status_code == 429
    assert doors.refused == 0


def test_other_routes_and_methods_are_answered(busy: httpx.Client, doors: Doors) -> None:
    assert busy.get("/predict").status_code == 405
    assert busy.get("/model").status_code == 200
    assert busy.post("/nothing", **RAW).status_code == 404
    assert doors.refused == 0


def read_answers(connection: socket.socket, number: int) -> list[int]:
    """The statuses of so many answers."""
    connection.settimeout(20)
    received = b""
    while received.count(b"HTTP/1.1 ") < number or not received.endswith(b"}"):
        part = connection.recv(65536)
        assert part, received
        received += part
    return [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]


def head(length: int | None, path: str = "/predict") -> bytes:
    kind = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    line = f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: image/jpeg\r\n{kind}\r\n\r\n"
    return line.encode()


def test_one_connection_carries_many_however_they_arrive(busy: httpx.Client, doors: Doors) -> None:
    chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(PHOTO), PHOTO)
    with connect(busy) as connection:
        for request in (head(len(PHOTO)) + PHOTO, head(None) + chunk, head(0)) * 2:
            connection.sendall(request)
            assert read_answers(connection, 1) == [429]
        for byte in head(4):
            connection.sendall(bytes([byte]))
        assert read_answers(connection, 1) == [429]  # before a byte of the body
        connection.sendall(b"body" + head(0))
        assert read_answers(connection, 1) == [429]
        connection.sendall((head(4) + b"body") * 5)
        assert read_answers(connection, 5) == [429] * 5
    assert doors.refused == 13


def test_of_many_at_once_others_have_a_turn_in_between(busy: httpx.Client, doors: Doors) -> None:
    with connect(busy) as connection:
        connection.sendall(head(0) * 40)
        assert read_answers(connection, 40) == [429] * 40
    assert 16 <= doors.refused < 40


def test_nothing_overtakes_an_earlier_answer(busy: httpx.Client, doors: Doors) -> None:
    # The first is for the application, as its path has a query, and not answered as yet when the
    # second is read.
    with connect(busy) as connection:
        connection.sendall(head(4, "/predict?") + b"body" + head(4) + b"body")
        assert read_answers(connection, 2) == [429, 429]
    assert doors.refused == 0


def test_hosts_keys_and_draining_come_first(
    doors: Doors, stuck: Stuck, monkeypatch: pytest.MonkeyPatch
) -> None:
    apps: list[FastAPI] = []

    def create(settings: Settings) -> FastAPI:
        apps.append(create_app(settings))
        return apps[-1]

    monkeypatch.setattr(conftest, "create_app", create)
    settings = tiny(api_keys=[KEY], trusted_hosts=[HOST])
    with serving(settings) as client:
        client.headers["X-API-Key"] = KEY
        with full(client, stuck, 3):
            for refused in range(3):
                assert client.post("/predict", **RAW).status_code == 429
                assert doors.refused == refused
            for name, value, status in [
                ("X-API-Key", "", 401), ("X-API-Key", "x" * 20, 403), ("Host", "other", 400),
            ]:  # fmt: skip
                headers = RAW["headers"] | {name: value}
                answer = client.post("/predict", content=PHOTO, headers=headers)
                assert answer.status_code == status
            apps[0].state.draining = True
            assert client.post("/predict", **RAW).status_code == 503
            assert doors.refused == 2


def test_what_is_left_of_a_refused_body_is_bounded(doors: Doors, stuck: Stuck) -> None:
    with serving(tiny(upload_seconds=1)) as client, full(client, stuck, 3):
        assert client.post("/predict", **RAW).status_code == 429
        with connect(client) as connection:
            connection.sendall(head(99_999_999_999))
            assert read_answers(connection, 1) == [429]
            assert doors.refused == 1
            assert hangs_up(connection, b"x", 0.1, 10)
