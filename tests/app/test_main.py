"""The HTTP contract, against the real service on a loopback port."""

import json
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from app.imaging import decode
from app.imaging.formats import FORMATS
from app.model.litert import FILES
from app.serving.predictor import Predictor
from app.settings import Settings
from tests import pictures
from tests.conftest import serving, striped
from tests.service.bad_uploads import BAD_UPLOADS, BadUpload

PHOTO = pictures.encode(pictures.noise(1, 100, 80), "JPEG")


@pytest.fixture(scope="module")
def stripes_service(stripes_model: Path) -> Iterator[httpx.Client]:
    with serving(Settings(model=stripes_model.parent, max_bytes=10_000)) as client:
        yield client


def test_a_multipart_photo_is_answered(service: httpx.Client) -> None:
    answer = service.post("/predict", files={"file": ("a.jpg", PHOTO, "image/jpeg")})
    assert answer.status_code == 200
    body = answer.json()
    assert set(body) == {
        "label", "probability", "probabilities", "model", "decision", "known", "familiarity",
        "nearest", "labels",
    }  # fmt: skip
    assert set(body["probabilities"]) == {"cat", "dog"}
    assert body["probability"] == body["probabilities"][body["label"]]
    assert body["probability"] >= 0.5
    assert math.isclose(sum(body["probabilities"].values()), 1, abs_tol=1e-6)
    assert body["model"]["name"] == "cats-vs-dogs"


@pytest.mark.parametrize("media", ["image/jpeg", "image/png", "image/x-whatever", "IMAGE/JPEG"])
def test_a_raw_photo_gets_the_same_answer(service: httpx.Client, media: str) -> None:
    form = service.post("/predict", files={"file": PHOTO})
    raw = service.post("/predict", content=PHOTO, headers={"Content-Type": media})
    assert raw.status_code == 200
    assert raw.json() == form.json()


def test_other_fields_beside_the_file_are_ignored(service: httpx.Client) -> None:
    answer = service.post("/predict", files={"file": PHOTO}, data={"note": "my cat"})
    assert answer.status_code == 200


@pytest.mark.parametrize("bad", BAD_UPLOADS, ids=lambda bad: bad.name)
def test_a_bad_upload_is_a_problem(service: httpx.Client, bad: BadUpload) -> None:
    content = bad.content() if callable(bad.content) else bad.content
    answer = service.request(
        bad.method, "/predict", content=content, headers=bad.headers, files=bad.files
    )
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (bad.status, f"urn:problem:{bad.kind}")
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["status"] == bad.status
    assert problem["instance"] == "/predict"
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert len(problem["detail"]) > 20
    assert "Traceback" not in answer.text
    assert "/site-packages/" not in answer.text


def test_the_service_still_answers_after_all_that(service: httpx.Client) -> None:
    assert service.post("/predict", files={"file": PHOTO}).status_code == 200


def test_limits_are_told_with_the_actual_value(stripes_service: httpx.Client) -> None:
    body = bytes(10_001)
    headers = {"Content-Type": "image/png"}
    problem = stripes_service.post("/predict", content=body, headers=headers).json()
    assert (problem["limit"], problem["actual"]) == (10_000, 10_001)


def test_an_unknown_path_is_a_problem(service: httpx.Client) -> None:
    answer = service.get("/predictt")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert "/docs" in answer.json()["detail"]


def test_a_wrong_method_names_the_right_one(service: httpx.Client) -> None:
    answer = service.get("/predict")
    assert answer.headers["allow"] == "POST"
    assert "Use POST" in answer.json()["detail"]


def test_the_model_is_described(service: httpx.Client) -> None:
    body = service.get("/model").json()
    assert body["name"] == "cats-vs-dogs"
    assert body["labels"] == ["cat", "dog"]
    assert body["engine"] in FILES
    assert body["engine_reason"].startswith("a photo takes ")
    assert body["accepts"]["formats"] == list(FORMATS)
    assert body["accepts"]["max_pixels"] == decode.MAX_PIXELS
    assert sum(layer["parameters"] for layer in body["layers"]) == body["parameters"]
    assert 0 <= body["metrics"]["test_accuracy"]["value"] <= 1


def test_the_model_as_text_is_the_table_that_keras_prints(service: httpx.Client) -> None:
    answer = service.get("/model", headers={"Accept": "text/plain"})
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.startswith('Model: "')
    parameters = service.get("/model").json()["parameters"]
    assert f"Total params: {parameters:,}" in answer.text


def test_the_probes(service: httpx.Client) -> None:
    assert service.get("/livez").json() == {"status": "alive"}
    model = {"name": "cats-vs-dogs", "version": service.get("/model").json()["version"]}
    ready = {"status": "ready", "model": model, "refused": []}
    assert service.get("/readyz").json() == ready


def test_the_reference_lists_every_route_and_problem(service: httpx.Client) -> None:
    assert service.get("/docs").status_code == 200
    document = service.get("/openapi.json").json()
    assert set(document["paths"]) == {
        "/predict", "/predict/batch", "/explain", "/layers", "/model", "/model/plots/{name}",
        "/livez", "/readyz", "/metrics",
    }  # fmt: skip
    predict = document["paths"]["/predict"]["post"]
    content = {"multipart/form-data", "image/*", "application/json"}
    assert set(predict["requestBody"]["content"]) == content
    told = set(predict["responses"])
    assert {str(bad.status) for bad in BAD_UPLOADS if bad.method == "POST"} <= told
    assert "422" not in document["paths"]["/model"]["get"]["responses"]
    for reference in _references(document):
        assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"]


def _references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref":
                yield value
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def test_a_request_id_is_echoed_if_it_is_harmless(service: httpx.Client) -> None:
    answer = service.get("/livez", headers={"X-Request-ID": "order-66_a"})
    assert answer.headers["x-request-id"] == "order-66_a"


@pytest.mark.parametrize("bad", ["a b", "x" * 129, "a\tb", "<script>", "---"])
def test_a_request_id_that_is_not_is_replaced(service: httpx.Client, bad: str) -> None:
    answer = service.get("/livez", headers={"X-Request-ID": bad})
    assert answer.headers["x-request-id"] != bad
    assert len(answer.headers["x-request-id"]) == 32


def test_a_defect_of_ours_tells_nothing(
    service: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("secret in /home/me")

    monkeypatch.setattr(Predictor, "predict", fail)
    answer = service.post("/predict", files={"file": PHOTO})
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_many_clients_at_once_get_their_own_answers(stripes_service: httpx.Client) -> None:
    uploads = [pictures.encode(pictures.grey(striped(number % 3, number))) for number in range(60)]
    headers = {"Content-Type": "image/png"}

    def ask(data: bytes) -> dict[str, object]:
        answer: dict[str, object] = stripes_service.post(
            "/predict", content=data, headers=headers
        ).json()
        return answer

    alone = [ask(data) for data in uploads]
    with ThreadPoolExecutor(12) as pool:
        together = list(pool.map(ask, uploads))
    assert json.dumps(together) == json.dumps(alone)


def test_a_softmax_model_names_every_label(stripes_service: httpx.Client) -> None:
    data = pictures.encode(pictures.grey(striped(1, 1000)))
    body = stripes_service.post("/predict", files={"file": data}).json()
    assert body["label"] == "level"
    assert list(body["probabilities"]) == ["down", "level", "slope"]
    assert math.isclose(sum(body["probabilities"].values()), 1, abs_tol=1e-5)
    assert body["model"] == {"name": "stripes", "version": 1}
