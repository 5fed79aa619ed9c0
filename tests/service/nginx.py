"""Debian's nginx with deploy/nginx.conf, as an ordinary process on loopback."""

import getpass
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from benchmarks.harness.server import free_ports
from tests.conftest import ROOT

CONFIGURATION = (ROOT / "deploy" / "nginx.conf").read_text()
TEMPORARY = "".join(
    f"{kind}_temp_path {kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
)


def program() -> str:
    """The nginx that CATS_VS_DOGS_NGINX names, or that is installed; else the test skips."""
    named = os.environ.get("CATS_VS_DOGS_NGINX")
    found = shutil.which(named or "nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if not found:
        assert not named, f"CATS_VS_DOGS_NGINX={named} is not there"
        assert os.environ.get("CI") != "true", "nginx is not installed"
        pytest.skip("nginx is not installed")
    return found


def make_certificate(folder: Path) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key, where the configuration wants them."""
    folder.mkdir()
    certificate = folder / "fullchain.pem"
    words = ("-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-addext")
    files = ("-keyout", folder / "privkey.pem", "-out", certificate)
    subprocess.run(
        ["openssl", "req", *words, "subjectAltName=IP:127.0.0.1", *files],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate


@dataclass
class Proxy:
    """A running nginx: a client that trusts its certificate, and its ports."""

    client: httpx.Client
    https: int
    http: int
    tls: ssl.SSLContext
    certificate: Path
    folder: Path


def adapted(folder: Path, tls: Path, ports: tuple[int, int], upstream: int) -> dict[str, str]:
    """What stands in deploy/nginx.conf, and what a test has in its place."""
    return {
        "user www-data;": f"user {getpass.getuser()};",
        "pid /run/nginx.pid;": f"pid {folder}/nginx.pid;",
        "/var/log/nginx/": f"{folder}/",
        "/etc/nginx/tls/": f"{tls}/",
        "http {\n": f"http {{\n{TEMPORARY}",
        "listen 80 ": f"listen 127.0.0.1:{ports[0]} ",
        "listen 443 ": f"listen 127.0.0.1:{ports[1]} ",
        "listen [::]:80 default_server;": "",  # the machine may have no IPv6
        "listen [::]:443 ssl http2 default_server;": "",
        "server 127.0.0.1:8000 ": f"server 127.0.0.1:{upstream} ",
    }


@contextmanager
def proxying(
    folder: Path, certificate: Path, upstream: int, changes: dict[str, str] | None = None
) -> Iterator[Proxy]:
    """nginx before the port `upstream`; `changes` to its configuration are {old text: new}."""
    nginx, (http, https) = program(), free_ports(2)
    text = CONFIGURATION
    for old, new in (
        adapted(folder, certificate.parent, (http, https), upstream) | (changes or {})
    ).items():
        assert old in text, f"{old} is not in deploy/nginx.conf"
        text = text.replace(old, new)
    file = folder / "nginx.conf"
    file.write_text(text)
    tls = ssl.create_default_context(cafile=certificate)
    process = subprocess.Popen([nginx, "-p", folder, "-c", file, "-g", "daemon off;"])
    try:
        address = f"https://127.0.0.1:{https}"
        # A connection of the client is kept for longer than any test waits.
        kept = httpx.Limits(keepalive_expiry=60)
        with httpx.Client(
            base_url=address, verify=tls, limits=kept, timeout=30, trust_env=False
        ) as client:
            _wait(client, process)
            yield Proxy(client, https, http, tls, certificate, folder)
    finally:
        process.terminate()
        process.wait(timeout=10)


def _wait(client: httpx.Client, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(100):
        assert process.poll() is None, "nginx has stopped"
        try:
            client.get("/metrics")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("nginx does not answer")


def with_prefix() -> dict[str, str]:
    """The change that switches the example of a path prefix on."""
    block = re.findall(r"^ +#(?:location|    |}|\"~).*$", CONFIGURATION, re.MULTILINE)
    return {line: line.replace("#", "", 1) for line in block if "certbot" not in line}


@contextmanager
def connected(proxy: Proxy, start: bytes) -> Iterator[ssl.SSLSocket]:
    """A bare TLS connection that has sent `start`."""
    plain = socket.create_connection(("127.0.0.1", proxy.https), timeout=20)
    with proxy.tls.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
        connection.sendall(start)
        yield connection


def is_closed(connection: ssl.SSLSocket) -> bool:
    """Whether nginx has hung up; waits a tenth of a second for it."""
    connection.settimeout(0.1)
    try:
        return not connection.recv(1)
    except TimeoutError:
        return False
    except OSError:
        return True


def problem(answer: httpx.Response, status: int) -> dict[str, object]:
    """The body of nginx's own error, which is complete."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    details: dict[str, object] = answer.json()
    assert details["status"] == status
    assert all(details[name] for name in ("type", "title", "detail"))
    assert "instance" in details
    assert details["request_id"] == answer.headers["x-request-id"]
    return details
