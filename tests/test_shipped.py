"""The models in the box, on the real photos and digits where those are at hand."""

import re
import zipfile
from pathlib import Path

import httpx
import keras
import numpy as np
import pytest

from app.imaging.decode import decode
from app.model.card import KERAS
from app.model.classifier import Classifier
from app.model.litert import LiteRTName
from app.model.version_folder import load_card
from app.settings import Settings
from tests import pictures
from tests.conftest import ROOT, Command, serving
from training.data.archives import open_archive
from training.evaluation.metrics import wilson_interval
from training.networks.architectures import cats_vs_dogs
from training.networks.flops import multiply_adds

MODELS = ROOT / "models"
LECTURE, SCRATCH, CATS = (MODELS / "cats-vs-dogs" / version for version in "134")
DIGITS = MODELS / "digits" / "2"


@pytest.mark.parametrize(
    ("folder", "labels", "parameters", "test_photos", "least"),
    [
        (LECTURE, ("cat", "dog"), 991_041, 2_000, 0.70),
        (SCRATCH, ("cat", "dog"), 1_014_657, 2_000, 0.97),
        (CATS, ("cat", "dog"), 3_351_281, 2_000, 0.99),
        (DIGITS, tuple("0123456789"), 104_202, 10_000, 0.99),
    ],
)
def test_the_cards(
    folder: Path, labels: tuple[str, ...], parameters: int, test_photos: int, least: float
) -> None:
    card = load_card(folder)
    assert (card.labels, card.parameters) == (labels, parameters)
    accuracy = card.metrics["test_accuracy"]
    assert accuracy.samples == test_photos
    assert accuracy.value >= least
    assert accuracy.value == pytest.approx(np.trace(card.confusion) / np.sum(card.confusion))
    assert sum(path.stat().st_size for path in folder.iterdir()) < 35_000_000


@pytest.mark.parametrize(("folder", "share"), [(SCRATCH, 0.5), (CATS, 1.0)])
def test_their_cost_is_on_the_card_and_they_know_how_sure_they_are(
    folder: Path, share: float
) -> None:
    card = load_card(folder)
    assert card.multiply_adds is not None
    assert card.multiply_adds == multiply_adds(keras.saving.load_model(folder / KERAS))
    assert card.multiply_adds < share * multiply_adds(cats_vs_dogs())
    assert card.metrics["test_calibration_error"].value < 0.015


def test_the_default_names_its_backbone_and_its_licence() -> None:
    text = (CATS / "README.md").read_text(encoding="utf-8")
    assert "efficientnet-lite0" in text
    assert "Apache-2.0; trained on ImageNet, whose terms allow research only" in text


@pytest.mark.photos
@pytest.mark.parametrize(("engine", "largest"), [("litert-float", 1e-4), ("litert-int8", 0.1)])
def test_http_answers_as_the_keras_network_does(
    photos_data: Path, engine: LiteRTName, largest: float
) -> None:
    network = keras.saving.load_model(CATS / KERAS, compile=False)
    side = network.input_shape[1]
    differences = []
    settings = Settings(model=CATS, engine=engine)
    with open_archive(photos_data / "train.zip") as archive, serving(settings) as service:
        for name in ("cat", "dog"):
            for number in range(1500, 1540, 2):
                data = archive.read((name, number))
                answer = service.post("/predict", files={"file": data}).json()
                pixels = decode(data, side, side, 3)[np.newaxis].astype(np.float32)
                dog = float(keras.ops.convert_to_numpy(network(pixels, training=False))[0, 0])
                differences.append(abs(answer["probabilities"]["dog"] - dog))
    print(f"largest difference over {len(differences)} photos: {max(differences):.2e}")
    assert len(differences) == 40
    assert max(differences) < largest


@pytest.mark.photos
def test_natural_size_photos_do_as_well_as_the_test_photos(
    service: httpx.Client, photos_data: Path
) -> None:
    photos = sorted((photos_data.parent / "photos").glob("*.jpg"))
    if not photos:
        pytest.skip("no photos/ beside the data")
    right = known = 0
    for photo in photos:
        headers = {"Content-Type": "image/jpeg"}
        answer = service.post("/predict", content=photo.read_bytes(), headers=headers).json()
        right += answer["label"] == photo.name.split(".")[0]
        known += answer["known"]
    assert known >= 58, f"{known} of {len(photos)} photos are known"
    low, high = wilson_interval(right, len(photos))
    print(f"natural size: {right} of {len(photos)} right, 95 % interval {low:.3f} to {high:.3f}")
    assert low <= load_card(CATS).metrics["test_accuracy"].value <= high


# WordNet's numbers of ImageNet's dogs, wild dogs and cats: they are not foreign, or nearly not.
_ANIMALS = range(2085620, 2130309)


@pytest.mark.photos
@pytest.mark.parametrize("folder", [CATS, DIGITS], ids=["cats-vs-dogs", "digits"])
def test_pictures_of_other_things_are_unknown(photos_data: Path, folder: Path) -> None:
    classifier = Classifier.load(folder)
    found = []
    with zipfile.ZipFile(photos_data / "foreign.zip") as archive:
        for name in archive.namelist()[::3]:
            number = re.search(r"/n(\d+)_", name)
            if number and int(number[1]) not in _ANIMALS:
                found.append(classifier.predict(archive.read(name)).familiarity)
    assert len(found) > 130
    assert np.mean(np.array(found, float) < 0.01) > 0.93


@pytest.mark.parametrize("folder", [CATS, DIGITS], ids=["cats-vs-dogs", "digits"])
def test_drawn_pictures_and_noise_are_unknown(folder: Path) -> None:
    classifier = Classifier.load(folder)
    made = [pictures.gradient(), *(pictures.noise(seed, 90 + seed) for seed in range(9))]
    made += map(pictures.drawn, range(40))
    found = [classifier.predict(pictures.encode(picture)).familiarity for picture in made]
    assert np.mean(np.array(found, float) < 0.01) >= 0.98  # 49 of 50


@pytest.mark.photos
def test_the_digits_cards_figure_is_reproduced(photos_data: Path, command: Command) -> None:
    done = command("training.evaluate", DIGITS, photos_data / "mnist.npz")
    value = load_card(DIGITS).metrics["test_accuracy"].value
    assert f"{value:.2%}  (95 %" in done.stdout, done.stdout + done.stderr


@pytest.mark.photos
@pytest.mark.parametrize("folder", [LECTURE, CATS], ids=["lecture", "default"])
def test_the_cats_and_dogs_cards_figure_is_reproduced(photos_data: Path, folder: Path) -> None:
    classifier = Classifier.load(folder, engine="litert-float")
    right = 0
    with open_archive(photos_data / "train.zip") as archive:
        for number in range(1500, 2500):
            for name in ("cat", "dog"):
                right += classifier.predict(archive.read((name, number))).label == name
    # Another processor may round another way: a photo or two on the edge.
    assert right / 2000 == pytest.approx(classifier.card.metrics["test_accuracy"].value, abs=0.0015)
