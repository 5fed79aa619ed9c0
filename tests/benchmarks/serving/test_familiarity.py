from pathlib import Path

from app.model.card import EXPLAIN
from app.model.version_folder import load_card
from benchmarks.harness.version_copy import copy_without
from benchmarks.harness.wrk import WrkResult
from benchmarks.serving.familiarity import CLIENTS, WITH, WITHOUT, report
from tests.conftest import ROOT


def test_the_report_has_medians_of_the_rounds_ratios() -> None:
    def loads(*rates: float) -> list[WrkResult]:
        return [WrkResult(rate, 1 / rate, 0) for rate in rates]

    text = report(
        {
            (WITH, CLIENTS): loads(100, 50, 100),  # the second round is slow
            (WITHOUT, CLIENTS): loads(104, 53, 103),
            (WITH, 1): loads(50, 20, 40),
            (WITHOUT, 1): loads(51, 21, 40),
        }
    )
    lines = text.splitlines()
    assert lines[2] == "| photos per second, 8 clients | 100.0 | 103.0 | 1.040 | 1.030 to 1.060 |"
    assert lines[3] == "| p50, 1 client | 25.0 ms | 25.0 ms | 1.020 | 1.000 to 1.050 |"


def test_a_copy_lacks_the_files_and_is_a_valid_version(tmp_path: Path) -> None:
    folder = ROOT / "models" / "cats-vs-dogs" / "1"
    copy = copy_without(folder, tmp_path, {EXPLAIN}, thresholds=None)
    before, after = load_card(folder), load_card(copy)
    assert EXPLAIN in before.files
    assert not (copy / EXPLAIN).exists()
    assert set(after.files) == set(before.files) - {EXPLAIN}
    assert after == before.model_copy(update={"files": after.files})
