"""The limits of a process, each in a process of its own."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

_BURN = "end = time.process_time() + 30\nwhile time.process_time() < end: pass"


def run(*lines: str) -> "subprocess.CompletedProcess[str]":
    program = "\n".join(["import time, socket", "from app.serving import limits", *lines])
    return subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip


def test_processor_time_ends_the_process() -> None:
    done = run("with limits.processor_time(0.3):", *(f"  {line}" for line in _BURN.splitlines()))
    assert done.returncode == -signal.SIGPROF


def test_processor_time_ends_with_its_block() -> None:
    done = run(
        "with limits.processor_time(0.2): pass",
        "end = time.process_time() + 0.5",
        "while time.process_time() < end: pass",
        "print('alive')",
    )
    assert (done.returncode, done.stdout) == (0, "alive\n")


@pytest.mark.parametrize(("size", "fits"), [(90, True), (110, False)])
def test_memory_is_limited_from_now_on(size: int, fits: bool) -> None:
    done = run(
        "memory = limits.Memory()",
        "limits.confine()",
        "kept = bytearray(50 * 2**20)",
        "memory.allow(100 * 2**20)",
        "try:",
        f"    bytearray({size} * 2**20)",
        "    print('fits')",
        "except MemoryError: print('fails')",
        "memory.allow(200 * 2**20)",
        "bytearray(150 * 2**20)",
    )
    assert (done.returncode, done.stdout) == (0, "fits\n" if fits else "fails\n"), done.stderr


def test_a_confined_process_opens_and_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    done = run(
        f"file = open({str(path)!r}, 'wb', 0)",
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)",
        "limits.confine()",
        "actions = (lambda: open('/etc/hostname'), socket.socket, lambda: file.write(b'x'))",
        "for action in actions:",
        "    try: action()",
        "    except OSError: print('no')",
    )
    assert (done.returncode, done.stdout) == (0, "no\n" * 3), done.stderr
    assert path.read_bytes() == b""
