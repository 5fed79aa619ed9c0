"""What an operator needs: metrics, logs, keys, hosts, other sites' pages, safe headers."""

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app import logs
from app.api.api_keys import ApiKeys, ApiKeysError, read_api_keys
from app.settings import Settings
from tests import pictures
from tests.conftest import serving

PHOTO = pictures.encode(pictures.noise(1, 100, 80), "JPEG")
KEYS = ("first-key-of-this-test", "sécond-key-of-this-test")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service with everything switched on that is off by default."""
    file = tmp_path_factory.mktemp("keys") / "keys"
    file.write_text(f"# of the second client\n\n{KEYS[1]}\n", encoding="utf-8")
    settings = Settings.model_validate(
        {
            "api_keys": KEYS[0], "api_keys_file": file, "cors_origins": "https://example.org",
            "trusted_hosts": "127.0.0.1, *.example.org",
        }
    )  # fmt: skip
    with serving(settings) as client:
        yield client


def metrics(client: httpx.Client, **headers: str) -> dict[str, float]:
    lines = client.get("/metrics", headers=headers).text.splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def test_requests_photos_and_predictions_are_counted(service: httpx.Client) -> None:
    before = metrics(service)
    label = service.post("/predict", files={"file": PHOTO}).json()["label"]
    service.post("/predict", content=b"", headers={"Content-Type": "image/png"})
    after = metrics(service)

    def grown(name: str) -> float:
        return after[name] - before.get(name, 0)

    ok, bad = (f'http_requests_total{{method="POST",route="/predict",status="{status}"}}'
               for status in (200, 422))  # fmt: skip
    assert (grown(ok), grown(bad)) == (1, 1)
    assert grown('http_request_duration_seconds_count{route="/predict"}') == 2
    for stage in ("queue", "decode", "infer"):
        assert grown(f'photo_stage_seconds_count{{stage="{stage}"}}') == 1
    assert grown("engine_batch_size_count") == 1
    assert grown(f'prediction_probability_count{{label="{label}"}}') == 1
    assert after["photo_queue_depth"] == after["photos_inside"] == 0
    assert after["process_resident_memory_bytes"] > 1e7


def test_clients_cannot_make_labels(service: httpx.Client) -> None:
    before = set(metrics(service))
    for number in range(5):
        service.get(f"/nothing/{number}")
        service.get(f"/page/{number}.js")
        service.get(f"/model/plots/{number}.png")
        service.request("PROPFIND", "/predict")
    new = set(metrics(service)) - before
    assert not [name for name in new if re.search(r"PROPFIND|/nothing|\d\.(js|png)", name)]
    assert (
        metrics(service)['http_requests_total{method="other",route="/predict",status="405"}'] >= 5
    )


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/"])
def test_probes_may_ask_for_the_head_alone(service: httpx.Client, path: str) -> None:
    answer = service.head(path)
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("path", ["/predict", "/livez", "/", "/model", "/nothing"])
def test_every_answer_has_safe_headers(service: httpx.Client, path: str) -> None:
    answer = service.get(path)
    assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
    assert answer.headers.get_list("referrer-policy") == ["no-referrer"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert len(answer.headers.get_list("content-security-policy")) == 1
    assert "server" not in answer.headers
    assert "access-control-allow-origin" not in answer.headers


WITH_KEY: list[dict[str, str | bytes]] = [
    {"X-API-Key": KEYS[0]},
    {"Authorization": f"Bearer {KEYS[0]}"},
    {"authorization": f"bearer  {KEYS[0]}"},
    {"X-API-Key": KEYS[1].encode()},
]


@pytest.mark.parametrize("headers", WITH_KEY, ids=["header", "bearer", "lower case", "file"])
def test_each_key_lets_in(guarded: httpx.Client, headers: dict[str, Any]) -> None:
    assert guarded.post("/predict", files={"file": PHOTO}, headers=headers).status_code == 200


WITHOUT_KEY: list[tuple[dict[str, str], int]] = [
    ({}, 401),
    ({"Authorization": "Basic Zm9vOmJhcg=="}, 401),
    ({"Authorization": "Bearer"}, 401),
    ({"X-API-Key": ""}, 401),
    ({"X-API-Key": KEYS[0][:-1]}, 403),
    ({"X-API-Key": KEYS[0] + "x"}, 403),
    ({"Authorization": "Bearer wrong"}, 403),
]


@pytest.mark.parametrize(("headers", "status"), WITHOUT_KEY)
@pytest.mark.parametrize("path", ["/predict", "/predict/batch", "/explain", "/model", "/metrics"])
def test_nobody_else_is_let_in(
    guarded: httpx.Client, path: str, headers: dict[str, str], status: int
) -> None:
    answer = guarded.get(path, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.headers.get("www-authenticate") == "Bearer") == (status == 401)
    assert KEYS[0] not in answer.text


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/", "/page/main.js", "/openapi.json"])
def test_the_probes_the_page_and_the_reference_need_no_key(
    guarded: httpx.Client, path: str
) -> None:
    assert guarded.get(path).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1", 200), ("a.example.org:80", 200), ("EXAMPLE.org", 400), ("[::1]:80", 400)],
)
def test_other_hosts_are_refused(guarded: httpx.Client, host: str, status: int) -> None:
    assert guarded.get("/openapi.json", headers={"Host": host}).status_code == status
    assert guarded.get("/readyz", headers={"Host": host}).status_code == 200


def test_the_pages_of_a_named_site_may_call(guarded: httpx.Client) -> None:
    asks = {
        "Origin": "https://example.org", "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-api-key",
    }  # fmt: skip
    answer = guarded.options("/predict", headers=asks)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://example.org"
    elsewhere = guarded.options("/predict", headers=asks | {"Host": "example.com"})
    assert elsewhere.status_code == 400
    other = guarded.options("/predict", headers=asks | {"Origin": "https://example.com"})
    assert "access-control-allow-origin" not in other.headers
    # A refusal, too, must be readable to the page.
    refused = guarded.post("/predict", headers={"Origin": "https://example.org"})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "https://example.org"


def test_the_reference_asks_for_a_key_where_one_is_needed(
    guarded: httpx.Client, service: httpx.Client
) -> None:
    document = guarded.get("/openapi.json").json()
    assert document["paths"]["/predict"]["post"]["security"]
    assert "security" not in document["paths"]["/readyz"]["get"]
    assert "securitySchemes" not in service.get("/openapi.json").json()["components"]


def test_the_reference_tells_the_limit_of_a_batch(service: httpx.Client) -> None:
    operation = service.get("/openapi.json").json()["paths"]["/predict/batch"]["post"]
    for body in operation["requestBody"]["content"].values():
        [field] = body["schema"]["properties"].values()
        assert field["maxItems"] == Settings().max_batch


def test_keys_are_compared_as_they_are() -> None:
    assert not ApiKeys([])
    keys = ApiKeys(KEYS)
    assert keys
    assert all(keys.accept(key.encode()) for key in KEYS)
    assert not keys.accept(b"")
    assert KEYS[0] not in repr(vars(keys))


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "no key"), (b"# none\n", "no key"), (b"short\n", "fewer than"), (b"\xff", "not UTF-8")],
)
def test_a_file_of_keys_that_lets_nobody_in_is_refused(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / "keys").write_bytes(content)
    with pytest.raises(ApiKeysError, match=reason):
        read_api_keys(tmp_path / "keys")
    with pytest.raises(ApiKeysError, match="cannot be read"):
        read_api_keys(tmp_path / "nothing")


def record(message: str, *arguments: object, **extra: Any) -> logging.LogRecord:
    return logging.getLogger("a").makeRecord(
        "a", logging.INFO, "f", 1, message, arguments, None, extra=extra or None
    )


def test_a_json_line_is_one_object_with_its_fields() -> None:
    line = logs.JsonFormatter().format(record("a\n%s", "b", fields={"status": 200}))
    assert "\n" not in line
    fields = json.loads(line)
    assert (fields["message"], fields["status"], fields["level"]) == ("a\nb", 200, "info")
    assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00$", fields["time"])


LONG_TEXT = "a\x1b[31mb\nINFO: forged\u2028\ud800" * 100_000


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_log_line_is_bounded_and_one_line(form: str) -> None:
    formatter = logs.JsonFormatter() if form == "json" else logs.ConsoleFormatter()
    line = formatter.format(record("%s", LONG_TEXT))
    assert len(line) < 20_000
    assert line.isprintable()


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_traceback_in_the_log_is_bounded(form: str) -> None:
    formatter = logs.JsonFormatter() if form == "json" else logs.ConsoleFormatter()
    failed = record("it failed")
    try:
        raise ValueError(LONG_TEXT)
    except ValueError as error:
        failed.exc_info = (ValueError, error, None)
    text = formatter.format(failed)
    assert len(text) < 1_000_000
    assert all(line.isprintable() for line in text.split("\n"))
    assert not any(line.startswith("INFO") for line in text.split("\n")[1:])


FORWARDED: dict[str, str | None] = {
    "203.0.113.7": "203.0.113.7",
    "203.0.113.7:80": "203.0.113.7",
    "[2001:db8::7]:80": "2001:db8::7",
    "2001:DB8::7": "2001:db8::7",
    "203.0.113.9, 203.0.113.7": "203.0.113.7",
    "fe80::1%" + "x" * 50_000: "fe80::1",
    "a" * 50_000: None,
    "1" * 50_000: None,
    "203.0.113.7 GET / 200 in 1 ms": None,
    "\x80\x9b31m": None,
    "unix:": None,
}


@pytest.mark.parametrize("proxies", ["127.0.0.1", "10.0.0.0/8,::1"])
def test_a_forwarded_address_is_believed_from_a_named_proxy_only(
    proxies: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")  # uvicorn's own variable has no effect
    caplog.set_level(logging.INFO)
    with serving(Settings.model_validate({"trusted_proxies": proxies})) as client:
        for sent in FORWARDED:
            headers = {"X-Forwarded-For": sent, "X-Forwarded-Prefix": "/" + "p" * 99}
            raw = {name: value.encode("latin-1") for name, value in headers.items()}
            client.get("/nothing/" + "%1b" * 1_000, headers=raw)  # type: ignore[arg-type]
    logged = [one for one in caplog.records if one.name == "app.access"]
    trusted = proxies == "127.0.0.1"
    assert [one.fields["client"] for one in logged] == [  # type: ignore[attr-defined]
        expected if trusted else "127.0.0.1" for expected in FORWARDED.values()
    ]
    for one in logged:
        line = logs.ConsoleFormatter().format(one)
        assert len(line) < 500
        assert line.isprintable()


def test_requests_are_logged_with_their_id(
    service: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    service.get("/nothing%0aforged?secret=1", headers={"X-Request-ID": "abc"})
    service.get("/livez")
    lines = [one.message for one in caplog.records if one.name != "httpx"]
    assert len(lines) == 1  # the probes are quiet
    assert "GET /nothing%0aforged 404 in" in lines[0]
    assert "secret" not in lines[0]
