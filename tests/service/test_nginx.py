"""deploy/nginx.conf under Debian's nginx, in front of the real service."""

import logging
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from app.settings import Settings
from tests.service.busy import PHOTO
from tests.service.nginx import Proxy, connected, is_closed, problem, proxying, with_prefix

SHORT = {
    "client_header_timeout 10s;": "client_header_timeout 1s;",
    "client_body_timeout 15s;": "client_body_timeout 1s;",
}
HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
UNFINISHED = HEAD + b"Content-Length: 1000\r\n\r\nhalf"


@pytest.fixture(scope="module")
def proxy(
    tmp_path_factory: pytest.TempPathFactory, certificate: Path, service: httpx.Client
) -> Iterator[Proxy]:
    """As it stands, with the prefix switched on."""
    folder, port = tmp_path_factory.mktemp("nginx"), service.base_url.port or 0
    with proxying(folder, certificate, port, with_prefix()) as proxy:
        yield proxy


def test_a_photo_gets_the_services_answer(proxy: Proxy, service: httpx.Client) -> None:
    direct = service.post("/predict", files={"file": PHOTO})
    answer = proxy.client.post("/predict", files={"file": PHOTO}, headers={"X-Request-ID": "mine"})
    assert (answer.status_code, answer.json()) == (200, direct.json())
    assert answer.headers.get_list("x-request-id") == ["mine"]
    assert "server: nginx/" not in str(answer.headers)


def test_http_is_sent_on_to_https(proxy: Proxy) -> None:
    answer = httpx.post(f"http://127.0.0.1:{proxy.http}/predict?a=1", content=b"x")
    assert answer.status_code == 308
    assert answer.headers["location"] == "https://127.0.0.1/predict?a=1"
    problem(httpx.get(f"http://127.0.0.1:{proxy.https}/"), 400)


@pytest.mark.parametrize(("version", "accepted"), [("-tls1_1", False), ("-tls1_2", True)])
def test_old_tls_is_refused(proxy: Proxy, version: str, accepted: bool) -> None:
    # Without security level 0, openssl itself would not offer the old version.
    words = ["openssl", "s_client", "-cipher", "ALL:@SECLEVEL=0", version, "-connect"]
    done = subprocess.run([*words, f"127.0.0.1:{proxy.https}"], input=b"", capture_output=True)
    assert (done.returncode == 0) == accepted


def test_http_2_works(proxy: Proxy) -> None:
    words = [
        "curl",
        "--silent",
        "--http2",
        "--cacert",
        str(proxy.certificate),
        "--data-binary",
        "@-",
    ]
    words += ["-H", "Content-Type: image/jpeg", "-w", "\n%{http_version} %{http_code}"]
    address = f"https://127.0.0.1:{proxy.https}/predict"
    done = subprocess.run([*words, address], input=PHOTO, capture_output=True, check=True)
    assert done.stdout.splitlines()[-1] == b"2 200"


@pytest.mark.parametrize("chunked", [False, True])
def test_the_limit_of_a_body_is_the_services(proxy: Proxy, chunked: bool) -> None:
    limit = Settings().max_bytes
    head = {"Content-Type": "image/jpeg"}

    def post(size: int) -> httpx.Response:
        content = iter([b"x" * size]) if chunked else b"x" * size
        return proxy.client.post("/predict", content=content, headers=head)

    assert problem(post(limit + 1), 413)["type"] == "urn:problem:too-many-bytes"
    # The service says what is wrong with it: it has passed the proxy.
    assert post(limit).status_code == 415


def test_a_head_too_long_is_refused(proxy: Proxy) -> None:
    problem(proxy.client.get("/", headers={"X-Long": "x" * 9000}), 431)
    problem(proxy.client.get("/" + "x" * 9000), 414)


def test_what_a_client_says_of_its_address_is_replaced(
    proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    forged = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "gopher"}
    proxy.client.get("/nothing", headers=forged)
    [line] = [one.message for one in caplog.records if one.name == "app.access"]
    assert line.startswith("127.0.0.1 GET /nothing 404")


def test_the_page_and_its_files_work_under_a_prefix(proxy: Proxy) -> None:
    assert proxy.client.get("/photos").headers["location"].endswith("/photos/")
    page = proxy.client.get("/photos/")
    files = re.findall(r'(?:href|src)="(page/[^"]+)"', page.text)
    assert len(files) > 3
    for name in [*files, "model"]:
        assert proxy.client.get(urljoin("/photos/", name)).status_code == 200, name
    assert "'/photos/openapi.json'" in proxy.client.get("/photos/docs").text
    assert "'/openapi.json'" in proxy.client.get("/docs").text
    assert proxy.client.get("/photos/x").json()["instance"] == "/photos/x"
    answer = proxy.client.post("/photos/predict", files={"file": PHOTO})
    assert answer.json() == proxy.client.post("/predict", files={"file": PHOTO}).json()


@pytest.mark.parametrize(
    "path", ["/metrics", "//metrics", "/%6detrics?a", "/photos/metrics", "/x/..%2fmetrics"]
)
def test_the_metrics_are_not_open(proxy: Proxy, path: str) -> None:
    # As a whole address, because httpx would take a host from "//metrics".
    problem(proxy.client.get(f"{proxy.client.base_url}{path}"), 403)


@pytest.mark.parametrize("start", [HEAD, UNFINISHED], ids=["head", "body"])
def test_a_slow_client_is_cut_off(
    tmp_path: Path, certificate: Path, service: httpx.Client, start: bytes
) -> None:
    with proxying(tmp_path, certificate, service.base_url.port or 0, SHORT) as proxy:
        began = time.monotonic()
        with connected(proxy, start) as connection:
            while not is_closed(connection) and time.monotonic() < began + 5:
                if start == HEAD:  # bytes that come in time do not make up for a late end
                    connection.sendall(b"X")
        assert 0.8 < time.monotonic() - began < 3


def test_too_many_connections_of_a_client_are_refused(
    tmp_path: Path, certificate: Path, service: httpx.Client
) -> None:
    few = {"limit_conn per_client 64;": "limit_conn per_client 2;"}
    with (
        proxying(tmp_path, certificate, service.base_url.port or 0, few) as proxy,
        connected(proxy, UNFINISHED),
    ):
        assert proxy.client.get("/livez").status_code == 200
        with connected(proxy, UNFINISHED):
            time.sleep(0.1)
            answer = proxy.client.post("/predict", files={"file": PHOTO})
            assert problem(answer, 429)["type"] == "urn:problem:too-many-connections"
            assert answer.headers["retry-after"] == "1"
