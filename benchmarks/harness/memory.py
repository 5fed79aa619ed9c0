"""A server's processes and how much memory they take, by what Linux says in /proc."""

from pathlib import Path

_PROC = Path("/proc")


def resident(pid: int) -> int:
    """Resident bytes of a process and all that it has started (VmRSS; 0 for one that ended)."""
    return sum(_status(each, "VmRSS") for each in family(pid))


def peak(pid: int) -> int:
    """The most resident bytes since `reset_peak`, of a process and all that it has started."""
    return sum(_status(each, "VmHWM") for each in family(pid))


def reset_peak(pid: int) -> None:
    """Start `peak` anew (proc(5): 5 into clear_refs)."""
    for each in family(pid):
        (_PROC / str(each) / "clear_refs").write_text("5")


def family(pid: int) -> list[int]:
    """A process and all its descendants that still run."""
    found = [pid]
    for each in found:  # grows while it is walked
        for children in (_PROC / str(each) / "task").glob("*/children"):
            found += map(int, _read(children).split())
    return found


def born(pid: int) -> int:
    """When a process was started, in clock ticks since the machine's start; 0 if there is none.

    Together with its number it names a process for good: numbers are given again.
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
    except OSError:  # ended meanwhile
        return ""
