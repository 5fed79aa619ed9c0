"""What a worker does with a photo, and which photos may form a batch."""

import time
import traceback
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from app.imaging.errors import BrokenPhoto
from app.serving.worker import (
    Decoded,
    Job,
    PhotoJob,
    can_batch,
    can_batch_decoded,
    decode,
    decode_or_error,
)

LIGHT, HEAVY = bytes(512 * 1024), bytes(512 * 1024 + 1)
PIXELS = np.zeros((2, 3, 1), np.uint8)


def model(max_batch: int = 3, error: Exception | None = None) -> Any:
    """A classifier whose pixels are `PIXELS`, or that fails."""

    def pixels(data: bytes) -> np.ndarray:
        if error is not None:
            raise error
        return PIXELS + len(data)

    return SimpleNamespace(pixels=pixels, engine=SimpleNamespace(max_batch=max_batch))


def test_the_seconds_of_a_decoded_photo() -> None:
    decoded = Decoded(PIXELS, began=10.0, ended=13.0)
    assert decoded.seconds == 3
    assert decoded.queued(arrived=8.0, taken=18.0) == 2 + 5


def test_photos_of_one_model_form_a_batch_up_to_its_size() -> None:
    classifier = model(max_batch=3)
    job = PhotoJob(classifier, b"", 0)
    assert can_batch([job], job)
    assert can_batch([job, job], job)
    assert not can_batch([job, job, job], job)
    photo = (classifier, PIXELS)
    assert can_batch_decoded([photo], photo)
    assert can_batch_decoded([photo, photo], photo)
    assert not can_batch_decoded([photo, photo, photo], photo)


def test_photos_of_two_models_form_no_batch() -> None:
    one, other = model(), model()  # equal, and yet not the same
    assert one.engine == other.engine
    assert not can_batch([PhotoJob(one, b"", 0)], PhotoJob(other, b"", 0))
    assert not can_batch_decoded([(one, PIXELS)], (other, PIXELS))


@pytest.mark.parametrize(("first", "second"), [(LIGHT, HEAVY), (HEAVY, LIGHT)])
def test_a_heavy_photo_joins_no_batch(first: bytes, second: bytes) -> None:
    classifier = model()
    jobs: list[Job] = [PhotoJob(classifier, data, 0) for data in (first, second)]
    assert not can_batch(jobs[:1], jobs[1])
    light = PhotoJob(classifier, LIGHT, 0)
    assert can_batch([light], light)


def test_other_work_joins_no_batch() -> None:
    photo = PhotoJob(model(), b"", 0)
    assert not can_batch([photo], list)
    assert not can_batch([list], photo)


def test_decoding_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([5.0, 7.5])
    monkeypatch.setattr(time, "perf_counter", lambda: next(times))
    decoded = decode(model(), b"four")
    assert (decoded.began, decoded.ended) == (5.0, 7.5)
    assert decoded.pixels.tolist() == (PIXELS + 4).tolist()


def test_a_decoded_photo_of_a_batch() -> None:
    decoded = decode_or_error(PhotoJob(model(), b"four", 0))
    assert isinstance(decoded, Decoded)
    assert decoded.pixels.tolist() == (PIXELS + 4).tolist()


def test_a_photos_error_keeps_nothing_alive() -> None:
    cause = ValueError("of the parser")
    error = BrokenPhoto("JPEG", "cut off")
    error.__cause__ = cause
    error.__context__ = cause
    assert decode_or_error(PhotoJob(model(error=error), b"", 0)) is error
    assert [error.__traceback__, error.__cause__, error.__context__] == [None] * 3


def test_a_defect_keeps_its_traceback() -> None:
    error = RuntimeError("a defect")
    assert decode_or_error(PhotoJob(model(error=error), b"", 0)) is error
    assert "in pixels" in "".join(traceback.format_exception(error))
