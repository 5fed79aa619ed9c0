"""Backbone weights from a file and from Keras's copy, with a server of our own."""

import hashlib
from dataclasses import replace
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
from keras.src.applications import efficientnet_v2

from app.cli import CommandError
from tests.training.data.site import serve_site
from training.data.cache import DecodedSubset
from training.loop.checkpoint import RunFolder
from training.loop.precision import FLOAT32
from training.loop.trainer import train
from training.networks.architectures import finetune
from training.networks.pretrained import load_pretrained
from training.recipes.catalogue import RECIPES


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights without the top, in the old format that Keras's are published in."""
    return random_weights(tmp_path_factory.mktemp("weights") / "b0.h5")


def random_weights(path: Path) -> Path:
    keras.utils.set_random_seed(1)
    keras.applications.EfficientNetV2B0(
        include_top=False, weights=None, input_shape=(224, 224, 3)
    ).save(path)
    return path


def stem(network: keras.Model) -> np.ndarray:
    return np.asarray(network.get_layer("stem_conv").get_weights()[0])


def stem_in(path: Path) -> np.ndarray:
    backbone = keras.applications.EfficientNetV2B0(include_top=False, weights=str(path))
    return stem(backbone)


def test_a_file_fills_the_backbone_and_leaves_the_head(weights: Path) -> None:
    network = finetune()
    head = network.layers[-1].get_weights()
    load_pretrained(network, str(weights))
    assert (stem(network) == stem_in(weights)).all()
    for one, two in zip(head, network.layers[-1].get_weights(), strict=True):
        assert (one == two).all()


def test_a_file_of_save_weights_is_accepted(weights: Path, tmp_path: Path) -> None:
    backbone = keras.applications.EfficientNetV2B0(include_top=False, weights=str(weights))
    backbone.save_weights(tmp_path / "b0.weights.h5")
    network = finetune()
    load_pretrained(network, str(tmp_path / "b0.weights.h5"))
    assert (stem(network) == stem_in(weights)).all()


def test_kerass_copy_is_downloaded_checked_and_cached(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = weights.read_bytes()
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    monkeypatch.setitem(efficientnet_v2.WEIGHTS_HASHES, "b0", ("", digest))
    monkeypatch.setattr(keras.src.utils.file_utils.config, "keras_home", lambda: str(tmp_path))
    with serve_site(content) as site:
        base = site.address.rpartition("/")[0]
        monkeypatch.setattr(efficientnet_v2, "BASE_WEIGHTS_PATH", f"{base}/")
        network = finetune()
        load_pretrained(network, "imagenet")
        assert (stem(network) == stem_in(weights)).all()
        load_pretrained(finetune(), "imagenet")
        assert len(site.asked) == 1


def test_a_failed_download_is_reported_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(efficientnet_v2, "BASE_WEIGHTS_PATH", "http://127.0.0.1:9/")
    monkeypatch.setattr(keras.src.utils.file_utils.config, "keras_home", lambda: str(tmp_path))
    with pytest.raises(CommandError, match="give it with --weights FILE"):
        load_pretrained(finetune(), "imagenet")


def test_a_file_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.h5").write_text("hello")
    with pytest.raises(CommandError, match="not weights of EfficientNetV2B0"):
        load_pretrained(finetune(), str(tmp_path / "x.h5"))
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save_weights(
        tmp_path / "y.weights.h5"
    )
    with pytest.raises(CommandError, match="not weights of EfficientNetV2B0"):
        load_pretrained(finetune(), str(tmp_path / "y.weights.h5"))


@pytest.fixture
def _shallow(monkeypatch: pytest.MonkeyPatch) -> None:
    """EfficientNetV2B0 with two blocks for its 21: TensorFlow takes long to trace so many."""
    blocks = efficientnet_v2.DEFAULT_BLOCKS_ARGS["efficientnetv2-b0"]
    shallow = partial(
        efficientnet_v2.EfficientNetV2, 1.0, 0.1, 224, name="efficientnetv2-b0",
        blocks_args=[blocks[0], blocks[-1] | {"input_filters": blocks[0]["output_filters"]}],
    )  # fmt: skip
    monkeypatch.setattr(keras.applications, "EfficientNetV2B0", shallow)


@pytest.mark.usefixtures("_shallow")
def test_the_recipe_trains_all_layers_from_a_weights_file(tmp_path: Path) -> None:
    weights = random_weights(tmp_path / "shallow.h5")
    recipe = replace(RECIPES["finetune"], weights=str(weights), epochs=1, batch_size=4)
    photos = DecodedSubset(np.zeros((8, 224, 224, 3), np.uint8), np.arange(8) % 2, {})
    run = RunFolder(tmp_path / "run")
    state = run.begin({}, resume=False, restart=False)
    network, state = train(recipe, 2, photos, photos, run, state, FLOAT32)
    assert state.epochs == 1
    change = np.abs(stem(network) - stem_in(weights)).max()
    assert 0 < change < 1e-2
