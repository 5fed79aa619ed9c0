"""Jobs that do to a worker what photos may do, and jobs that look around in it."""

import ctypes
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.imaging.errors import BrokenPhoto
from app.model.classifier import Classifier


def sleep(_: Classifier, data: bytes) -> dict[str, Any]:
    """Wait for so many seconds, without using the processor."""
    time.sleep(float(data))
    return {"slept": float(data), "process": os.getpid()}


def burn(_: Classifier, data: bytes) -> dict[str, Any]:
    """Use the processor for so many seconds."""
    end = time.process_time() + float(data)
    while time.process_time() < end:
        pass
    return {"process": os.getpid()}


def crash(_: Classifier, data: bytes) -> dict[str, Any]:
    """End the process by a signal, as a fault in a library does."""
    os.kill(os.getpid(), signal.Signals[data.decode()])
    time.sleep(10)
    return {}


def allocate(_: Classifier, data: bytes) -> dict[str, Any]:
    """Take so many MiB of memory for a moment."""
    taken = bytearray(int(data) * 2**20)
    return {"size": len(taken)}


def fail(_: Classifier, data: bytes) -> dict[str, Any]:
    """Fail by the photo's fault, or by a defect."""
    if data == b"photo":
        raise BrokenPhoto("JPEG", "cut off")
    raise RuntimeError("of ours")


def look(_: Classifier, data: bytes) -> dict[str, Any]:  # noqa: ARG001
    """What can be opened from here, and what the process was given."""
    found: dict[str, Any] = {"environment": sorted(os.environ)}
    actions: dict[str, Callable[[], object]] = {
        "file": lambda: Path("/etc/hostname").read_bytes(),
        "connection": socket.socket,
        "process": os.pipe,
    }
    for name, action in actions.items():
        try:
            action()
            found[name] = "possible"
        except OSError as error:
            found[name] = type(error).__name__
    return found


def picture(_: Classifier, data: bytes) -> bytes:
    """Answer with bytes."""
    return data[::-1]


def fault(_: Classifier, data: bytes) -> dict[str, Any]:  # noqa: ARG001
    """Read from an address that there is not."""
    return {"value": ctypes.string_at(8)}


JOBS = {job.__name__: job for job in (sleep, burn, crash, allocate, fail, look, picture, fault)}
