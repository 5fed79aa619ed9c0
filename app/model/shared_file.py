"""A checked file in memory that processes share, so that each of them need not hold a copy."""

import os
import sys
import weakref
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any

if sys.platform == "linux":
    import fcntl


class SharedFile:
    """The bytes of a file, for this process and for those that it is sent to when they start.

    Linux keeps one copy, which nobody can change; elsewhere each process has its own.

    Args:
        content: the bytes.
    """

    def __init__(self, content: bytes) -> None:
        self._content = b""
        if sys.platform == "linux":
            self._hold(os.memfd_create("model", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING))
            with open(self._descriptor, "wb", closefd=False) as file:
                file.write(content)
            fcntl.fcntl(self._descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
        else:
            self._content = content

    def read(self) -> bytes:
        """A copy of the bytes. Nothing is opened for it: a confined worker could not do that."""
        if self._content:
            return self._content
        return os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 0)

    def path(self) -> Path | None:
        """Where this process can open the file; None where it has a copy of its own."""
        return None if self._content else Path(f"/proc/self/fd/{self._descriptor}")

    def __getstate__(self) -> Any:
        """For a process that is being started."""
        return self._content or DupFd(self._descriptor)

    def __setstate__(self, state: Any) -> None:
        """In the process that was started."""
        self._content = state if isinstance(state, bytes) else b""
        if not self._content:
            self._hold(state.detach())

    def _hold(self, descriptor: int) -> None:
        self._descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)
