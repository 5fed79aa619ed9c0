"""The bytes of all uploads in memory have a limit together."""

import time
from collections.abc import Iterator

import httpx
import pytest

from app.settings import Settings
from tests import pictures
from tests.conftest import connect, serving
from tests.versions import DIGITS

PHOTO = pictures.encode(pictures.gradient(), "JPEG").ljust(6_000, b"\0")
HEADERS = {"Content-Type": "image/jpeg"}


@pytest.fixture(scope="module")
def small() -> Iterator[httpx.Client]:
    settings = Settings(model=DIGITS, workers=1, max_bytes=9_000, buffer_bytes=10_000)
    with serving(settings) as client:
        yield client


# The head of an upload of 7,000 bytes, and 5,000 of them.
PART = (
    b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: image/jpeg\r\nContent-Length: 7000\r\n\r\n"
)
PART += bytes(5_000)


def post(client: httpx.Client, wanted: int) -> httpx.Response:
    """Post the photo until the service answers as wanted: it reads an upload some time later."""
    for _ in range(100):
        answer = client.post("/predict", content=PHOTO, headers=HEADERS)
        if answer.status_code == wanted:
            break
        time.sleep(0.05)
    return answer


def beside_a_part(client: httpx.Client) -> httpx.Response:
    """The answer for the photo beside an upload that stands still.

    The service may read the photo first. Then it refuses the other upload, which is sent again.
    """
    for _ in range(100):
        assert post(client, 200).status_code == 200
        with connect(client) as connection:
            connection.sendall(PART)
            time.sleep(0.05)
            answer = client.post("/predict", content=PHOTO, headers=HEADERS)
        if answer.status_code != 200:
            break
    return answer


def test_an_upload_that_stands_still_leaves_less_room_for_others(small: httpx.Client) -> None:
    answer = beside_a_part(small)
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (429, "urn:problem:buffer-full")
    assert problem["limit"] == 10_000
    assert problem["detail"].endswith("Try again in a second.")
    assert (answer.headers["retry-after"], answer.headers["connection"]) == ("1", "close")
    assert post(small, 200).status_code == 200


@pytest.mark.parametrize("body", [PHOTO, b"no photo" * 1000, b"x" * 9_001])
def test_the_bytes_of_an_answered_request_are_given_back(small: httpx.Client, body: bytes) -> None:
    for _ in range(5):
        small.post("/predict", content=body, headers=HEADERS)
    assert post(small, 200).status_code == 200
