"""Settings of Python and of its threads, as a server of many small requests wants them."""

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


def step_back() -> None:
    """Let the event loop go first; call it in a thread that works on photos.

    The event loop runs for half a millisecond at a time and then sleeps. With workers of its own
    priority on every core, the system let it wait for one of them to use up its time, some
    milliseconds a request: under a flood the refusals, and with them the accepted, waited for
    seconds (`python -m benchmarks.serving.overload`). Workers still get every core that it leaves.
    """
    # Elsewhere than on Linux a priority is a process's, and this would slow the event loop, too.
    if sys.platform == "linux":
        with suppress(OSError):  # a sandbox may forbid it, and then it is as it was before
            mine = os.getpriority(os.PRIO_PROCESS, 0)  # 0: this thread; new ones inherit it
            os.setpriority(os.PRIO_PROCESS, 0, mine + _NICENESS)
