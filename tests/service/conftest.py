"""What the tests of the service share."""

from collections.abc import Iterator

import pytest

from tests.service.busy import Stuck


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stuck]:
    """The decoder, held until it is let go."""
    held = Stuck(monkeypatch)
    yield held
    held.go.set()
