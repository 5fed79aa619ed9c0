"""The profile `proxy`, with Debian's nginx in place of the official image."""

import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


@contextmanager
def up(folder: Path, certificate: Path, *words: str, **settings: Any) -> Iterator[Proxied]:
    """The service behind its proxy, with these words for `docker compose up`."""
    http, https = free_ports(2)
    project = Project(
        folder, PROXY_HTTP_PORT=http, PROXY_HTTPS_PORT=https, TLS_FOLDER=certificate.parent,
        APP_TRUSTED_PROXIES="0.0.0.0/0", **settings,
    )  # fmt: skip
    tls = ssl.create_default_context(cafile=certificate)
    address = f"https://127.0.0.1:{https}"
    try:
        project.run(*PROFILE, "up", "--wait", "--no-build", *words)
        with httpx.Client(base_url=address, verify=tls, timeout=30, trust_env=False) as client:
            yield Proxied(project, client, http)
    finally:
        print(project.run(*PROFILE, "logs", "--no-color", "proxy", check=False).stdout)
        project.run(*PROFILE, "down", "--volumes", "--timeout", "1")


@pytest.fixture(scope="module")
def certificate(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A certificate, and the proxy's image."""
    request.getfixturevalue("images")
    build = ("docker", "build", "--network", "host", "--tag", image("proxy"), "-")
    subprocess.run(build, input=STAND_IN, text=True, env=environment(), check=True)
    made = make_certificate(tmp_path_factory.mktemp("certificate") / "tls")
    # openssl makes a key that its owner alone can read, and nginx is another user.
    made.with_name("privkey.pem").chmod(0o644)
    yield made
    docker("image", "rm", "--force", image("proxy"))


@pytest.fixture(scope="module")
def proxied(certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    with up(tmp_path_factory.mktemp("proxied"), certificate) as found:
        yield found


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


def test_three_instances_share_the_work(tmp_path: Path, certificate: Path) -> None:
    """One of them is killed: nobody notices."""
    small = {"APP_MODEL": "models/digits", "APP_WORKERS": 1}
    with up(tmp_path, certificate, "--scale", "api=3", APP_PORT=0, **small) as three:
        containers = three.project.run("ps", "--quiet", "api").stdout.split()
        assert len(containers) == 3
        ports = [three.project.run("port", "--index", f"{number}", "api", "8000").stdout
                 for number in (1, 2, 3)]  # fmt: skip
        assert len(set(ports)) == 3
        assert all(port.startswith("127.0.0.1:") for port in ports)

        def ask(times: int) -> set[int]:
            photo = {"file": PHOTO}
            return {three.client.post("/predict", files=photo).status_code for _ in range(times)}

        assert ask(30) == {200}
        until(lambda: all(answered(container) for container in containers), three.project.logs)
        docker("kill", containers[0])
        assert ask(30) == {200}


def answered(container: str) -> bool:
    """Whether that instance has answered with a prediction."""
    log = docker("logs", container)
    return "POST /predict 200" in log.stdout + log.stderr
