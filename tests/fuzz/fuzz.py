"""Post damaged photos of every accepted format: no 5xx, no answer after 2 s, no memory leak.

    python -m tests.fuzz.fuzz
    python -m tests.fuzz.fuzz --count 2000 --seed 7

Valid files of every format that `GET /model` lists are damaged, depending on the seed and a number,
and posted as multipart and raw bodies in turn. Memory is measured after a warm-up and at the end.
The table goes to build/benchmarks/fuzz.md, the files that failed to build/benchmarks/fuzz/. The
exit code is 1 after a failure.
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

from app.cli import CommandError, Parser, command, natural, positive
from benchmarks.harness.load import BROKEN, OK, Answer, closed_loop, multipart_request, raw_request
from benchmarks.harness.server import Server, running_service
from benchmarks.harness.table import (
    BUILD,
    log,
    markdown_table,
    mebibytes,
    milliseconds,
    timed,
    write_result,
)
from tests.fuzz.corpus import Sample, samples
from tests.fuzz.memory_sampler import memory_sampler
from tests.fuzz.mutation import Mutant, make_mutant

PROG = "python -m tests.fuzz.fuzz"
MOST_SECONDS = 2.0
MOST_GROWTH = 0.1  # of the memory, as allocators keep some freed memory
_SERVER_ERROR = 500


@dataclass
class Findings:
    """The answers by format and by mutation, the slowest answers, and the failures."""

    by_format: Counter[tuple[str, int]] = field(default_factory=Counter)
    by_mutation: Counter[tuple[str, int]] = field(default_factory=Counter)
    slowest: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def record(self, number: int, sent: Mutant, answer: Answer, folder: Path) -> None:
        """Count an answer; after a failure, list it and write its file to the folder."""
        name = sent.sample.format
        self.by_format[name, answer.status] += 1
        self.by_mutation[sent.mutation, answer.status] += 1
        self.slowest[name] = max(self.slowest.get(name, 0.0), answer.seconds)
        bad = answer.status == BROKEN or answer.status >= _SERVER_ERROR
        if bad or answer.seconds > MOST_SECONDS:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{number}.{name.lower()}"
            path.write_bytes(sent.data)
            status = f"status {answer.status or 'none'}, {milliseconds(answer.seconds)}"
            self.failures.append(f"{path}: {sent.sample.variant}, {sent.mutation}: {status}")
            log(self.failures[-1])


@command(PROG)
def main() -> None:
    """Run the command."""
    parser = Parser(PROG, description="Post damaged photos.")
    parser.add_argument("--model", type=Path, default=Path("models/cats-vs-dogs/1"))
    parser.add_argument("--count", type=positive, default=20_000)
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument("--clients", type=positive, default=4)
    parser.add_argument("--warm", type=positive, default=1000, help="valid photos for the warm-up")
    arguments = parser.parse_args()
    with (
        timed("tests.fuzz.fuzz"),
        running_service(arguments.model) as server,
        memory_sampler(server.pid) as sampler,
    ):
        corpus = _corpus(server)
        _post_sound(server, corpus, arguments)
        before = sampler.read().now
        findings = _post_damaged(server, corpus, arguments)
        highest = sampler.read().peak
        _post_sound(server, corpus, arguments)
        after = sampler.read().now
    memory = f"memory of all processes before {mebibytes(before)}, at most {mebibytes(highest)}, "
    memory += f"after {mebibytes(after)} ({after / before - 1:+.1%}; wanted: "
    memory += f"at most {MOST_GROWTH:+.0%})"
    write_result("fuzz", f"{_report(findings)}\n\n{memory}")
    if findings.failures:
        sys.exit(1)


def _corpus(server: Server) -> list[Sample]:
    answer = httpx.get(f"{server.address}/model", trust_env=False, timeout=30).json()
    formats = answer["accepts"]["formats"]
    corpus = samples(formats)
    left_out = sorted(set(formats) - {sample.format for sample in corpus})
    if left_out:
        log(f"cannot be written here, and so not damaged: {', '.join(left_out)}")
    if not corpus:
        raise CommandError(f"No format that the service accepts can be written here: {formats}.")
    log(f"{len(corpus)} valid files: {', '.join(dict.fromkeys(s.format for s in corpus))}")
    return corpus


def _post_sound(server: Server, corpus: list[Sample], arguments: Namespace) -> None:
    """Warm up the service with the valid files, and check that it accepts them.

    Raises:
        CommandError: it does not answer all of them by 200.
    """
    requests = [raw_request(sample.data, sample.kind) for sample in corpus]
    work = itertools.islice(itertools.cycle(requests), arguments.warm)
    refused: dict[str, int] = {}

    def check(number: int, answer: Answer) -> None:
        if answer.status != OK:
            sample = corpus[number % len(corpus)]
            refused[f"{sample.format} ({sample.variant})"] = answer.status

    asyncio.run(closed_loop(server.port, work, arguments.clients, on_answer=check))
    if refused:
        raise CommandError(f"The service refuses valid files: {refused}.")


def _post_damaged(server: Server, corpus: list[Sample], arguments: Namespace) -> Findings:
    count, seed = arguments.count, arguments.seed
    findings = Findings()
    sent: dict[int, Mutant] = {}

    def requests() -> Iterator[bytes]:
        for number in range(count):
            sent[number] = made = make_mutant(seed, number, corpus)
            kind = made.sample.kind
            yield (
                multipart_request(made.data, kind=kind)
                if number % 2
                else raw_request(made.data, kind)
            )

    def record(number: int, answer: Answer) -> None:
        findings.record(number, sent.pop(number), answer, BUILD / "fuzz")
        if (number + 1) % (count // 20 or 1) == 0:
            log(f"{number + 1:>7} damaged photos, {len(findings.failures)} failures")

    asyncio.run(closed_loop(server.port, requests(), arguments.clients, on_answer=record))
    return findings


def _report(findings: Findings) -> str:
    statuses = sorted({status for _, status in findings.by_format})
    header = ["damaged", *(str(status or "no answer") for status in statuses)]
    formats = [
        [name, *(str(findings.by_format[name, status]) for status in statuses), milliseconds(slow)]
        for name, slow in findings.slowest.items()
    ]
    mutations = [
        [mutation, *(str(findings.by_mutation[mutation, status]) for status in statuses), ""]
        for mutation in dict.fromkeys(mutation for mutation, _ in findings.by_mutation)
    ]
    total = sum(findings.by_format.values())
    lines = f"{total:,} damaged photos, {len(findings.failures)} failures (wanted: 0): no answer, "
    lines += f"5xx, or more than {MOST_SECONDS:g} s."
    return "\n\n".join(
        [markdown_table([*header, "slowest"], formats + mutations), lines, *findings.failures]
    )


if __name__ == "__main__":
    main()
