"""The ways in: base64 and data URIs, several photos in a request, every accepted format."""

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.imaging import decode
from app.imaging.formats import FORMATS
from app.model.prediction import Prediction
from app.serving.predictor import Predictor
from app.serving.served_model import Answer
from app.settings import Settings
from tests import pictures
from tests.conftest import serving

PHOTOS = [pictures.encode(pictures.noise(seed, 100, 80), "JPEG") for seed in range(3)]
STAGES = ("queue", "decode", "infer")
BROKEN = PHOTOS[0][: len(PHOTOS[0]) // 2]


@pytest.fixture(scope="module")
def small() -> Iterator[httpx.Client]:
    """A service with low limits."""
    settings = Settings(max_batch=3, max_queue=2, workers=2, max_bytes=50_000, formats=("PNG",))
    with serving(settings) as client:
        yield client


def one(service: httpx.Client, data: bytes) -> dict[str, Any]:
    answer = service.post("/predict", files={"file": data})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(PHOTOS[0]).decode(),
        base64.b64encode(PHOTOS[0]).decode().rstrip("="),
        base64.encodebytes(PHOTOS[0]).decode(),
        "data:image/jpeg;base64," + base64.b64encode(PHOTOS[0]).decode(),
        "data:;base64," + base64.b64encode(PHOTOS[0]).decode(),
        "DATA:image/png;name=a.png;BASE64," + base64.b64encode(PHOTOS[0]).decode(),
    ],
    ids=["base64", "no padding", "lines", "data URI", "no type", "wrong type"],
)
def test_json_gets_the_same_answer(service: httpx.Client, text: str) -> None:
    answer = service.post("/predict", json={"image": text})
    assert answer.status_code == 200, answer.text
    assert answer.json() == one(service, PHOTOS[0])


@pytest.mark.parametrize("name", FORMATS)
def test_every_accepted_format_is_answered(service: httpx.Client, name: str) -> None:
    data = pictures.encode(pictures.noise(1, 100, 80), name)
    headers = {"Content-Type": f"image/{name.lower()}"}
    assert service.post("/predict", content=data, headers=headers).status_code == 200


def test_a_form_with_several_photos_gets_as_many_answers(service: httpx.Client) -> None:
    files = [("files", (f"{number}.jpg", data)) for number, data in enumerate(PHOTOS)]
    answer = service.post("/predict/batch", files=files)
    assert answer.status_code == 200
    assert answer.json() == {"predictions": [one(service, data) for data in PHOTOS]}


def test_what_is_wrong_with_one_photo_is_told_in_its_place(service: httpx.Client) -> None:
    photos = [base64.b64encode(data).decode() for data in (*PHOTOS, BROKEN)]
    answer = service.post("/predict/batch", json={"images": [*photos, "no base64!", "A"]})
    assert answer.status_code == 200
    entries = answer.json()["predictions"]
    assert entries[:3] == [one(service, data) for data in PHOTOS]
    kinds = [(entry["status"], entry["type"]) for entry in entries[3:]]
    unreadable = (422, "urn:problem:not-base64")
    assert kinds == [(422, "urn:problem:broken-photo"), unreadable, unreadable]


def test_a_batch_of_nothing_but_broken_photos_is_answered(service: httpx.Client) -> None:
    answer = service.post("/predict/batch", files=[("files", BROKEN), ("files", b"")])
    assert [entry["status"] for entry in answer.json()["predictions"]] == [422, 422]


BAD: dict[str, tuple[dict[str, Any], int, str]] = {
    "four files": ({"files": [("files", b"a")] * 4}, 413, "too-many-photos"),
    "four images": ({"json": {"images": ["QQ=="] * 4}}, 413, "too-many-photos"),
    "no file": ({"files": [("other", b"a")]}, 422, "missing-field"),
    "text among them": ({"files": [("files", (None, "a")), ("files", b"a")]}, 422, "not-a-file"),
    "no list": ({"json": {"images": "QQ=="}}, 422, "not-a-list"),
    "empty list": ({"json": {"images": []}}, 422, "not-a-list"),
    "no images": ({"json": {"image": "QQ=="}}, 422, "missing-field"),
    "no JSON": (
        {"content": b"{", "headers": {"Content-Type": "application/json"}},
        400,
        "malformed-body",
    ),
    "a photo": (
        {"content": PHOTOS[0], "headers": {"Content-Type": "image/jpeg"}},
        415,
        "unsupported-media-type",
    ),
    "too many bytes": ({"files": [("files", bytes(60_000))]}, 413, "too-many-bytes"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_batch_is_a_problem(small: httpx.Client, name: str) -> None:
    options, status, kind = BAD[name]
    answer = small.post("/predict/batch", **options)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:problem:{kind}")
    if kind == "too-many-photos":
        assert answer.json()["limit"] == 3


def test_the_largest_batch_fits_an_empty_service(small: httpx.Client) -> None:
    png = pictures.encode(pictures.gradient(), "PNG")
    answer = small.post("/predict/batch", files=[("files", png)] * 3)
    assert [entry["label"] in ("cat", "dog") for entry in answer.json()["predictions"]] == [
        True
    ] * 3


def test_only_the_formats_of_the_settings_are_accepted(small: httpx.Client) -> None:
    assert small.get("/model").json()["accepts"] == {
        "formats": ["PNG"], "max_bytes": 50_000, "max_pixels": decode.MAX_PIXELS, "max_photos": 3,
    }  # fmt: skip
    answer = small.post("/predict", files={"file": PHOTOS[0]})
    assert answer.status_code == 415
    assert answer.json()["detail"].endswith("in an accepted format: PNG.")


def test_the_time_of_each_stage_is_told(
    service: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def predict(*_: object) -> Answer:
        return Answer(Prediction("cat", 0.75, {"cat": 0.75, "dog": 0.25}), 0.5, 0.25, 0.125)

    def seconds() -> list[float]:
        text = service.get("/metrics").text
        sums = (f'photo_stage_seconds_sum{{stage="{stage}"}} ' for stage in STAGES)
        return [float(text.split(each)[1].split()[0]) if each in text else 0 for each in sums]

    monkeypatch.setattr(Predictor, "predict", predict)
    before = seconds()
    answer = service.post("/predict", files={"file": PHOTOS[0]})
    assert answer.headers["server-timing"] == "queue;dur=500.0, decode;dur=250.0, infer;dur=125.0"
    grown = [after - earlier for after, earlier in zip(seconds(), before, strict=True)]
    assert grown == pytest.approx([0.5, 0.25, 0.125])


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("size", "status"), [(5_000, 200), (5_001, 413)])
def test_the_limit_of_bytes_is_exact(chunked: bool, size: int, status: int) -> None:
    photo = pictures.encode(pictures.gradient(), "JPEG").ljust(size, b"\0")
    content = iter([photo[:4_000], photo[4_000:]]) if chunked else photo
    with serving(Settings(max_bytes=5_000)) as client:
        answer = client.post("/predict", content=content, headers={"Content-Type": "image/jpeg"})
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize("kind", ["text", "file"])
@pytest.mark.parametrize(("parts", "status"), [(10, 200), (11, 400)])
def test_the_limit_of_parts_is_exact(
    service: httpx.Client, kind: str, parts: int, status: int
) -> None:
    name = None if kind == "text" else "a.jpg"
    others = [(f"other{number}", (name, b"x")) for number in range(parts - (kind == "file"))]
    answer = service.post("/predict", files=[*others, ("file", ("a.jpg", PHOTOS[0]))])
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    ("path", "body", "status", "kind"),
    [
        ("/predict/batch", b'{"images":[' + b'"",' * 300_000 + b'""]}', 413, "too-many-photos"),
        ("/predict", b'{"image":[' + b"[]," * 300_000 + b"[]]}", 400, "malformed-body"),
        ("/predict", b'{"image":{' + b'"a":0,' * 100_000 + b'"a":0}}', 400, "malformed-body"),
    ],
    ids=["strings", "lists", "members"],
)
def test_json_of_a_million_parts_is_refused_before_it_is_parsed(
    service: httpx.Client, monkeypatch: pytest.MonkeyPatch,
    path: str, body: bytes, status: int, kind: str,
) -> None:  # fmt: skip
    def parse(*_: object, **__: object) -> None:
        raise AssertionError("it was parsed")

    monkeypatch.setattr("app.api.uploads.base64_json.from_json", parse)
    answer = service.post(path, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:problem:{kind}")
