"""The worst hostile files, three at once: each costs only itself."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from benchmarks.harness.server import Server, running_service
from tests.conftest import ROOT
from tests.fuzz.hostile.catalogue import hostile_files
from tests.fuzz.memory_sampler import MemorySampler, memory_sampler
from tests.fuzz.siege import Bounds, besiege, settle

DEADLINE_SECONDS = 3.0
# The container's default limit is 2 GB, of which the idle service takes a part.
# Other tests run on the same cores, so the times are wider here than in the command's table.
BOUNDS = Bounds(own_seconds=DEADLINE_SECONDS + 3, honest_seconds=3.0, memory=1_600 * 2**20)
# Those that take the most memory, and the most time: in Python, in C, in the header.
FILES = ("tiff-overlapping-tags", "webp-transparent", "jpeg-arithmetic-scans", "avif-items")


@dataclass(frozen=True)
class Besieged:
    """A running service, and the memory in bytes that it needs when idle."""

    server: Server
    sampler: MemorySampler
    idle: int


@pytest.fixture(scope="module")
def besieged() -> Iterator[Besieged]:
    model = ROOT / "models" / "cats-vs-dogs" / "1"
    with running_service(model, deadline_seconds=DEADLINE_SECONDS) as server:
        settle(server, 10)
        with memory_sampler(server.pid) as sampler:
            yield Besieged(server, sampler, sampler.read().now)


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_costs_only_itself(besieged: Besieged, name: str) -> None:
    [file] = [file for file in hostile_files() if file.name == name]
    bodies = [(file.make(), file.kind)] * 3
    outcome = asyncio.run(besiege(besieged.server, besieged.sampler, besieged.idle, bodies))
    broken = outcome.broken(BOUNDS)
    assert not broken, f"{outcome.statuses}: {', '.join(broken)}"
    assert settle(besieged.server, DEADLINE_SECONDS + 2)
