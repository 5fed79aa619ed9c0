"""The profile `proxy`, with Debian's nginx in place of the official image."""

import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from benchmarks.harness.server import free_ports
from tests.container.compose import Project, docker, environment, image, until
from tests.service.busy import PHOTO
from tests.service.nginx import make_certificate

pytestmark = pytest.mark.container

# The log goes to Docker, as that of the official image does.
STAND_IN = r"""
FROM python:3.12-slim
RUN apt-get update && apt-get install -y --no-install-recommends nginx curl
RUN ln -sf /dev/stdout /var/log/nginx/access.log && ln -sf /dev/stderr /var/log/nginx/error.log
"""
PROFILE = ("--profile", "proxy")


@dataclass
class Proxied:
    project: Project
    client: httpx.Client
    http: int


@pytest.fixture(scope="module")
def proxied(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxied]:
    request.getfixturevalue("images")
    build = ("docker", "build", "--network", "host", "--tag", image("proxy"), "-")
    subprocess.run(build, input=STAND_IN, text=True, env=environment(), check=True)
    certificate = make_certificate(tmp_path_factory.mktemp("certificate") / "tls")
    # openssl makes a key that its owner alone can read, and nginx is another user.
    certificate.with_name("privkey.pem").chmod(0o644)
    http, https = free_ports(2)
    project = Project(
        tmp_path_factory.mktemp("proxied"), PROXY_HTTP_PORT=http, PROXY_HTTPS_PORT=https,
        TLS_FOLDER=certificate.parent, APP_TRUSTED_PROXIES="0.0.0.0/0",
    )  # fmt: skip
    tls = ssl.create_default_context(cafile=certificate)
    address = f"https://127.0.0.1:{https}"
    try:
        project.run(*PROFILE, "up", "--wait", "--no-build")
        with httpx.Client(base_url=address, verify=tls, timeout=30, trust_env=False) as client:
            yield Proxied(project, client, http)
    finally:
        print(project.run(*PROFILE, "logs", "--no-color", "proxy", check=False).stdout)
        project.run(*PROFILE, "down", "--volumes", "--timeout", "1")
        docker("image", "rm", "--force", image("proxy"))


def test_a_photo_is_answered_through_the_proxy(proxied: Proxied) -> None:
    answer = proxied.client.post("/predict", files={"file": PHOTO})
    assert answer.status_code == 200, answer.text
    # A body that nginx keeps in a file.
    large = proxied.client.post("/predict", content=b"x" * 5_000_000)
    assert large.status_code == 415, large.text
    assert proxied.client.get("/metrics").status_code == 403
    redirect = httpx.get(f"http://127.0.0.1:{proxied.http}/model", trust_env=False)
    assert redirect.headers["location"] == "https://127.0.0.1/model"


def test_the_service_is_told_the_clients_address(proxied: Proxied) -> None:
    proxied.client.get("/nothing", headers={"X-Forwarded-For": "203.0.113.9"})
    until(lambda: "GET /nothing 404" in proxied.project.logs(), proxied.project.logs)
    [line] = [line for line in proxied.project.logs().splitlines() if "GET /nothing" in line]
    # Not the proxy's own address, which is that of its name in the service's container.
    lookup = "import socket; print(socket.gethostbyname('proxy'))"
    proxy = proxied.project.run("exec", "api", "python", "-c", lookup).stdout.strip()
    assert f"{proxy} GET" not in line
    assert "203.0.113.9" not in line


def test_the_proxy_has_no_rights(proxied: Proxied) -> None:
    status = proxied.project.run(*PROFILE, "exec", "proxy", "cat", "/proc/1/status").stdout
    facts = dict(line.split(":\t", 1) for line in status.splitlines())
    assert facts["Uid"].split() == ["101"] * 4
    assert {int(facts[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")} == {0}
    assert facts["NoNewPrivs"] == "1"
    done = proxied.project.run(*PROFILE, "exec", "proxy", "touch", "/etc/x", check=False)
    assert "Read-only file system" in done.stderr
