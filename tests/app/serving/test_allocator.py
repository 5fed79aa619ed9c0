"""Freed memory goes back to the system where the C library can be told to."""

import platform
import subprocess
import sys

import pytest

from tests.conftest import ROOT

_CODE = "from app.serving.allocator import give_back_freed_memory as give; print(give())"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no mallopt")
def test_glibc_takes_the_settings() -> None:
    done = subprocess.run([sys.executable, "-c", _CODE], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "True", done.stderr
