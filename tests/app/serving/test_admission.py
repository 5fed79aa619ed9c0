"""How many photos are admitted, and when a refused client may come back."""

import pytest

from app.serving.admission import Admission, QueueFull


class Clock:
    """A clock that stands still unless it is told to go on."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_photos_are_admitted_all_or_none() -> None:
    admission = Admission(10)
    admission.admit(8)
    with pytest.raises(QueueFull, match="at most 10") as caught:
        admission.admit(3)
    assert (caught.value.limit, caught.value.actual) == (10, 8)
    assert admission.admitted == 8
    admission.admit(2)
    admission.release(10)
    assert admission.admitted == 0


def test_the_time_to_wait_follows_from_the_measured_rate() -> None:
    clock = Clock()
    admission = Admission(100, clock)
    assert admission.retry_after == 1
    admission.admit(100)
    for _ in range(50):  # ten photos a second
        clock.now += 0.1
        admission.release()
    assert admission.retry_after == 5
    for _ in range(50):
        clock.now += 0.1
        admission.release()
    clock.now += 1000  # idle: no part of the rate
    admission.admit(100)
    assert admission.retry_after == 10


def test_a_new_rate_is_believed_soon_and_never_too_long() -> None:
    clock = Clock()
    admission = Admission(1000, clock)
    for seconds, photos in ((0.01, 2000), (1.0, 1500)):
        for _ in range(photos):
            admission.admit()
            clock.now += seconds
            admission.release()
    admission.admit(50)
    assert admission.retry_after == pytest.approx(50, abs=3)
    admission.admit(950)
    assert admission.retry_after == 60
