"""Whatever is sent, the service keeps its contract: mutated photos and generated requests.

The same few hundred examples each time, so that a failure is the change's.
"""

import base64
from contextlib import suppress
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from app.imaging.formats import FORMATS
from tests import pictures

SEEDS = {
    name: [
        pictures.encode(pictures.gradient(), name),
        pictures.with_orientation(pictures.noise(1, 40, 30), 6, name)
        if name not in ("GIF", "BMP") else pictures.encode(pictures.noise(2, 9, 30), name),
    ]
    for name in FORMATS
}  # fmt: skip

# What generated photos and base64 are, for a schema cannot say it.
photos = st.sampled_from([seed for seeds in SEEDS.values() for seed in seeds])


@st.composite
def mutated(draw: st.DrawFn, seed: bytes) -> bytes:
    """A photo with some bytes changed, a part cut out, doubled or moved, or its end cut off."""
    data = bytearray(seed)
    for _ in range(draw(st.integers(1, 4))):
        # Headers are where the interesting bytes are.
        place = draw(st.integers(0, len(data)) | st.integers(0, min(120, len(data))))
        length = draw(st.integers(0, 40))
        patch = draw(
            st.binary(max_size=8)
            | st.sampled_from([b"\xff\xff\xff\xff", bytes(4), b"\x7f\xff", b"\0\0\1\0"])
            | st.just(bytes(data[place : place + length]) * 2)
        )
        data[place : place + draw(st.sampled_from([len(patch), length, 0]))] = patch
    return bytes(data[: draw(st.just(len(data)) | st.integers(0, len(data)))])


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=60, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
          suppress_health_check=list(HealthCheck))  # fmt: skip
@given(data=st.data())
def test_a_mutated_photo_is_answered_or_refused(
    service: httpx.Client, name: str, data: st.DataObject
) -> None:
    photo = data.draw(mutated(data.draw(st.sampled_from(SEEDS[name]))))
    answer = service.post("/predict", content=photo, headers={"Content-Type": "image/*"})
    assert answer.status_code in (200, 413, 415, 422), answer.text
    if answer.status_code != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        assert "/site-packages/" not in answer.text


@settings(
    max_examples=60,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(kind=st.sampled_from(["multipart/form-data; boundary=x", "application/json", "image/png"]),
       body=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))  # fmt: skip
def test_a_body_of_anything_is_a_problem(service: httpx.Client, kind: str, body: bytes) -> None:
    for path in ("/predict", "/predict/batch"):
        answer = service.post(path, content=body, headers={"Content-Type": kind})
        assert 400 <= answer.status_code < 500
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.fixture(scope="module")
def described(service: httpx.Client) -> schemathesis.schemas.BaseSchema:
    """The service's own description of itself."""
    schemathesis.openapi.media_type("image/*", photos)
    schemathesis.openapi.format("binary", photos)
    schemathesis.openapi.format("byte", photos.map(base64.b64encode).map(bytes.decode))
    checks = {"negative_data_rejection": {"expected-statuses": [*range(400, 430)]}}
    config = schemathesis.Config.from_dict({"checks": checks})
    return schemathesis.openapi.from_url(f"{service.base_url}/openapi.json", config=config)


@pytest.mark.parametrize("mode", GenerationMode)
def test_the_reference_is_true(
    described: schemathesis.schemas.BaseSchema, mode: GenerationMode
) -> None:
    ran = 0
    for result in described.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        cases = operation.as_strategy(generation_mode=mode)

        @settings(max_examples=15, deadline=None, database=None, derandomize=True,
                  suppress_health_check=list(HealthCheck))  # fmt: skip
        @given(case=cases)
        def validate(case: schemathesis.Case[Any]) -> None:
            nonlocal ran
            case.call_and_validate()
            ran += 1

        with suppress(Unsatisfiable):  # nothing can be wrong with a request without input
            validate()
    assert ran > 50
