from pathlib import Path

import pytest

from benchmarks.harness.load import BROKEN, Answer
from tests.fuzz.corpus import Sample
from tests.fuzz.fuzz import Findings
from tests.fuzz.mutation import Mutant

SENT = Mutant(Sample("PNG", "RGB", b"sound"), "truncated", b"sou")


@pytest.mark.parametrize("answer", [Answer(200, 0, 0.1), Answer(413, 0, 1.9), Answer(422, 0, 0.1)])
def test_an_answer_in_time_is_only_counted(answer: Answer, tmp_path: Path) -> None:
    findings = Findings()
    findings.record(7, SENT, answer, tmp_path)
    assert findings.failures == []
    assert findings.by_format == {("PNG", answer.status): 1}
    assert findings.by_mutation == {("truncated", answer.status): 1}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "answer",
    [Answer(500, 0, 0.1), Answer(504, 0, 0.1), Answer(BROKEN, 0, 0.1), Answer(200, 0, 2.1)],
)
def test_a_failure_is_listed_and_its_file_kept(answer: Answer, tmp_path: Path) -> None:
    findings = Findings()
    findings.record(7, SENT, answer, tmp_path)
    assert len(findings.failures) == 1
    assert "RGB, truncated: status" in findings.failures[0]
    assert (tmp_path / "7.png").read_bytes() == b"sou"
