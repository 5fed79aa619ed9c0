"""The processor is told in words."""

from pathlib import Path

import pytest

from benchmarks.harness.processor import processor

X86 = """processor\t: 0
model name\t: Some Processor @ 2.0GHz
flags\t\t: fpu sse avx2 avx512f avx512_vnni avx_vnni amx_int8

processor\t: 1
model name\t: Some Processor @ 2.0GHz
flags\t\t: fpu
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (X86, "Some Processor @ 2.0GHz with AVX2, AVX-512, AVX-512 VNNI, AVX-VNNI"),
        ("model name : Old One\nflags : fpu sse\n", "Old One with no AVX2"),
        ("model name : Arm\nFeatures : fp asimd asimddp\n", "Arm with NEON dot product"),
    ],
)
def test_name_and_instructions(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert processor(tmp_path / "cpuinfo") == expected


def test_where_linux_tells_nothing_the_machine_is_named(tmp_path: Path) -> None:
    assert " with " not in processor(tmp_path / "cpuinfo")
