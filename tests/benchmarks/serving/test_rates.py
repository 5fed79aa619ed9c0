from pathlib import Path

import pytest
from PIL import Image

from benchmarks.harness.wrk import WrkResult
from benchmarks.serving.contenders import LIMIT, OURS
from benchmarks.serving.rates import Rates, plot, ratios, table
from benchmarks.serving.soak import growth

PEER = "BentoML, 2 workers"


@pytest.fixture
def rates() -> Rates:
    rates = Rates()
    for ours, peer, errors in ((100, 50, 0), (50, 20, 3), (80, 40, 0)):  # the second round is slow
        rates.add(OURS, 8, WrkResult(ours, 0.01, 0))
        rates.add(PEER, 8, WrkResult(peer, 0.04, errors))
        rates.add("BentoML, 1 worker", 8, WrkResult(peer / 2, 0.04, 0))
        rates.add(LIMIT, 8, WrkResult(ours + 20, 0.01, 0))
    return rates


def test_ratios_are_medians_of_the_rounds(rates: Rates) -> None:
    assert rates.ratio(OURS, PEER, 8) == 2.0
    lines = ratios(rates, [8]).splitlines()
    assert f"| {OURS} / best peer ({PEER}) | 8 | 2.00 |" in lines
    assert f"| {OURS} / {LIMIT} | 8 | 0.80 |" in lines
    assert len(lines) == 4


def test_the_table_shows_medians_and_errors(rates: Rates) -> None:
    lines = table(rates, [8]).splitlines()
    assert f"| {OURS} | 80.0 | 10.0 ms | 1.00 |" in lines
    assert f"| {PEER} | 40.0 (3 errors!) | 40.0 ms | 2.00 |" in lines


def test_the_plot_is_a_picture(rates: Rates, tmp_path: Path) -> None:
    plot(rates, [8], "a model", tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as image:
        assert image.width > 500


def test_growth_is_between_medians() -> None:
    readings = [(number, 100 if number <= 500 else 110) for number in range(0, 1001, 100)]
    assert growth([*readings, (1100, 900)], 500) == pytest.approx(0.1)
