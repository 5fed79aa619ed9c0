"""The running service tells which photos it answered lately, and forgets them with the version."""

import json
import time
from pathlib import Path

import httpx
import numpy as np
import pytest

from app.model.card import CARD
from app.settings import Settings
from tests import pictures
from tests.conftest import serving
from tests.service.test_operation import metrics
from tests.versions import publish

# Brightness, width, height.
PHOTOS = [(200, 500, 200), (10, 20, 10), (30, 40, 30)]


def plain(brightness: int, width: int, height: int) -> bytes:
    return pictures.encode(pictures.grey(np.full((height, width), brightness, np.uint8)))


def quantiles(client: httpx.Client, statistic: str) -> list[float]:
    found = metrics(client)
    names = (f'drift_quantile{{quantile="{q}",statistic="{statistic}"}}' for q in (0.1, 0.5, 0.9))
    return [found[name] for name in names]


def publish_with_reference(path: Path, version: int) -> None:
    folder = publish(path, version)
    card = json.loads((folder / CARD).read_text())
    shares = dict.fromkeys(card["labels"], 0.1)
    reference = {"photos": 9, "quantiles": {"sharpness": [1, 2, 4]}, "label_shares": shares}
    (folder / CARD).write_text(json.dumps(card | {"reference": reference}))


def test_the_metrics_show_the_last_photos_of_the_served_version(tmp_path: Path) -> None:
    publish(tmp_path, 1)
    with serving(Settings(model=tmp_path, workers=1, model_poll_seconds=0.05)) as client:
        files = [("files", plain(*photo)) for photo in PHOTOS]
        broken = ("files", files[0][1][:60])
        answers = client.post("/predict/batch", files=[broken, *files]).json()["predictions"][1:]
        labels = [answer["label"] for answer in answers]
        assert client.post("/predict", files={"file": broken[1]}).status_code == 422
        assert metrics(client)["drift_photos"] == 3
        assert quantiles(client, "brightness") == pytest.approx([14, 30, 166])
        assert quantiles(client, "megapixels") == pytest.approx([0.0004, 0.0012, 0.08024])
        for label in map(str, range(10)):
            share = metrics(client)[f'drift_label_share{{label="{label}"}}']
            assert share == pytest.approx(labels.count(label) / 3)

        publish_with_reference(tmp_path, 2)
        while client.get("/model").json()["version"] == 1:
            time.sleep(0.02)
        found = metrics(client)
        assert found["drift_photos"] == 0
        assert found['drift_reference_quantile{quantile="0.9",statistic="sharpness"}'] == 4
        assert client.get("/model").json()["reference"]["quantiles"]["sharpness"] == [1, 2, 4]
        client.post("/predict", files={"file": plain(*PHOTOS[1])})
        assert quantiles(client, "brightness") == [10, 10, 10]
