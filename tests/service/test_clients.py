"""What real clients and proxies send: prefixes, HEAD, odd types, Accept with weights."""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.settings import Settings
from tests import pictures
from tests.conftest import connect, serving

PHOTO = pictures.encode(pictures.noise(1, 60, 40), "JPEG")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("form", [False, True])
def test_a_client_that_would_like_http_2_is_answered(
    service: httpx.Client, tmp_path: Path, form: bool
) -> None:
    """As Java's HttpClient does, too: it offers h2c with each first request."""
    (tmp_path / "photo.jpg").write_bytes(PHOTO)
    body = ["-F", "file=@photo.jpg"] if form else ["--data-binary", "@photo.jpg"]
    kind = [] if form else ["-H", "Content-Type: image/jpeg"]
    command = ["curl", "--silent", "--http2", *body, *kind, f"{service.base_url}/predict"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert json.loads(done.stdout) == service.post("/predict", files={"file": PHOTO}).json()


@pytest.fixture(scope="module")
def prefixed() -> Iterator[httpx.Client]:
    with serving(Settings(root_path="/photos")) as client:
        yield client


@pytest.mark.parametrize("stripped", [True, False])
@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_the_reference_works_under_a_prefix(
    prefixed: httpx.Client, path: str, stripped: bool
) -> None:
    prefix = "" if stripped else "/photos"
    page = prefixed.get(prefix + path).text
    assert "/photos/openapi.json" in page
    addresses = [text.split('"')[0] for text in page.split('src="')[1:]]
    assert addresses
    for address in addresses:
        assert address.startswith("/photos/reference/")
        assert prefixed.get(address).status_code == 200
    document = prefixed.get(f"{prefix}/openapi.json").json()
    assert document["servers"] == [{"url": "/photos"}]


@pytest.mark.parametrize("header", ["/a", "/a/b/"])
def test_a_forwarded_prefix_is_in_the_reference_and_in_problems(
    service: httpx.Client, header: str
) -> None:
    headers = {"X-Forwarded-Prefix": header}
    prefix = header.rstrip("/")
    assert f"'{prefix}/openapi.json'" in service.get("/docs", headers=headers).text
    problem = service.get("/nothing", headers=headers).json()
    assert problem["instance"] == f"{prefix}/nothing"
    assert service.get("/readyz", headers=headers).status_code == 200
    empty = service.post("/predict", content=b"", headers=headers | {"Content-Type": "image/png"})
    assert (empty.status_code, empty.json()["instance"]) == (422, f"{prefix}/predict")


@pytest.mark.parametrize("header", ["//example.org", "/a//b", "a", "/<script>", "/a?b", "/" * 300])
def test_a_prefix_that_is_none_is_ignored(service: httpx.Client, header: str) -> None:
    page = service.get("/docs", headers={"X-Forwarded-Prefix": header}).text
    assert "'/openapi.json'" in page


def test_access_rules_hold_under_a_prefix() -> None:
    key = "k" * 20
    with serving(Settings(root_path="/photos", api_keys=(key,))) as client:
        assert client.get("/photos/livez").status_code == 200
        assert client.get("/photos/").status_code == 200
        assert client.get("/photos/model").status_code == 401
        assert client.get("/photos/model", headers={"X-API-Key": key}).status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/livez", "/readyz", "/model", "/metrics", "/docs", "/redoc", "/openapi.json"]
)
def test_head_is_get_without_a_body(service: httpx.Client, path: str) -> None:
    whole, head = service.get(path), service.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == whole.headers["content-type"]


def test_head_of_a_route_for_photos_is_refused_and_counted(service: httpx.Client) -> None:
    answer = service.head("/predict")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    service.head("/model")
    counts = service.get("/metrics").text
    assert 'http_requests_total{method="HEAD",route="/model",status="200"}' in counts


@pytest.mark.parametrize("name", ["JPEG", "PNG", "HEIC"])
def test_a_photo_that_is_sent_as_a_form_is_told_how(service: httpx.Client, name: str) -> None:
    answer = service.post(
        "/predict",
        content=pictures.encode(pictures.gradient(), name),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == 415
    assert f"This body is a {name} photo" in answer.json()["detail"]
    assert f"Content-Type: image/{name.lower()}" in answer.json()["detail"]


def as_json(service: httpx.Client, body: bytes, path: str = "/predict") -> httpx.Response:
    return service.post(path, content=body, headers={"Content-Type": "application/json"})


def test_json_may_have_a_byte_order_mark_and_url_safe_base64(service: httpx.Client) -> None:
    expected = service.post("/predict", files={"file": PHOTO}).json()
    text = base64.urlsafe_b64encode(PHOTO).decode()
    assert set("-_") & set(text)
    body = json.dumps({"image": text}).encode()
    assert as_json(service, body).json() == expected
    assert as_json(service, b"\xef\xbb\xbf" + body).json() == expected


@pytest.mark.parametrize("odd", [7, None, ["x"], {"a": 1}, True])
def test_an_entry_that_is_no_text_is_its_own_problem(service: httpx.Client, odd: Any) -> None:
    text = base64.b64encode(PHOTO).decode()
    body = json.dumps({"images": [odd, text, text]}).encode()
    answers = as_json(service, body, "/predict/batch").json()["predictions"]
    assert answers[0]["type"] == "urn:problem:not-base64"
    assert [answer.get("label") for answer in answers[1:]] == [answers[1]["label"]] * 2


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("image/png", "image/png"),
        ("image/png;q=0", "application/json"),
        ("image/png; q=0.5, application/json; q=0.9", "application/json"),
        ("application/json;q=0.1, image/png", "image/png"),
        ("image/png;q=x", "application/json"),
        ("*/*", "application/json"),
    ],
)
def test_the_weights_of_accept_count(service: httpx.Client, accept: str, media: str) -> None:
    answer = service.post("/explain", files={"file": PHOTO}, headers={"Accept": accept})
    assert answer.headers["content-type"] == media
    text = service.get("/model", headers={"Accept": accept.replace("image/png", "text/plain")})
    assert text.headers["content-type"].startswith("text/plain") == (media == "image/png")


@pytest.mark.parametrize("own", [b"", b"X-Request-ID: mine-1\r\n"])
def test_problems_of_the_protocol_have_an_instance_and_an_id(
    service: httpx.Client, own: bytes
) -> None:
    with connect(service) as connection:
        connection.sendall(
            b"GET /some/where?a=1 HTTP/1.1\r\nHost: x\r\n" + own + b"A: b\r\nno header\r\n\r\n"
        )
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    problem = json.loads(body)
    assert (problem["status"], problem["instance"]) == (400, "/some/where")
    assert problem["request_id"] == "mine-1" if own else len(problem["request_id"]) == 32
    assert f"X-Request-ID: {problem['request_id']}".encode() in head


def test_an_unused_connection_stays_open_longer_than_a_proxy_keeps_it(
    service: httpx.Client,
) -> None:
    assert Settings().keep_alive_seconds > 60
    request = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
    with connect(service) as connection:
        connection.sendall(request)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        time.sleep(5.5)  # uvicorn's own default is 5
        connection.sendall(request)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")


def test_the_time_of_an_unused_connection_is_a_setting() -> None:
    with serving(Settings(keep_alive_seconds=0.3)) as client, connect(client) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while b"alive" not in answer:  # it may come in two parts
            answer += connection.recv(65536)
        began = time.monotonic()
        assert connection.recv(65536) == b""
        assert 0.2 < time.monotonic() - began < 3
