"""What `python -m app` sets in its process; tested in processes of their own, as it stays set."""

import platform
import subprocess
import sys

import pytest

from tests.conftest import ROOT

_TUNED = """
import gc, logging, sys
from app import logs
from app.serving import runtime
logs.set_up("json", "info")
runtime.tune()
assert abs(sys.getswitchinterval() - runtime.SWITCH_INTERVAL) < 1e-6
assert gc.isenabled() and gc.get_freeze_count() > 1_000
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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no mallopt")
def test_glibc_takes_the_settings() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from app.serving.runtime import return_freed_memory as give; print(give())",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "True", done.stderr
