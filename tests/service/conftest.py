"""What the tests of the service share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.busy import Stuck
from tests.service.nginx import make_certificate, program


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for the proxy; a test that uses it skips where nginx is not installed."""
    program()
    return make_certificate(tmp_path_factory.mktemp("certificate") / "tls")


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stuck]:
    """The decoder, held until it is let go."""
    held = Stuck(monkeypatch)
    yield held
    held.let_go()
