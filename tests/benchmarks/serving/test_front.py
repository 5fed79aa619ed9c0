import shutil

import pytest

from benchmarks.harness.wrk import Body
from benchmarks.serving.front import Cost, report
from tests.conftest import Command


def test_the_report_has_medians_and_what_one_front_process_allows() -> None:
    slow = Cost(0.002, 0.009, 100)
    costs: dict[Body, list[Cost]] = {
        "multipart": [Cost(0.0008, 0.0024, 500), slow, Cost(0.0008, 0.0024, 520)],
        "raw": [Cost(0.0005, 0.002, 600)],
    }
    lines = report(costs).splitlines()
    assert lines[2:] == [
        "| multipart | 0.80 ms | 2.40 ms | 500 | 1250 | 4.0 |",
        "| raw | 0.50 ms | 2.00 ms | 600 | 2000 | 5.0 |",
    ]


@pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")
def test_a_short_run_measures_both_processes(command: Command) -> None:
    done = command("benchmarks.serving.front", "--rounds", 1, "--seconds", 1)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("digits ")
    for line, body in zip(lines[4:], ("multipart", "raw"), strict=True):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[0] == body
        front, workers = (float(cell.removesuffix(" ms")) for cell in cells[1:3])
        assert 0 < front < 100
        assert 0 < workers < 100
