"""Python, its threads and its memory, set for a server of many small requests."""

import ctypes
import gc
import logging
import os
import sys
from contextlib import suppress

# How long a thread may keep the interpreter's lock while others wait for it, in seconds. A
# worker takes it some ten times a photo; with Python's 5 ms a flood of refusals cost it half of
# its photos, with this a fifth, while all of them went through the application. Those of
# `app.server.load_shedding` hold it so shortly that 0.2, 1 and 5 ms are the same but for the noise.
SWITCH_INTERVAL = 0.0002

# Objects made before the collector looks at the young ones. A request makes hundreds, nearly
# all freed without it; with Python's 700 a tenth of the event loop's time goes there.
_YOUNG = 10_000

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8

_ARENAS = 2  # by itself glibc makes eight a core
# Bytes. What a usual photo takes is used again by the next one: pages that were given back have
# to be cleared before they are used again. What only a large photo takes is given back at once.
_LARGE = 2 * 1024 * 1024
_KEPT = 2 * _LARGE  # at the top of an arena

# How much lower than the event loop's a worker's priority is (see `man 7 sched`, "nice").
_NICENESS = 10


def tune() -> None:
    """Set them for this process; call it when the model is loaded, before serving.

    What lives by now lives until the end, so the collector need not look at it again. Log
    records do not look for the line that made them, nor name their thread and process, as no
    formatter of ours prints that (see "Optimization" in Python's logging how-to).
    """
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def lower_priority() -> None:
    """Let the event loop go first; call it in a thread that works on photos.

    The event loop runs for half a millisecond at a time and then sleeps. With workers of its own
    priority on every core, the system let it wait for one of them to use up its time, some
    milliseconds a request: under a flood the refusals, and with them the accepted, waited for
    seconds (`python -m benchmarks.serving.overload`). WorkerPool still get every core that it
    leaves.
    """
    # Elsewhere than on Linux a priority is a process's, and this would slow the event loop, too.
    if sys.platform == "linux":
        with suppress(OSError):  # a sandbox may forbid it, and then it is as it was before
            mine = os.getpriority(os.PRIO_PROCESS, 0)  # 0: this thread; new ones inherit it
            os.setpriority(os.PRIO_PROCESS, 0, mine + _NICENESS)


def return_freed_memory() -> bool:
    """Have glibc return what is freed; call it before there are threads.

    Decoders allocate and free a photo's pixels in whatever thread works on it. glibc keeps
    that memory in an arena for each of those threads and, after a large photo, returns less
    and less of it: a service that meets all kinds of photos would grow for hours.

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
