"""Settings of Python, its threads and its memory for a server of many small requests."""

import ctypes
import gc
import logging
import os
import sys
from contextlib import suppress

# Seconds that a thread may keep Python's lock while others wait for it. A worker takes the lock
# several times for each photo; with Python's 5 ms it would wait too long for the event loop.
SWITCH_INTERVAL = 0.0002

# New objects before the garbage collector runs. A request makes hundreds, and reference counting
# frees nearly all of them; with Python's 700 the collector would run for every few requests.
_YOUNG = 10_000

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8

_ARENAS = 2  # the default is eight for each core
# Bytes. Smaller blocks are kept for the next photo, because the system clears pages before it
# hands them out again. Larger blocks, which only a large photo needs, are returned at once.
_LARGE = 2 * 1024 * 1024
_KEPT = 2 * _LARGE  # free memory that an arena keeps at its top

# Added to a worker's niceness, so that the event loop runs first (see `man 7 sched`).
_NICENESS = 10


def tune() -> None:
    """Set Python up for this process; call it when the model is loaded, before serving.

    The objects that exist by now stay until the end, so the garbage collector can ignore them. Log
    records do not find out their line, thread and process, because no formatter here prints them
    (see "Optimization" in Python's logging how-to).
    """
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def lower_priority() -> None:
    """Give the calling thread, a worker, a lower priority than the event loop's.

    The event loop runs for less than a millisecond at a time. With workers of the same priority on
    every core, the system would let it wait until one of them has used up its time slice, for each
    request (`python -m benchmarks.serving.overload` shows it).
    """
    # On other systems a priority belongs to the process, and this would slow the event loop, too.
    if sys.platform == "linux":
        with suppress(OSError):  # a sandbox may forbid it
            mine = os.getpriority(os.PRIO_PROCESS, 0)  # 0 is this thread; new ones inherit it
            os.setpriority(os.PRIO_PROCESS, 0, mine + _NICENESS)


def return_freed_memory() -> bool:
    """Make glibc return freed memory to the system; call it before threads are started.

    A decoder allocates and frees a photo's pixels in its worker's thread. glibc keeps that memory
    in an arena for each thread and returns less and less of it after large photos, so that a
    service that gets photos of all sizes would grow for hours.

    Returns:
        Whether it could be set; other C libraries have no such settings.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # not glibc, or no such library: Windows
        return False
    settings = (
        (_M_ARENA_MAX, _ARENAS),
        (_M_TRIM_THRESHOLD, _KEPT),
        (_M_MMAP_THRESHOLD, _LARGE),
    )
    return all(mallopt(name, value) == 1 for name, value in settings)
