"""What `python -m app` sets in Python itself; in processes of their own, as it is for good."""

import os
import subprocess
import sys

import pytest

from app.batching import Workers
from tests.conftest import ROOT

_TUNED = """
import gc, logging, sys
from app import interpreter, logs
logs.set_up("json", "info")
interpreter.tune()
assert sys.getswitchinterval() == interpreter.SWITCH_INTERVAL
assert gc.isenabled() and gc.get_freeze_count() > 10_000
class Cycle: pass
for _ in range(30_000):
    one = Cycle(); one.itself = one
assert gc.get_count()[0] < 20_000
logging.getLogger("test").info("hello", extra={"fields": {"status": 200}})
"""


def test_cycles_are_still_collected_and_lines_still_written() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _TUNED], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    line = done.stderr.strip()
    assert '"logger": "test", "message": "hello"' in line
    assert '"status": 200' in line


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a priority of their own on Linux")
def test_workers_give_way_to_the_event_loop() -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    workers: Workers[int, int] = Workers(lambda _: [os.getpriority(os.PRIO_PROCESS, 0)], 1)
    try:
        assert workers.submit(0).result(10) > before
    finally:
        workers.stop()
    assert os.getpriority(os.PRIO_PROCESS, 0) == before
