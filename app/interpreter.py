"""Python's own settings, as a server of many small requests wants them."""

import gc
import logging
import sys

# How long a thread may keep the interpreter's lock while others wait for it, in seconds. A
# worker takes it some ten times a photo; with Python's 5 ms a flood of refusals cost it half of
# its photos, with this a fifth.
SWITCH_INTERVAL = 0.0002

# Objects made before the collector looks at the young ones. A request makes hundreds, nearly
# all freed without it; with Python's 700 a tenth of the event loop's time goes there.
_YOUNG = 10_000


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
