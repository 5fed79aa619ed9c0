"""Threads that take waiting items in order of arrival, a batch at a time."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from app.serving import runtime

T = TypeVar("T")
R = TypeVar("R")


class WorkerPool(Generic[T, R]):
    """Threads that share one queue of items.

    Args:
        work: called with a batch in order of arrival, returns one result for each item. A result
            that is an exception is raised by the item's future. An exception that `work` raises
            is raised by all futures of the batch.
        threads: the number of threads; each works on one batch at a time.
        can_join: called with a batch and the next waiting item; whether the item joins the batch.
            It is asked only if more items wait than other threads are idle.
    """

    def __init__(
        self,
        work: Callable[[list[T]], Sequence[R | Exception]],
        threads: int,
        can_join: Callable[[list[T], T], bool] = lambda _batch, _item: False,
    ) -> None:
        self._work = work
        self._can_join = can_join
        self._waiting: OrderedDict[Future[R], T] = OrderedDict()
        self._changed = threading.Condition()
        self._stopped = False
        self.busy = 0  # threads at work
        self._threads = [
            threading.Thread(target=self._run, name=f"worker-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def __len__(self) -> int:
        """How many items are waiting."""
        return len(self._waiting)

    def submit(self, item: T) -> Future[R]:
        """Put an item at the end of the queue. Cancelling the future takes it out again."""
        future: Future[R] = Future()
        with self._changed:
            if self._stopped:
                raise RuntimeError("the workers have been stopped")
            self._waiting[future] = item
            self._changed.notify()
        future.add_done_callback(self._forget)
        return future

    def stop(self, patience: float = 1.0) -> None:
        """Cancel what waits, and wait up to `patience` seconds for what is in work."""
        with self._changed:
            self._stopped = True
            waiting = list(self._waiting)
            self._changed.notify_all()
        for future in waiting:
            future.cancel()
        deadline = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _forget(self, future: "Future[R]") -> None:
        # Without this the bytes of cancelled photos would stay in memory until their turn.
        if future.cancelled():
            with self._changed:
                self._waiting.pop(future, None)

    def _run(self) -> None:
        runtime.lower_priority()
        while (batch := self._take()) is not None:
            _run_batch(self._work, *batch)
            del batch  # an idle thread must not keep a photo in memory
            with self._changed:
                self.busy -= 1

    def _take(self) -> "tuple[list[Future[R]], list[T]] | None":
        """The next batch, or None after `stop`; counts the thread as busy."""
        with self._changed:
            while not self._stopped:
                futures, items = self._pop_batch()
                if items:
                    self.busy += 1
                    return futures, items
                self._changed.wait()
            return None

    def _pop_batch(self) -> "tuple[list[Future[R]], list[T]]":
        futures: list[Future[R]] = []
        items: list[T] = []
        while self._waiting:
            future, item = next(iter(self._waiting.items()))
            # Each idle thread gets one item before any thread gets a second one.
            idle = len(self._threads) - self.busy - 1  # this thread is not counted as busy yet
            if items and (len(self._waiting) <= idle or not self._can_join(items, item)):
                break
            del self._waiting[future]
            if future.set_running_or_notify_cancel():
                futures.append(future)
                items.append(item)
        return futures, items


def _run_batch(
    work: Callable[[list[T]], Sequence[R | Exception]], futures: "list[Future[R]]", items: list[T]
) -> None:
    """Do the work, and give each item of the batch its result, or all of them the error."""
    try:
        results = work(items)
        if len(results) != len(items):
            raise RuntimeError(f"{len(results)} results for {len(items)} items")
    except BaseException as error:
        for future in futures:
            future.set_exception(error)
        # The error's traceback has this frame, whose variables would keep the photos in memory.
        del future, futures, items
    else:
        for future, result in zip(futures, results, strict=True):
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
