"""What the processor is called, and which of its instructions the networks profit from."""

import platform
import re
from pathlib import Path

_INSTRUCTIONS = {
    "avx2": "AVX2", "avx512f": "AVX-512", "avx512_vnni": "AVX-512 VNNI", "avx_vnni": "AVX-VNNI",
    "asimddp": "NEON dot product", "i8mm": "NEON int8 matrices",
}  # fmt: skip


def processor(path: Path = Path("/proc/cpuinfo")) -> str:
    """Return the name and the instructions in words, as Linux tells them."""
    try:
        text = path.read_text()
    except OSError:
        return platform.machine()
    name = re.search(r"^model name\s*: *(.+)$", text, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*: *(.+)$", text, re.MULTILINE)
    has = set(flags[1].split()) if flags else set()
    words = [word for flag, word in _INSTRUCTIONS.items() if flag in has]
    return f"{name[1] if name else platform.machine()} with {', '.join(words) or 'no AVX2'}"
