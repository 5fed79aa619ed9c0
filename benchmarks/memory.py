"""How much memory a server takes, by what Linux says of its processes in /proc."""

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
