"""What the tests of training share."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import made_once
from training.publishing import litert, publish
from training.publishing.convert import convert
from training.transfer import features
from training.transfer.export_features import export_features
from training.transfer.features import Extractor


@pytest.fixture
def converting_here(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Conversions happen in this process, which has TensorFlow already; a new one imports it.

    A backbone is converted once for all tests.
    """

    def export_once(extractor: Extractor, destination: Path) -> None:
        words = (extractor.backbone, extractor.side, extractor.weights)

        def make(folder: Path) -> None:
            folder.mkdir()
            export_features(*words, folder / "features.tflite")

        name = "-".join(map(str, words)).replace("/", "-")
        made = made_once(tmp_path_factory, name, make)
        shutil.copy(made / "features.tflite", destination)

    def export_here(*paths: Path) -> None:
        convert(*map(str, paths))

    monkeypatch.setattr(features, "_run_export", export_once)
    for module in (litert, publish):
        monkeypatch.setattr(module, "export_litert", export_here)
