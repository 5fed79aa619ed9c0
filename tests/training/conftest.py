"""What the tests of training share."""

from pathlib import Path

import pytest

from training.publishing import litert, publish
from training.publishing.convert import convert


@pytest.fixture
def converting_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Conversions happen in this process, which has TensorFlow already; a new one imports it."""

    def export_here(source: Path, destination: Path, explain: Path) -> None:
        convert(str(source), str(destination), str(explain))

    for module in (litert, publish):
        monkeypatch.setattr(module, "export_litert", export_here)
