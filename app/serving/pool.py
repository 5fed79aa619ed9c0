"""Photos wait in one line, and whoever comes free takes the next; nobody waits for a timer.

Places   how many photos may be inside at a time, and how fast they leave
Workers  threads that take what is waiting, in order of arrival, a batch at a time
"""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from app.serving import runtime

T = TypeVar("T")
R = TypeVar("R")

_MEMORY = 256  # photos after which older ones count half in the drain rate
_LONGEST_RETRY = 60  # seconds


class Full(Exception):
    """There is no place left; `retry_after` is the time in which all before are done, in s."""

    def __init__(self, limit: int, actual: int, retry_after: int) -> None:
        super().__init__(f"{actual} photos are waiting or worked on; at most {limit} may be.")
        self.limit = limit
        self.actual = actual
        self.retry_after = retry_after


class Places:
    """Counts photos in and out. For one thread, as an event loop is."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self.taken = 0
        self._clock = clock
        self._since = clock()
        self._busy = 0.0  # seconds in which there was something to do
        self._left = 0.0  # photos that left in them

    def check(self, photos: int = 1) -> None:
        """Raise what `take` would raise, without taking a place.

        Raises:
            Full: fewer than `photos` places are left.
        """
        if self.taken + photos > self.limit:
            raise Full(self.limit, self.taken, self.retry_after)

    def take(self, photos: int = 1) -> None:
        """Take places, all or none.

        Raises:
            Full: fewer than `photos` are left.
        """
        self.check(photos)
        self._pass_time()
        self.taken += photos

    def give_back(self, photos: int = 1) -> None:
        """The photos are done, one way or the other."""
        self._pass_time()
        self.taken -= photos
        self._left += photos
        if self._left > _MEMORY:
            self._left /= 2
            self._busy /= 2

    @property
    def full(self) -> bool:
        """Whether not one place is left."""
        return self.taken >= self.limit

    @property
    def retry_after(self) -> int:
        """Whole seconds in which all that are inside will be done, at the measured rate."""
        if not self._left:
            return 1
        seconds = self.taken * self._busy / self._left
        return min(max(math.ceil(seconds), 1), _LONGEST_RETRY)

    def _pass_time(self) -> None:
        now = self._clock()
        if self.taken:
            self._busy += now - self._since
        self._since = now


class Workers(Generic[T, R]):
    """Threads over one line of waiting items.

    Args:
        work: called with a batch in order of arrival, returns as many results. A result that is
            an exception is raised by its future; what `work` raises, by those of all of them.
        threads: how many batches are worked on at a time.
        joins: called with a batch and the item that waits next; whether that goes with it. It
            is asked when a thread comes free, while more wait than threads have nothing to do.
    """

    def __init__(
        self,
        work: Callable[[list[T]], Sequence[R | Exception]],
        threads: int,
        joins: Callable[[list[T], T], bool] = lambda _batch, _item: False,
    ) -> None:
        self._work = work
        self._joins = joins
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
        """Put an item at the end of the line. Cancelling the future takes it out again."""
        future: Future[R] = Future()
        with self._changed:
            if self._stopped:
                raise RuntimeError("the workers have been stopped")
            self._waiting[future] = item
            self._changed.notify()
        future.add_done_callback(self._forget)
        return future

    def stop(self, patience: float = 1.0) -> None:
        """Cancel what waits and let what is worked on finish, for `patience` seconds."""
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
        # Without this the bytes of cancelled photos would pile up behind a long line.
        if future.cancelled():
            with self._changed:
                self._waiting.pop(future, None)

    def _run(self) -> None:
        runtime.step_back()
        while (batch := self._take()) is not None:
            _settle(self._work, *batch)
            del batch  # an idle thread keeps no photo
            with self._changed:
                self.busy -= 1

    def _take(self) -> "tuple[list[Future[R]], list[T]] | None":
        """The next batch, or None after `stop`; counts the thread as busy."""
        with self._changed:
            while not self._stopped:
                futures, items = self._next()
                if items:
                    self.busy += 1
                    return futures, items
                self._changed.wait()
            return None

    def _next(self) -> "tuple[list[Future[R]], list[T]]":
        futures: list[Future[R]] = []
        items: list[T] = []
        while self._waiting:
            future, item = next(iter(self._waiting.items()))
            # Those who have nothing to do get a photo each before anybody gets another one.
            idle = len(self._threads) - self.busy - 1
            if items and (len(self._waiting) <= idle or not self._joins(items, item)):
                break
            del self._waiting[future]
            if future.set_running_or_notify_cancel():
                futures.append(future)
                items.append(item)
        return futures, items


def _settle(
    work: Callable[[list[T]], Sequence[R | Exception]], futures: "list[Future[R]]", items: list[T]
) -> None:
    """Do the work and give every item of the batch its result, or all of them the error."""
    try:
        results = work(items)
        if len(results) != len(items):
            raise RuntimeError(f"{len(results)} results for {len(items)} items")
    except BaseException as error:
        for future in futures:
            future.set_exception(error)
        # The error knows this frame, and would keep itself and the photos through it.
        del future, futures, items
    else:
        for future, result in zip(futures, results, strict=True):
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
