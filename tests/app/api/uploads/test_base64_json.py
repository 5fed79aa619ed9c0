"""Base64 in any of its forms, in pieces of any size, as the standard library decodes it."""

import base64
import random

import pytest

from app.api.problems import Problem
from app.api.uploads import base64_json

PHOTO = random.Random(0).randbytes(5_000)
PLAIN = base64.b64encode(PHOTO).decode()


@pytest.fixture(params=[4, 1 << 20])
def _pieces_of(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base64_json, "_PIECE", request.param)


FORMS = {
    "plain": PLAIN,
    "without padding": PLAIN.rstrip("="),
    "too much padding": PLAIN + "=====",
    "URL-safe": base64.urlsafe_b64encode(PHOTO).decode(),
    "in lines": base64.encodebytes(PHOTO).decode(),
    "white space everywhere": " \t\n\v\f\r".join(PLAIN),
    "a data URI": f"DATA:image/jpeg;BASE64, {PLAIN} ",
}


@pytest.mark.usefixtures("_pieces_of")
@pytest.mark.parametrize("name", FORMS)
def test_base64_is_decoded_in_every_form(name: str) -> None:
    assert base64_json.decode(FORMS[name]) == PHOTO


@pytest.mark.usefixtures("_pieces_of")
@pytest.mark.parametrize("size", range(12))
def test_every_length_is_decoded(size: int) -> None:
    text = base64.b64encode(PHOTO[:size]).decode()
    assert base64_json.decode(text) == base64_json.decode(text.rstrip("=")) == PHOTO[:size]


@pytest.mark.usefixtures("_pieces_of")
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("A", "base64"),
        ("AAAAA", "base64"),
        ("AA==AAAA", "excess data after padding"),
        ("AAA=AAAA", "excess data after padding"),
        ("=AAA", "excess data after padding"),
        ("AAAA!AAA", "base64"),
        ("AAAA\0AAA", "base64"),
        ("AAAA\u2003AAAA", "outside of ASCII"),
        ("Kätzchen", "outside of ASCII"),
    ],
)
def test_what_is_no_base64_is_a_problem(text: str, why: str) -> None:
    problem = base64_json.decode(text)
    assert isinstance(problem, Problem)
    assert (problem.status, problem.kind) == (422, "not-base64")
    assert why in problem.detail
