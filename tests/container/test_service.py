"""Each image as it serves: right answers in every format, no rights, no secrets in its log."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import numpy as np
import pytest
from PIL import Image

from app.imaging.formats import FORMATS
from app.model.golden import GOLDEN_TOLERANCE, INT8_TOLERANCE, golden_pixels
from app.model.version_folder import find_version, load_card
from tests import pictures
from tests.conftest import ROOT
from tests.container.compose import Project

pytestmark = pytest.mark.container

KEY, WRONG = "a-key-that-opens-the-service", "a-key-that-opens-nothing-here"
HEADERS = {"X-API-Key": KEY}

# Target, APP_ENGINE, and what the name of the engine that is to serve begins with: without a GPU
# the large image serves, too.
KINDS = [
    ("cpu", "", "litert-"), ("cpu", "litert-int8", "litert-int8"), ("gpu", "", "litert-"),
    ("gpu", "tensorflow", "tensorflow"),
]  # fmt: skip


@dataclass
class Served:
    """A service that is up."""

    project: Project
    client: httpx.Client
    engine: str


@pytest.fixture(scope="module", params=KINDS, ids="-".join)
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    request.getfixturevalue("images")
    target, choice, engine = request.param
    project = Project(
        tmp_path_factory.mktemp("served"), target, APP_ENGINE=choice, APP_API_KEYS=KEY,
        APP_LOG_LEVEL="debug", MEMORY_LIMIT="3g",
    )  # fmt: skip
    with project.up() as client:
        yield Served(project, client, engine)


def predict(client: httpx.Client, data: bytes) -> dict[str, float]:
    answer = client.post("/predict", files={"file": data}, headers=HEADERS)
    assert answer.status_code == 200, answer.text
    probabilities: dict[str, float] = answer.json()["probabilities"]
    return probabilities


def test_it_answers_as_the_card_says(served: Served) -> None:
    card = load_card(find_version(ROOT / "models" / "cats-vs-dogs"))
    model = served.client.get("/model", headers=HEADERS).json()
    assert model["version"] == card.version
    assert model["engine"].startswith(served.engine)
    expected, tolerance = card.golden, GOLDEN_TOLERANCE
    if model["engine"] == "litert-int8":
        assert card.int8
        expected, tolerance = card.int8.golden, INT8_TOLERANCE
    for golden in expected:
        picture = Image.fromarray(golden_pixels(golden.seed, card.input))
        probabilities = predict(served.client, pictures.encode(picture, "PNG"))
        output = pytest.approx(golden.outputs[0], abs=tolerance)
        assert probabilities[card.labels[1]] == output


@pytest.mark.parametrize("name", FORMATS)
def test_it_reads_every_format(served: Served, name: str) -> None:
    probabilities = predict(served.client, pictures.encode(pictures.gradient(300, 200), name))
    assert np.sum(list(probabilities.values())) == pytest.approx(1)


@pytest.mark.parametrize("path", ["/explain", "/explain?format=png", "/layers"])
def test_it_explains(served: Served, path: str) -> None:
    photo = pictures.encode(pictures.noise(1, 300, 200), "JPEG")
    answer = served.client.post(path, files={"file": photo}, headers=HEADERS)
    assert answer.status_code == 200, answer.text


def test_it_has_no_rights_and_no_place_to_write(served: Served) -> None:
    status = served.project.run("exec", "api", "cat", "/proc/1/status").stdout
    facts = dict(line.split(":\t", 1) for line in status.splitlines())
    assert facts["Uid"].split() == ["10001"] * 4
    assert facts["Gid"].split() == ["10001"] * 4
    for capabilities in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(facts[capabilities], 16) == 0
    assert facts["NoNewPrivs"] == "1"
    for path in ("/x", "/srv/x", "/srv/models/x", "/opt/venv/x", "/etc/x", "/var/tmp/x"):
        done = served.project.run("exec", "api", "touch", path, check=False)
        assert done.returncode == 1
        assert "Read-only file system" in done.stderr
    served.project.run("exec", "api", "touch", "/tmp/x")


def test_it_has_the_memory_and_the_cores_that_the_settings_say(served: Served) -> None:
    host = served.project.inspect()["HostConfig"]
    assert host["Memory"] == 3 * 1024**3
    assert host["CpuQuota"] == 200_000


def test_keys_and_photos_are_not_logged(served: Served) -> None:
    photo = pictures.encode(pictures.noise(2), "JPEG")
    text = base64.b64encode(photo).decode()
    statuses = [
        served.client.post("/predict", json={"image": text}, headers={"X-API-Key": key}).status_code
        for key in (KEY, WRONG)
    ]
    served.client.get("/model", params={"key": KEY})
    assert statuses == [200, 403]
    log = served.project.logs()
    assert "POST /predict 403" in log
    for secret in (KEY, WRONG, text[40:100], json.dumps(text)[:60]):
        assert secret not in log
    assert "Traceback" not in log
