"""What a refused photo took is freed at once: a cycle would keep it until the collector comes."""

import gc

import httpx
import pytest

from app.imaging.errors import PhotoError
from tests import pictures
from tests.conftest import serving
from tests.service.busy import tiny

_BROKEN = pictures.encode(pictures.gradient(), "JPEG")[:-200]


def alive() -> int:
    """Errors that something still refers to; each holds its photo's bytes and pixels."""
    return sum(isinstance(thing, PhotoError) for thing in gc.get_objects())


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict", {"content": _BROKEN, "headers": {"Content-Type": "image/jpeg"}}),
        ("/predict/batch", {"files": [("files", _BROKEN), ("files", _BROKEN)]}),
        ("/explain", {"content": _BROKEN, "headers": {"Content-Type": "image/jpeg"}}),
    ],
)
def test_a_broken_photo_leaves_nothing_behind(path: str, body: dict[str, object]) -> None:
    with serving(tiny()) as client:
        _post(client, path, body)
        gc.collect()
        others = alive()  # of other tests' modules
        gc.disable()
        try:
            for _ in range(5):
                _post(client, path, body)
            assert alive() <= others + 1  # the last one may still be on its way out
        finally:
            gc.enable()


def _post(client: httpx.Client, path: str, body: dict[str, object]) -> None:
    assert "broken-photo" in client.post(path, **body).text  # type: ignore[arg-type]
