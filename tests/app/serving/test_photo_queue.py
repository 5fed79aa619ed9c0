"""The order of photos, their batches, and the one large photo at a time."""

import asyncio
from collections.abc import Callable

import pytest

from app.serving.admission import QueueFull
from app.serving.photo_queue import PhotoQueue, Task
from app.serving.worker import CLASSIFY

LIGHT, HEAVY = bytes(512 * 1024), bytes(512 * 1024 + 1)


def task(name: str = "", job: str = CLASSIFY, **members: bool) -> Task:
    loop = asyncio.new_event_loop()
    try:
        return Task(job, name.encode(), loop.create_future(), **members)
    finally:
        loop.close()


def filled(*tasks: Task) -> PhotoQueue:
    queue = PhotoQueue(most_large=8)
    for each in tasks:
        queue.add(each)
    return queue


def test_photos_leave_in_order_of_arrival_and_in_twos() -> None:
    tasks = [task(str(number)) for number in range(5)]
    queue = filled(*tasks)
    assert len(queue) == 5
    assert [queue.take(1) for _ in range(4)] == [tasks[:2], tasks[2:4], tasks[4:], []]
    assert len(queue) == 0


def test_each_idle_worker_gets_one_photo_before_any_gets_two() -> None:
    tasks = [task(str(number)) for number in range(4)]
    queue = filled(*tasks)
    assert queue.take(3) == tasks[:2]
    assert queue.take(2) == tasks[2:3]
    assert queue.take(1) == tasks[3:]


@pytest.mark.parametrize(
    "odd",
    [
        lambda: task(job="layers"),
        lambda: task(alone=True),
        lambda: Task(CLASSIFY, HEAVY, task().future),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_some_photos_join_no_batch(odd: Callable[[], Task], first: bool) -> None:
    light = Task(CLASSIFY, LIGHT, task().future)
    tasks = [odd(), light] if first else [light, odd()]
    queue = filled(*tasks, task(), task())
    assert queue.take(1) == tasks[:1]
    assert tasks[1] in queue.take(1)


def test_one_large_photo_is_at_work_at_a_time() -> None:
    large = [task(str(number), large=True) for number in range(3)]
    small = [task(), task()]
    queue = filled(*large[:2], *small, large[2])
    assert queue.take(1) == large[:1]
    assert queue.take(1) == small
    assert queue.take(1) == []
    assert len(queue) == 2
    queue.done(large[0])
    assert queue.take(1) == large[1:2]
    queue.done(large[1])
    queue.done(large[2])
    assert queue.take(1) == []


def test_a_photo_that_is_given_up_leaves_the_queue() -> None:
    tasks = [task("a"), task("b"), task("c")]
    queue = filled(*tasks)
    queue.done(tasks[1])
    assert queue.take(1) == [tasks[0], tasks[2]]
    queue.done(tasks[0])  # at work already: nothing to take out


def test_a_photo_whose_worker_ended_is_the_next() -> None:
    tasks = [task("a"), task("b", large=True), task("c")]
    queue = filled(*tasks)
    assert queue.take(2) == [tasks[1]]
    assert queue.take(2) == [tasks[0]]
    for each in tasks[:2]:
        each.alone = True
        queue.done(each)
        queue.put_back(each)
    assert queue.take(1) == [tasks[1]]
    assert queue.take(1) == [tasks[0]]
    assert queue.take(1) == [tasks[2]]


def test_there_is_a_limit_of_large_photos_that_wait() -> None:
    queue = filled(*(task(large=True) for _ in range(8)))
    with pytest.raises(QueueFull) as caught:
        queue.add(task(large=True))
    assert (caught.value.limit, caught.value.actual, len(queue)) == (8, 8, 8)
    queue.add(task())
    queue.take(1)
    queue.add(task(large=True))


def test_what_waits_can_be_cancelled() -> None:
    async def run() -> None:
        future = asyncio.get_running_loop().create_future
        tasks = [Task(CLASSIFY, b"", future(), large=number == 0) for number in range(3)]
        filled(*tasks).clear()
        assert all(each.future.cancelled() for each in tasks)

    asyncio.run(run())
