"""How much may be in the service at a time, and how soon a refused client may try again."""

import math
import time
from collections.abc import Callable

_MEMORY = 256  # photos after which older ones count half in the drain rate
_LONGEST_RETRY = 60  # seconds


class QueueFull(Exception):
    """Too many photos are in the service; `retry_after` is in seconds."""

    def __init__(self, limit: int, actual: int, retry_after: int) -> None:
        super().__init__(f"{actual} photos are waiting or worked on; at most {limit} may be.")
        self.limit = limit
        self.actual = actual
        self.retry_after = retry_after


class BufferFull(Exception):
    """The request bodies in memory would take more bytes than `limit`."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The requests in the service take {limit:,} bytes, the most that may be.")
        self.limit = limit


class Buffer:
    """Counts the bytes of the request bodies in memory. For use in one thread."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0

    def take(self, size: int) -> None:
        """Count bytes in.

        Raises:
            BufferFull: there is no room for so many; none are counted.
        """
        if self._used + size > self._limit:
            raise BufferFull(self._limit)
        self._used += size

    def give_back(self, size: int) -> None:
        """Count bytes out."""
        self._used -= size


class Admission:
    """Counts the photos in the service. For use in one thread, the event loop's."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self.admitted = 0
        self._clock = clock
        self._since = clock()
        self._busy = 0.0  # seconds in which there was something to do
        self._left = 0.0  # photos that left in them

    def check(self, photos: int = 1) -> None:
        """Raise what `admit` would raise, and admit nothing.

        Raises:
            QueueFull: there is no room for so many photos.
        """
        if self.admitted + photos > self.limit:
            raise QueueFull(self.limit, self.admitted, self.retry_after)

    def admit(self, photos: int = 1) -> None:
        """Admit all of the photos or none.

        Raises:
            QueueFull: there is no room for so many photos.
        """
        self.check(photos)
        self._pass_time()
        self.admitted += photos

    def release(self, photos: int = 1) -> None:
        """Count photos out that were answered, refused or given up."""
        self._pass_time()
        self.admitted -= photos
        self._left += photos
        if self._left > _MEMORY:
            self._left /= 2
            self._busy /= 2

    @property
    def retry_after(self) -> int:
        """Seconds until all admitted photos will be done at the measured rate, rounded up."""
        if not self._left:
            return 1
        seconds = self.admitted * self._busy / self._left
        return min(max(math.ceil(seconds), 1), _LONGEST_RETRY)

    def _pass_time(self) -> None:
        now = self._clock()
        if self.admitted:
            self._busy += now - self._since
        self._since = now
