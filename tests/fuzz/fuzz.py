"""Damaged photos of every accepted format over HTTP: no 5xx, nothing over 2 s, no memory kept.

    python -m tests.fuzz.fuzz
    python -m tests.fuzz.fuzz --count 2000 --seed 7

Sound files of every format that `GET /model` lists are damaged by seed and number, and posted as
multipart and as raw bodies in turn. Memory is read when the service is warm, and again after the
last. The table goes to build/benchmarks/fuzz.md, what failed to build/benchmarks/fuzz/; the exit
code is 1 if anything did. The defaults, 20,000 files, take three to five minutes.
"""

import asyncio
import itertools
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks.harness.load import BROKEN, OK, Answer, in_turn, multipart, raw
from benchmarks.harness.memory import peak, reset_peak, resident
from benchmarks.harness.server import Server, service
from benchmarks.harness.table import BUILD, markdown, mebibytes, milliseconds, publish, tell, timed
from tests.fuzz.corpus import Sample, samples
from tests.fuzz.mutation import Mutant, mutant
from training.cli import CommandError, Parser, natural, positive, run

PROG = "python -m tests.fuzz.fuzz"
MOST_SECONDS = 2.0
MOST_GROWTH = 0.1  # of memory, for what an allocator keeps
_SERVER_ERROR = 500


@dataclass
class Findings:
    """Answers by format and status, by way and status, the slowest, and what failed."""

    by_format: Counter[tuple[str, int]] = field(default_factory=Counter)
    by_way: Counter[tuple[str, int]] = field(default_factory=Counter)
    slowest: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def note(self, number: int, sent: Mutant, answer: Answer, folder: Path) -> None:
        """Count an answer; one that must not be is listed, and its file kept in the folder."""
        name = sent.sample.format
        self.by_format[name, answer.status] += 1
        self.by_way[sent.way, answer.status] += 1
        self.slowest[name] = max(self.slowest.get(name, 0.0), answer.seconds)
        bad = answer.status == BROKEN or answer.status >= _SERVER_ERROR
        if bad or answer.seconds > MOST_SECONDS:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{number}.{name.lower()}"
            path.write_bytes(sent.data)
            line = f"{path}: {sent.sample.variant}, {sent.way}: status {answer.status or 'none'}, "
            self.failures.append(line + milliseconds(answer.seconds))
            tell(self.failures[-1])


def main() -> None:
    """The command."""
    parser = Parser(PROG, description="Post damaged photos.")
    parser.add_argument("--model", type=Path, default=Path("models/cats-vs-dogs/1"))
    parser.add_argument("--count", type=positive, default=20_000)
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument("--clients", type=positive, default=4)
    parser.add_argument(
        "--warm", type=positive, default=1000, help="sound photos before memory is read"
    )
    arguments = parser.parse_args()
    with timed("tests.fuzz.fuzz"), service(arguments.model) as server:
        corpus = _corpus(server)
        _post_sound(server, corpus, arguments)
        before = resident(server.pid)
        reset_peak(server.pid)
        findings = _post_damaged(server, corpus, arguments)
        highest = peak(server.pid)
        _post_sound(server, corpus, arguments)
        after = resident(server.pid)
    memory = f"resident before {mebibytes(before)}, at most {mebibytes(highest)}, "
    memory += f"after {mebibytes(after)} ({after / before - 1:+.1%}; wanted: "
    memory += f"at most {MOST_GROWTH:+.0%})"
    publish("fuzz", f"{_report(findings)}\n\n{memory}")
    if findings.failures:
        sys.exit(1)


def _corpus(server: Server) -> list[Sample]:
    answer = httpx.get(f"{server.address}/model", trust_env=False, timeout=30).json()
    formats = answer["accepts"]["formats"]
    corpus = samples(formats)
    left_out = sorted(set(formats) - {sample.format for sample in corpus})
    if left_out:
        tell(f"cannot be written here, and so not damaged: {', '.join(left_out)}")
    if not corpus:
        raise CommandError(f"No format that the service accepts can be written here: {formats}.")
    tell(f"{len(corpus)} sound files: {', '.join(dict.fromkeys(s.format for s in corpus))}")
    return corpus


def _post_sound(server: Server, corpus: list[Sample], arguments: Namespace) -> None:
    """Warm the service, and see that it takes the files as they were.

    Raises:
        CommandError: it does not answer all of them by 200.
    """
    requests = [raw(sample.data, sample.kind) for sample in corpus]
    work = itertools.islice(itertools.cycle(requests), arguments.warm)
    refused: dict[str, int] = {}

    def look(number: int, answer: Answer) -> None:
        if answer.status != OK:
            sample = corpus[number % len(corpus)]
            refused[f"{sample.format} ({sample.variant})"] = answer.status

    asyncio.run(in_turn(server.port, work, arguments.clients, on_answer=look))
    if refused:
        raise CommandError(f"The service refuses sound files: {refused}.")


def _post_damaged(server: Server, corpus: list[Sample], arguments: Namespace) -> Findings:
    count, seed = arguments.count, arguments.seed
    findings = Findings()
    sent: dict[int, Mutant] = {}

    def requests() -> Iterator[bytes]:
        for number in range(count):
            sent[number] = made = mutant(seed, number, corpus)
            kind = made.sample.kind
            yield multipart(made.data, kind=kind) if number % 2 else raw(made.data, kind)

    def judge(number: int, answer: Answer) -> None:
        findings.note(number, sent.pop(number), answer, BUILD / "fuzz")
        if (number + 1) % (count // 20 or 1) == 0:
            tell(f"{number + 1:>7} damaged photos, {len(findings.failures)} failures")

    asyncio.run(in_turn(server.port, requests(), arguments.clients, on_answer=judge))
    return findings


def _report(findings: Findings) -> str:
    statuses = sorted({status for _, status in findings.by_format})
    header = ["damaged", *(str(status or "no answer") for status in statuses)]
    formats = [
        [name, *(str(findings.by_format[name, status]) for status in statuses), milliseconds(slow)]
        for name, slow in findings.slowest.items()
    ]
    ways = [
        [way, *(str(findings.by_way[way, status]) for status in statuses), ""]
        for way in dict.fromkeys(way for way, _ in findings.by_way)
    ]
    total = sum(findings.by_format.values())
    lines = f"{total:,} damaged photos, {len(findings.failures)} failures (wanted: 0): no answer, "
    lines += f"5xx, or more than {MOST_SECONDS:g} s."
    return "\n\n".join([markdown([*header, "slowest"], formats + ways), lines, *findings.failures])


if __name__ == "__main__":
    run(PROG, main)
