"""How many photos are admitted, and when a refused client may come back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    assert (caught.value.limit, caught.value.actual, caught.value.retry_after) == (10, 8, 1)
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


def test_a_refusal_names_the_time_to_wait() -> None:
    clock = Clock()
    admission = Admission(4, clock)
    admission.admit(4)
    clock.now += 7
    admission.release()
    admission.admit()
    with pytest.raises(QueueFull) as caught:
        admission.check()
    assert caught.value.retry_after == 4 * 7


def test_a_check_is_for_one_photo_and_admits_none() -> None:
    admission = Admission(1)
    admission.check()
    assert admission.admitted == 0
    admission.admit()
    with pytest.raises(QueueFull):
        admission.check()


def test_the_last_256_photos_count_in_full() -> None:
    clock = Clock()
    admission = Admission(10, clock)
    for seconds in [1] * 256 + [256]:
        admission.admit()
        clock.now += seconds
        admission.release()
    admission.admit(10)
    assert admission.retry_after == 20  # 512 seconds for 257 photos


@given(
    limit=st.integers(1, 6),
    steps=st.lists(
        st.tuples(
            st.sampled_from(["admit", "check", "release"]), st.integers(1, 7), st.floats(0, 9)
        ),
        max_size=30,
    ),
)
@settings(max_examples=150, derandomize=True, deadline=None)
def test_any_interleaving_counts_as_a_simple_model(
    limit: int, steps: list[tuple[str, int, float]]
) -> None:
    clock = Clock()
    admission = Admission(limit, clock)
    inside, left, busy = 0, 0, 0.0
    for action, photos, seconds in steps:
        clock.now += seconds
        busy += seconds if inside else 0
        if action == "release":
            photos = min(photos, inside)
            admission.release(photos)
            inside, left = inside - photos, left + photos
        elif inside + photos > limit:
            with pytest.raises(QueueFull) as caught:
                getattr(admission, action)(photos)
            assert (caught.value.limit, caught.value.actual) == (limit, inside)
        else:
            getattr(admission, action)(photos)
            inside += photos if action == "admit" else 0
        assert admission.admitted == inside
        assert 1 <= admission.retry_after <= 60
    admission.release(inside)
    admission.admit(limit)
    left += inside
    if left:
        exact = min(max(limit * busy / left, 1), 60)
        assert exact - 1e-6 <= admission.retry_after < exact + 1 + 1e-6
