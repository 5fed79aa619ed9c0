"""deploy/nginx.conf before three instances: one is killed, and all are stopped and replaced."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.replicas import CLIENTS, Instance, Load, instances
from tests.service.nginx import CONFIGURATION, make_certificate, program, proxying

pytestmark = pytest.mark.cluster

FIRST, SECOND = "server 127.0.0.1:8000", "#server 127.0.0.1:8001"
# How long nginx leaves out an instance that has failed; docs/deployment.md tells to wait for it.
SETTLE_SECONDS = float(re.findall(rf" {FIRST} fail_timeout=(\d+)s;", CONFIGURATION)[0])


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Instance]]:
    program()  # skips where nginx is not installed
    with instances(tmp_path_factory.mktemp("instances"), 3) as started:
        yield started


@pytest.fixture
def load(tmp_path: Path, three: list[Instance]) -> Iterator[Load]:
    """Clients of nginx, which has the three behind it."""
    first, *others = (f"server 127.0.0.1:{instance.port}" for instance in three)
    lines = f" fail_timeout={SETTLE_SECONDS:g}s; ".join(others)
    certificate = make_certificate(tmp_path / "tls")
    with proxying(tmp_path, certificate, three[0].port, {SECOND: lines}) as proxy:
        assert first in (tmp_path / "nginx.conf").read_text()
        with Load(proxy) as load:
            time.sleep(1)
            yield load
            time.sleep(0.5)
    print(f"{load.sent} photos, sent again: {dict(load.retried)}, failed: {dict(load.failed)}")
    assert load.sent > 50
    assert not load.failed
    log = (tmp_path / "access.log").read_text()
    assert all(f"127.0.0.1:{instance.port}" in log for instance in three)


def replaced(instance: Instance) -> None:
    """Start it again, and wait until nginx asks it again, too."""
    instance.start()
    instance.wait()
    time.sleep(SETTLE_SECONDS)


def test_one_is_killed_and_started_again(three: list[Instance], load: Load) -> None:
    """What is on its way with it is sent to another one, by nginx, unless its answer has begun."""
    three[0].kill()
    time.sleep(SETTLE_SECONDS + 1)  # so that nginx tries it once more, in vain
    replaced(three[0])
    assert sum(load.retried.values()) <= CLIENTS  # by the client itself


def test_each_is_stopped_and_replaced(three: list[Instance], load: Load) -> None:
    """One after the other. Between SIGTERM and its end, an instance answers 503."""
    for instance in three:
        instance.drain()
        replaced(instance)
    assert not load.retried  # more than is promised: a client needs no retry of its own
