"""How many photos may be in the service at a time, and how soon a refused client may try again."""

import math
import time
from collections.abc import Callable

_MEMORY = 256  # photos after which older ones count half in the drain rate
_LONGEST_RETRY = 60  # seconds


class QueueFull(Exception):
    """There is no place left; `retry_after` is the time in which all before are done, in s."""

    def __init__(self, limit: int, actual: int, retry_after: int) -> None:
        super().__init__(f"{actual} photos are waiting or worked on; at most {limit} may be.")
        self.limit = limit
        self.actual = actual
        self.retry_after = retry_after


class Admission:
    """Counts photos in and out. For one thread, as an event loop is."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self.admitted = 0
        self._clock = clock
        self._since = clock()
        self._busy = 0.0  # seconds in which there was something to do
        self._left = 0.0  # photos that left in them

    def check(self, photos: int = 1) -> None:
        """Raise what `admit` would raise, without taking a place.

        Raises:
            QueueFull: fewer than `photos` places are left.
        """
        if self.admitted + photos > self.limit:
            raise QueueFull(self.limit, self.admitted, self.retry_after)

    def admit(self, photos: int = 1) -> None:
        """Take places, all or none.

        Raises:
            QueueFull: fewer than `photos` are left.
        """
        self.check(photos)
        self._pass_time()
        self.admitted += photos

    def release(self, photos: int = 1) -> None:
        """The photos are done, one way or the other."""
        self._pass_time()
        self.admitted -= photos
        self._left += photos
        if self._left > _MEMORY:
            self._left /= 2
            self._busy /= 2

    @property
    def full(self) -> bool:
        """Whether not one place is left."""
        return self.admitted >= self.limit

    @property
    def retry_after(self) -> int:
        """Whole seconds in which all that are inside will be done, at the measured rate."""
        if not self._left:
            return 1
        seconds = self.admitted * self._busy / self._left
        return min(max(math.ceil(seconds), 1), _LONGEST_RETRY)

    def _pass_time(self) -> None:
        now = self._clock()
        if self.admitted:
            self._busy += now - self._since
        self._since = now
