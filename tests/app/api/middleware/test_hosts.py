"""Which Host headers are answered; a preflight's too, which the CORS middleware answers itself."""

import asyncio
import json
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from app.api.middleware.hosts import TrustedHosts
from app.settings import Settings

HOSTS = ("Example.org", "*.Wild.org", "in.*.between.org", "[::1]", "10.0.0.7", "x[1-9].org")


def ask(app: ASGIApp, *hosts: str, path: str = "/model", method: str = "GET") -> tuple[int, Any]:
    """The status and the body of the answer to a request with these Host headers."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", host.encode("latin-1")) for host in hosts]
    headers += [(b"origin", b"https://a.org"), (b"access-control-request-method", b"POST")]
    scope = {"type": "http", "path": path, "method": method, "headers": headers}

    async def run() -> None:
        await app(scope, receive, send)

    asyncio.run(run())
    return sent[0]["status"], sent[1]["body"]


async def application(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


SERVED = [
    "example.org", "EXAMPLE.ORG:8000", "example.org:", "a.wild.org", "a.wild.org:80",
    "a.b-c.d.wild.org", "in.x.between.org", "in.x.y.between.org", "[::1]", "[::1]:8000",
    "10.0.0.7", "10.0.0.7:1", "x[1-9].org",
]  # fmt: skip
REFUSED = [
    "", " ", "other", "www.example.org", "example.org.evil.com", "example.organic",
    "wild.org", ".wild.org", "a..wild.org", "evil.com/.wild.org", "evil.com#.wild.org",
    "evil.com\\.wild.org", "evil.com:80.wild.org", "user@a.wild.org", "a b.wild.org",
    "é.wild.org", "*.wild.org?", "in.between.org", "in..between.org",
    "example.org:evil.com", "example.org:80:90", "example.org:-1",
    "example.org:80 ", "example.org\n", "exampleXorg", "[::2]", "[::1]evil.com", "[::1]:x", ":",
    "::1", "[::1", "x1.org", "10.0.0.8",
]  # fmt: skip


@pytest.mark.parametrize("host", SERVED)
def test_a_host_that_is_named_is_answered(host: str) -> None:
    assert ask(TrustedHosts(application, HOSTS), host)[0] == 204


@pytest.mark.parametrize("host", REFUSED)
def test_another_host_is_refused(host: str) -> None:
    status, body = ask(TrustedHosts(application, HOSTS), host)
    assert status == 400
    problem = json.loads(body)
    assert problem["type"] == "urn:problem:unknown-host"
    assert problem["title"] == "The host is not served here"
    assert problem["detail"].startswith("The Host header names none of the hosts")
    assert problem["instance"] == "/model"


def test_a_missing_host_and_two_hosts_are_refused() -> None:
    guarded = TrustedHosts(application, HOSTS)
    assert ask(guarded)[0] == 400
    assert ask(guarded, "example.org", "example.org")[0] == 400
    assert ask(guarded, "example.org", "evil.com")[0] == 400


def test_without_hosts_all_are_answered() -> None:
    everything = TrustedHosts(application, ())
    assert ask(everything)[0] == ask(everything, "anything: at/all")[0] == 204


def test_a_lone_wildcard_is_any_name() -> None:
    guarded = TrustedHosts(application, ("*",))
    assert ask(guarded, "a")[0] == ask(guarded, "a.b:80")[0] == 204
    assert ask(guarded, "a/b")[0] == ask(guarded)[0] == 400


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_a_probe_may_be_asked_by_any_name(path: str) -> None:
    assert ask(TrustedHosts(application, HOSTS), path=path)[0] == 204


def test_a_preflight_is_checked() -> None:
    guarded = TrustedHosts(CORSMiddleware(application, ["*"], ["POST"]), HOSTS)
    assert ask(guarded, "example.org", method="OPTIONS")[0] == 200
    assert ask(guarded, "evil.com", method="OPTIONS")[0] == 400
    assert ask(guarded, method="OPTIONS")[0] == 400


@pytest.mark.parametrize(
    "host", ["[::1]", "[::ffff:a]", "*", "a.*.b", "*.a", "10.0.0.1", "under_score"]
)
def test_settings_take_hosts(host: str) -> None:
    assert Settings.model_validate({"trusted_hosts": host}).trusted_hosts == (host,)


def test_settings_write_an_address_as_browsers_do() -> None:
    assert Settings.model_validate({"trusted_hosts": "[0:0::1]"}).trusted_hosts == ("[::1]",)


@pytest.mark.parametrize(
    "host",
    [
        "a*.b",
        "*a",
        "**",
        "a..b",
        ".a",
        "a.",
        "a:80",
        "a/b",
        "[a]",
        "[10.0.0.1]",
        "x[1-9].org",
        "ü.de",
    ],
)
def test_settings_refuse_what_is_no_host(host: str) -> None:
    with pytest.raises(ValidationError, match=r"as example.org, \*.example.org or \[::1\]"):
        Settings.model_validate({"trusted_hosts": host})
