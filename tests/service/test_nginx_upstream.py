"""deploy/nginx.conf on the side of the service: connections, instances, failures."""

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from app.settings import Settings
from benchmarks.harness.server import free_port
from tests.conftest import serving
from tests.service.busy import PHOTO
from tests.service.nginx import CONFIGURATION, connected, problem, proxying

SECOND = "#server 127.0.0.1:8001 "


def seconds(directive: str) -> float:
    """The time that the configuration gives a directive, in the upstream block or outside."""
    return float(re.findall(rf"^ +{directive} (\d+)s;", CONFIGURATION, re.MULTILINE)[0])


def test_its_times_fit_the_services() -> None:
    upstream = CONFIGURATION[CONFIGURATION.index("upstream service") :]
    unused = float(re.findall(r"keepalive_timeout (\d+)s;", upstream)[0])
    assert unused < Settings().keep_alive_seconds - 1
    assert seconds("proxy_read_timeout") > Settings().deadline_seconds
    assert Settings().max_bytes == 20 * 1024**2
    assert "client_max_body_size 20m;" in CONFIGURATION


@contextmanager
def upstream(talk: Callable[[socket.socket], object]) -> Iterator[tuple[int, list[socket.socket]]]:
    """A stand-in for the service that closes connections after `talk`; its port, and those."""
    accepted: list[socket.socket] = []

    def handle(connection: socket.socket) -> None:
        with connection:
            talk(connection)

    def accept() -> None:
        while True:
            try:
                accepted.append(listener.accept()[0])
            except OSError:
                return
            threading.Thread(target=handle, args=(accepted[-1],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1], accepted
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def hang_up(connection: socket.socket) -> None:
    connection.recv(100_000)


def never_answer(connection: socket.socket) -> None:
    while connection.recv(100_000):
        pass


def answer_once(connection: socket.socket) -> None:
    """Close the connection when a second request comes, as if both had crossed on their way."""
    connection.recv(100_000)
    connection.sendall(b"HTTP/1.1 422 No\r\nContent-Length: 0\r\n\r\n")
    connection.recv(100_000)


def test_no_request_meets_a_connection_that_the_service_closes(
    tmp_path: Path, certificate: Path
) -> None:
    """With 3 and 2 seconds instead of 75 and 60."""
    short = {"keepalive_timeout 60s;": "keepalive_timeout 2s;"}
    folders = [tmp_path / name for name in ("real", "crossing")]
    for folder in folders:
        folder.mkdir()
    with (
        serving(Settings(keep_alive_seconds=3)) as service,
        upstream(answer_once) as (port, _),
        proxying(folders[0], certificate, service.base_url.port or 0, short) as real,
        proxying(folders[1], certificate, port, short) as crossing,
        ThreadPoolExecutor(24) as pool,
    ):

        def post(client: httpx.Client) -> int:
            raw = {"Content-Type": "image/jpeg"}
            return client.post("/predict", content=b"", headers=raw).status_code

        assert post(crossing.client) == 422
        assert set(pool.map(post, [real.client] * 24)) == {422}
        time.sleep(3 - 0.05)  # the service closes its connections from now on
        assert post(crossing.client) == 422
        for _ in range(6):
            assert set(pool.map(post, [real.client] * 24)) == {422}


def test_a_service_that_is_down_is_502(tmp_path: Path, certificate: Path) -> None:
    with proxying(tmp_path, certificate, free_port()) as proxy:
        answer = proxy.client.post("/predict?secret=1", files={"file": PHOTO})
        assert problem(answer, 502)["instance"] == "/predict"
        assert answer.headers["retry-after"] == "5"
        # What would break the JSON is not repeated in it.
        odd = b'GET /"\\ HTTP/1.1\r\nHost: a\r\nX-Request-ID: "\\\r\nConnection: close\r\n\r\n'
        with connected(proxy, odd) as connection:
            text = connection.makefile("rb").read().partition(b"\r\n\r\n")[2]
            assert json.loads(text)["instance"] == ""
    log = (tmp_path / "access.log").read_text()
    assert '"POST /predict" 502' in log
    assert "secret" not in log


def test_a_service_that_does_not_answer_is_504(tmp_path: Path, certificate: Path) -> None:
    short = {"proxy_read_timeout 30s;": "proxy_read_timeout 300ms;"}
    with upstream(never_answer) as (port, _), proxying(tmp_path, certificate, port, short) as proxy:
        problem(proxy.client.post("/predict", content=PHOTO), 504)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_is_sent_to_two_instances_at_most(
    tmp_path: Path, certificate: Path, method: str
) -> None:
    with upstream(hang_up) as (first, received), upstream(hang_up) as (second, more):
        with upstream(hang_up) as (third, most):
            others = {SECOND: f"server 127.0.0.1:{second}; server 127.0.0.1:{third} "}
            with proxying(tmp_path, certificate, first, others) as proxy:
                answer = proxy.client.request(method, "/predict", content=PHOTO)
                assert answer.status_code == 502
        assert len(received) + len(more) + len(most) == 2


def test_a_photo_that_takes_too_long_is_not_sent_again(tmp_path: Path, certificate: Path) -> None:
    """With tenths of the seconds: the order of the two times is what counts."""
    short = {"proxy_read_timeout 30s;": "proxy_read_timeout 3s;",
             "proxy_next_upstream_timeout 10s;": "proxy_next_upstream_timeout 1s;"}  # fmt: skip
    with upstream(never_answer) as (first, received), upstream(never_answer) as (second, more):
        two = {SECOND: f"server 127.0.0.1:{second} "}
        with proxying(tmp_path, certificate, first, short | two) as proxy:
            problem(proxy.client.post("/predict", content=PHOTO), 504)
        assert len(received) + len(more) == 1


def drain(connection: socket.socket) -> None:
    """Refuse as an instance does that is being stopped."""
    connection.recv(100_000)
    connection.sendall(b"HTTP/1.1 503 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")


def test_another_instance_answers_for_one_that_drains(
    tmp_path: Path, certificate: Path, service: httpx.Client
) -> None:
    with upstream(drain) as (draining, received):
        two = {SECOND: f"server 127.0.0.1:{service.base_url.port} "}
        with proxying(tmp_path, certificate, draining, two) as proxy:
            for _ in range(4):
                assert proxy.client.post("/predict", files={"file": PHOTO}).status_code == 200
        assert received


def test_one_that_drains_and_is_alone_says_so(tmp_path: Path, certificate: Path) -> None:
    with upstream(drain) as (port, _), proxying(tmp_path, certificate, port) as proxy:
        assert proxy.client.post("/predict", content=PHOTO).status_code == 503


def test_another_instance_answers_for_one_that_is_down(
    tmp_path: Path, certificate: Path, service: httpx.Client
) -> None:
    two = {SECOND: f"server 127.0.0.1:{service.base_url.port} "}
    with proxying(tmp_path, certificate, free_port(), two) as proxy:
        for _ in range(4):
            assert proxy.client.post("/predict", files={"file": PHOTO}).status_code == 200
