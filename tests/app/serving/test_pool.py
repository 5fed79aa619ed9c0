"""The line of waiting photos: order, bounds, batches, cancellation, errors, the end."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager

import pytest

from app.serving.pool import WorkerPool


class Held:
    """Work that waits until it is let go, and remembers its batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.started = threading.Semaphore(0)
        self.go = threading.Semaphore(0)

    def __call__(self, items: list[int]) -> list[int]:
        self.batches.append(items)
        self.started.release()
        assert self.go.acquire(timeout=10)
        return [item * 10 for item in items]


@contextmanager
def working(
    work: Callable[[list[int]], list[int]], threads: int = 1, max_batch: int = 1
) -> Iterator[WorkerPool[int, int]]:
    workers = WorkerPool(work, threads, lambda batch, _: len(batch) < max_batch)
    yield workers
    workers.stop()


def test_results_belong_to_their_items() -> None:
    with working(lambda items: [item * 10 for item in items], threads=4, max_batch=3) as workers:
        futures = [workers.submit(number) for number in range(500)]
        assert [future.result(10) for future in futures] == [10 * n for n in range(500)]


def test_whoever_waits_goes_in_the_next_batch_in_order() -> None:
    held = Held()
    with working(held, max_batch=4) as workers:
        futures = [workers.submit(0)]
        assert held.started.acquire(timeout=10)
        futures += [workers.submit(number) for number in range(1, 7)]
        assert len(workers) == 6
        held.go.release(3)
        assert [future.result(10) for future in futures] == [0, 10, 20, 30, 40, 50, 60]
    assert held.batches == [[0], [1, 2, 3, 4], [5, 6]]


def test_nobody_takes_two_while_another_has_nothing_to_do() -> None:
    held = Held()
    with working(held, threads=3, max_batch=2) as workers:
        with workers._changed:  # so that all of them wait before anybody wakes up
            futures = [workers.submit(number) for number in range(4)]
        for _ in range(3):
            assert held.started.acquire(timeout=10)
        held.go.release(4)
        assert [future.result(10) for future in futures] == [0, 10, 20, 30]
    assert sorted(map(len, held.batches[:3])) == [1, 1, 2]


def test_what_goes_together_is_for_the_first_to_say() -> None:
    held = Held()
    workers = WorkerPool(held, 1, lambda batch, item: item % 2 == batch[0] % 2)
    futures = [workers.submit(8)]
    assert held.started.acquire(timeout=10)
    futures += [workers.submit(number) for number in (1, 3, 5, 2, 4, 7)]
    held.go.release(4)
    assert [future.result(10) for future in futures] == [80, 10, 30, 50, 20, 40, 70]
    workers.stop()
    assert held.batches == [[8], [1, 3, 5], [2, 4], [7]]


def test_no_more_batches_at_a_time_than_threads() -> None:
    held = Held()
    with working(held, threads=2) as workers:
        futures = [workers.submit(number) for number in range(5)]
        for _ in range(2):
            assert held.started.acquire(timeout=10)
        assert not held.started.acquire(timeout=0.1)
        assert (workers.busy, len(workers)) == (2, 3)
        held.go.release(5)
        assert [future.result(10) for future in futures] == [0, 10, 20, 30, 40]
    assert workers.busy == 0


def test_what_is_cancelled_while_it_waits_is_forgotten() -> None:
    held = Held()
    with working(held) as workers:
        first, second, third = (workers.submit(number) for number in range(3))
        assert held.started.acquire(timeout=10)
        assert second.cancel()
        assert len(workers) == 1
        assert not first.cancel()
        held.go.release(2)
        assert (first.result(10), third.result(10)) == (0, 20)
    assert held.batches == [[0], [2]]


def test_an_error_is_the_result_of_its_batch_alone() -> None:
    def fail_at_two(items: list[int]) -> list[int]:
        if 2 in items:
            raise ValueError("two")
        return items

    with working(fail_at_two) as workers:
        futures = [workers.submit(number) for number in range(4)]
        assert isinstance(futures[2].exception(10), ValueError)
        assert [futures[n].result(10) for n in (0, 1, 3)] == [0, 1, 3]


def test_a_result_that_is_an_error_is_one_of_its_item_alone() -> None:
    held = Held()

    def fail_at_two(items: list[int]) -> list[int | Exception]:
        held(items)
        return [ValueError("two") if item == 2 else item for item in items]

    workers = WorkerPool(fail_at_two, 1, lambda _batch, _item: True)
    futures = [workers.submit(0)]
    assert held.started.acquire(timeout=10)
    futures += [workers.submit(number) for number in (1, 2, 3)]
    held.go.release(2)
    assert isinstance(futures[2].exception(10), ValueError)
    assert [futures[n].result(10) for n in (0, 1, 3)] == [0, 1, 3]
    workers.stop()
    assert held.batches == [[0], [1, 2, 3]]


def test_too_few_results_are_an_error_not_a_hang() -> None:
    with working(lambda _: []) as workers:
        assert isinstance(workers.submit(1).exception(10), RuntimeError)
        assert isinstance(workers.submit(2).exception(10), RuntimeError)


def test_the_end_cancels_what_waits_and_finishes_what_is_worked_on() -> None:
    held = Held()
    workers = WorkerPool(held, 1)
    first, second = workers.submit(1), workers.submit(2)
    assert held.started.acquire(timeout=10)
    held.go.release()
    workers.stop()
    assert first.result(0) == 10
    with pytest.raises(CancelledError):
        second.result(0)
    with pytest.raises(RuntimeError, match="stopped"):
        workers.submit(3)


def test_many_threads_may_submit_and_cancel_at_once() -> None:
    futures: list[Future[int]] = []

    def submit_many(start: int) -> None:
        for number in range(start, start + 200):
            futures.append(workers.submit(number))
            if number % 3 == 0:
                futures[-1].cancel()

    with working(lambda items: items, threads=3, max_batch=2) as workers:
        clients = [threading.Thread(target=submit_many, args=(n * 200,)) for n in range(6)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        done = [future for future in futures if not future.cancelled()]
        assert len(done) >= 800
        assert len({future.result(10) for future in done}) == len(done)
        assert len(workers) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority")
def test_workers_have_a_lower_priority_than_the_event_loop() -> None:
    def niceness(items: list[int]) -> list[int]:
        return [os.getpriority(os.PRIO_PROCESS, 0) for _ in items]

    mine = os.getpriority(os.PRIO_PROCESS, 0)
    with working(niceness) as workers:
        assert workers.submit(0).result(10) > mine
    assert os.getpriority(os.PRIO_PROCESS, 0) == mine
