"""Read the memory and the processor time of a server and its child processes from Linux's /proc."""

import os
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")


def resident_bytes(pid: int) -> int:
    """Return the resident bytes (VmRSS) of a process and its descendants; 0 if it has ended."""
    return sum(_status(each, "VmRSS") for each in process_tree(pid))


def pss_bytes(pid: int) -> int:
    """Return the memory (PSS) of a process and its descendants; common pages count once."""
    return sum(map(proportional_bytes, process_tree(pid)))


def proportional_bytes(pid: int) -> int:
    """Return the memory of one process (PSS): its own pages, and its share of common ones."""
    for line in _read(_PROC / str(pid) / "smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return _status(pid, "VmRSS")  # another user's, or one that keeps its memory private


def highest_bytes(pid: int) -> int:
    """Return the highest resident bytes (VmHWM) of one process since `reset_peak`."""
    return _status(pid, "VmHWM")


def reset_peak(pid: int) -> None:
    """Reset `highest_bytes` of a process and its descendants: a 5 in clear_refs, see proc(5)."""
    for each in process_tree(pid):
        with suppress(OSError):  # it has ended
            (_PROC / str(each) / "clear_refs").write_text("5")


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process and its running descendants have used."""
    return sum(map(own_processor_seconds, process_tree(pid)))


def own_processor_seconds(pid: int) -> float:
    """Return the processor time, user and system, that one process has used; 0 if it has ended."""
    fields = _read(_PROC / str(pid) / "stat").rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def process_tree(pid: int) -> list[int]:
    """Return the ids of a process and all its running descendants."""
    found = [pid]
    for each in found:  # the list grows during the iteration
        for children in (_PROC / str(each) / "task").glob("*/children"):
            found += map(int, _read(children).split())
    return found


def start_time(pid: int) -> int:
    """Return when a process started, in clock ticks since the machine's start; 0 if it has ended.

    Process ids are reused; an id together with its start time identifies one process.
    """
    fields = _read(_PROC / str(pid) / "stat").rpartition(")")[2].split()
    return int(fields[19]) if fields else 0


def _status(pid: int, key: str) -> int:
    for line in _read(_PROC / str(pid) / "status").splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value.removesuffix("kB")) * 1024
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:  # the process has ended
        return ""
