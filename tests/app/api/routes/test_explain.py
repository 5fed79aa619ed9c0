"""`/explain` and `/layers` over HTTP, against the real service."""

import base64
import io
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from app.model.card import EXPLAIN
from app.settings import Settings
from tests import pictures
from tests.conftest import ROOT, serving, striped
from tests.service.bad_uploads import BAD_UPLOADS, BadUpload

LECTURE = ROOT / "models" / "cats-vs-dogs" / "1"
PHOTO = pictures.encode(pictures.noise(1, 100, 80), "JPEG")


@pytest.fixture(scope="module")
def service() -> Iterator[httpx.Client]:
    """The lecture's network, whose layers are known here, whatever version is the newest."""
    with serving(Settings(model=LECTURE, engine="litert-float")) as client:
        yield client


@pytest.fixture(scope="module")
def stripes_service(stripes_model: Path) -> Iterator[httpx.Client]:
    with serving(Settings(model=stripes_model)) as client:
        yield client


def test_the_evidence_adds_up_to_the_logit_and_the_logit_to_the_probability(
    service: httpx.Client,
) -> None:
    body = service.post("/explain", files={"file": PHOTO}).json()
    assert list(body["evidence"]) == ["cat", "dog"]
    for label, one in body["evidence"].items():
        total = sum(map(sum, one["map"])) + one["bias"]
        assert total == pytest.approx(one["logit"], abs=1e-4)
        sigmoid = 1 / (1 + math.exp(-one["logit"]))
        assert sigmoid == pytest.approx(body["probabilities"][label], abs=1e-6)
    assert np.shape(body["evidence"]["cat"]["map"]) == (7, 7)
    assert (len(body["rows"]), len(body["columns"])) == (7, 7)
    cat, dog = (np.array(one["map"]) for one in body["evidence"].values())
    assert (cat == -dog).all()


def test_a_softmax_has_a_map_a_label(stripes_service: httpx.Client) -> None:
    data = pictures.encode(pictures.grey(striped(1, 1000)))
    body = stripes_service.post("/explain", files={"file": data}).json()
    logits = [one["logit"] for one in body["evidence"].values()]
    for one in body["evidence"].values():
        assert np.shape(one["map"]) == (3, 3)
        assert np.sum(one["map"]) + one["bias"] == pytest.approx(one["logit"], abs=1e-4)
    softmax = np.exp(logits) / np.sum(np.exp(logits))
    assert softmax == pytest.approx(list(body["probabilities"].values()), abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_it_answers_as_predict_does(service: httpx.Client, seed: int) -> None:
    data = pictures.encode(pictures.noise(seed, 300, 200))
    explained = service.post("/explain", files={"file": data}).json()
    predicted = service.post("/predict", files={"file": data}).json()
    assert explained["probability"] == pytest.approx(predicted.pop("probability"), abs=1e-6)
    assert explained["probabilities"] == pytest.approx(predicted.pop("probabilities"), abs=1e-6)
    assert (explained["label"], explained["model"]) == (predicted["label"], predicted["model"])


def test_explanations_stay_in_float32_where_predictions_are_in_int8(service: httpx.Client) -> None:
    data = pictures.encode(pictures.noise(3, 300, 200))
    expected = service.post("/explain", files={"file": data}).json()
    with serving(Settings(model=LECTURE, engine="litert-int8")) as client:
        explained = client.post("/explain", files={"file": data}).json()
        predicted = client.post("/predict", files={"file": data}).json()
    assert explained["probability"] == pytest.approx(expected["probability"], abs=1e-6)
    assert 1e-6 < abs(predicted["probability"] - explained["probability"]) < 0.1


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/explain?format=png", {}),
        ("/explain", {"Accept": "image/png"}),
        ("/explain?format=png", {"Accept": "application/json"}),
    ],
)
def test_a_png_is_the_photo_with_a_legend(
    service: httpx.Client, path: str, headers: dict[str, str]
) -> None:
    data = pictures.encode(pictures.gradient(900, 600))
    answer = service.post(path, files={"file": data}, headers=headers)
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["vary"] == "Accept"
    assert Image.open(io.BytesIO(answer.content)).size == (640, 427 + 60)


@pytest.mark.parametrize("accept", ["*/*", "application/json", "image/png, application/json"])
def test_json_is_what_programs_get(service: httpx.Client, accept: str) -> None:
    answer = service.post("/explain", files={"file": PHOTO}, headers={"Accept": accept})
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("wanted", ["jpeg", "", "PNG", "../x"])
def test_an_unknown_format_is_a_problem(service: httpx.Client, wanted: str) -> None:
    answer = service.post("/explain", params={"format": wanted}, files={"file": PHOTO})
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:problem:unknown-format"


def test_the_layers_are_those_of_the_card(service: httpx.Client) -> None:
    card = service.get("/model").json()
    body = service.post("/layers", files={"file": PHOTO}).json()
    shapes = {layer["name"]: layer["output_shape"] for layer in card["layers"]}
    steps = [(strip["layer"], strip["step"]) for strip in body["strips"]]
    assert steps[:3] == [("conv_1", "convolution"), ("conv_1", "ReLU"), ("pool_1", "pooling")]
    assert len(steps) == 14
    for strip in body["strips"]:
        assert strip["shape"] == shapes[strip["layer"]]
        assert len(set(strip["channels"])) == 8
        picture = decoded(strip["png"])
        assert picture.format == "PNG"
        assert 70 <= picture.height <= 96
        if strip["step"] == "ReLU":
            assert strip["low"] >= 0


def decoded(uri: str) -> Image.Image:
    head, _, data = uri.partition(",")
    assert head == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


@pytest.mark.parametrize("path", ["/explain?format=png", "/layers"])
@pytest.mark.parametrize("bad", BAD_UPLOADS, ids=lambda bad: bad.name)
def test_a_bad_upload_is_the_problem_that_it_is_to_predict(
    service: httpx.Client, bad: BadUpload, path: str
) -> None:
    content = bad.content() if callable(bad.content) else bad.content
    answer = service.request(
        bad.method, path, content=content, headers=bad.headers, files=bad.files
    )
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (bad.status, f"urn:problem:{bad.kind}")
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["instance"] == path.partition("?")[0]


ODD_PHOTOS = {
    "one pixel": pictures.noise(1, 1, 1),
    "a line": pictures.noise(1, 1, 3000),
    "a wide line": pictures.noise(1, 3000, 1),
    "grey": pictures.grey(striped(1, 1)),
    "black": Image.new("RGB", (30, 20)),
    "palette": pictures.noise(2).quantize(7),
    "transparent": Image.new("LA", (30, 20), (0, 0)),
    "CMYK": pictures.noise(2).convert("CMYK"),
    "16 bit": Image.fromarray(np.full((9, 9), 60_000, np.uint16)),
}


@pytest.mark.parametrize("name", ODD_PHOTOS)
def test_an_odd_photo_is_explained_and_drawn(service: httpx.Client, name: str) -> None:
    data = pictures.encode(ODD_PHOTOS[name], "TIFF")
    for path in ("/explain", "/explain?format=png", "/layers"):
        assert service.post(path, files={"file": data}).status_code == 200, path


def without_explanation(model: Path, folder: Path) -> Path:
    """A copy of a version folder as it was published before there were explanations."""
    copy = Path(shutil.copytree(model, folder / "1"))
    (copy / EXPLAIN).unlink()
    lines = (copy / "card.json").read_text().splitlines(keepends=True)
    (copy / "card.json").write_text("".join(line for line in lines if EXPLAIN not in line))
    return copy


@pytest.mark.parametrize("path", ["/explain", "/layers"])
def test_an_old_version_says_how_to_add_the_file(
    stripes_model: Path, tmp_path: Path, path: str
) -> None:
    with serving(Settings(model=without_explanation(stripes_model, tmp_path))) as client:
        answer = client.post(path, files={"file": PHOTO})
        problem = answer.json()
        assert (answer.status_code, problem["type"]) == (404, "urn:problem:not-explainable")
        assert "python -m training.export models/stripes/1" in problem["detail"]
        assert client.post("/predict", files={"file": PHOTO}).status_code == 200


@pytest.mark.parametrize("change", ["gone", "another"])
def test_files_that_change_while_they_are_served_change_no_answer(
    stripes_model: Path, tmp_path: Path, change: str
) -> None:
    folder = Path(shutil.copytree(stripes_model, tmp_path / "1"))
    asks = (
        ("POST", "/explain"), ("POST", "/layers"), ("POST", "/predict"),
        ("GET", "/model/plots/training.png"),
    )  # fmt: skip

    def answers() -> list[tuple[int, bytes]]:
        got = [client.request(*ask, files={"file": PHOTO}) for ask in asks]
        return [(answer.status_code, answer.content) for answer in got]

    with serving(Settings(model=folder, workers=1)) as client:
        before = answers() if change == "another" else None
        shutil.rmtree(folder)
        if change == "another":
            shutil.copytree(ROOT / "models" / "digits" / "1", folder)
        after = answers()
    assert [status for status, _ in after] == [200] * 4
    assert before in (None, after)


def test_the_reference_tells_both_formats(service: httpx.Client) -> None:
    paths: dict[str, Any] = service.get("/openapi.json").json()["paths"]
    explain = paths["/explain"]["post"]
    assert set(explain["responses"]["200"]["content"]) == {"application/json", "image/png"}
    assert explain["parameters"][0]["name"] == "format"
    for path in ("/explain", "/layers"):
        assert {"404", "413", "415", "422", "503"} <= set(paths[path]["post"]["responses"])
