"""Damage valid photos: flip bits, truncate, splice, move pieces, or falsify lengths and sizes.

The mutant of a seed and number is the same on every machine, so that failures are reproducible.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tests.fuzz.corpus import Sample
from tests.fuzz.fields import Field, fields, fix_checksums

_HEAD = 256  # bytes; most formats have their header there


@dataclass(frozen=True)
class Mutant:
    """A damaged file with the original sample and the name of the mutation."""

    sample: Sample
    mutation: str
    data: bytes


def make_mutant(seed: int, number: int, samples: Sequence[Sample]) -> Mutant:
    """Return the mutant of this seed and number; samples and mutations are used in turn."""
    random = np.random.default_rng((seed, number))
    sample = samples[number % len(samples)]
    mutation = list(MUTATIONS)[(number // len(samples)) % len(MUTATIONS)]
    data = MUTATIONS[mutation](random, sample, samples)
    # A wrong checksum alone makes a decoder refuse a PNG, so only half of them have one.
    if sample.format == "PNG" and random.random() < 0.5:
        data = fix_checksums(data)
    return Mutant(sample, mutation, data)


def _flipped(random: np.random.Generator, data: bytes, end: int) -> bytes:
    changed = bytearray(data)
    for _ in range(random.integers(1, 17)):
        changed[random.integers(0, min(end, len(data)))] ^= 1 << int(random.integers(0, 8))
    return bytes(changed)


def _flip(random: np.random.Generator, sample: Sample, _: Sequence[Sample]) -> bytes:
    return _flipped(random, sample.data, len(sample.data))


def _flip_head(random: np.random.Generator, sample: Sample, _: Sequence[Sample]) -> bytes:
    return _flipped(random, sample.data, _HEAD)


def _truncate(random: np.random.Generator, sample: Sample, _: Sequence[Sample]) -> bytes:
    return sample.data[: random.integers(0, len(sample.data))]


def _splice(random: np.random.Generator, sample: Sample, samples: Sequence[Sample]) -> bytes:
    """Join the beginning of one file and the end of another, mostly of the same format."""
    near = [each for each in samples if each.format == sample.format]
    others = near if random.random() < 0.6 else samples
    other = others[int(random.integers(0, len(others)))].data
    end = int(random.integers(0, len(sample.data)))
    return sample.data[:end] + other[int(random.integers(0, len(other))) :]


def _shuffle(random: np.random.Generator, sample: Sample, _: Sequence[Sample]) -> bytes:
    """Remove a piece, or insert a copy of it elsewhere."""
    first, second, place = sorted(random.integers(0, len(sample.data), 3))
    if random.random() < 0.5:
        return sample.data[:first] + sample.data[second:]
    return sample.data[:place] + sample.data[first:second] + sample.data[place:]


def _fill(random: np.random.Generator, sample: Sample, _: Sequence[Sample]) -> bytes:
    first, second = sorted(random.integers(0, len(sample.data), 2))
    byte = bytes([(0x00, 0xFF, int(random.integers(0, 256)))[int(random.integers(0, 3))]])
    return sample.data[:first] + byte * int(second - first) + sample.data[second:]


def _wrong_lengths(random: np.random.Generator, sample: Sample, _: Sequence[Sample]) -> bytes:
    return _wrong_fields(random, sample, "length")


def _wrong_sizes(random: np.random.Generator, sample: Sample, _: Sequence[Sample]) -> bytes:
    return _wrong_fields(random, sample, "size")


def _wrong_fields(random: np.random.Generator, sample: Sample, kind: str) -> bytes:
    """Change one to three fields to extreme, slightly wrong or random values."""
    known = [field for field in _fields(sample) if field.kind == kind]
    changed = bytearray(sample.data)
    for _ in range(random.integers(1, 4)):
        field = known[int(random.integers(0, len(known)))]
        end = field.offset + field.size
        true = int.from_bytes(sample.data[field.offset : end], field.order)
        largest = 256**field.size - 1
        choices = [0, 1, largest, largest // 2, largest // 2 + 1, true - 1, true + 1, 2 * true]
        choices.append(int(random.integers(0, largest + 1)))
        value = choices[int(random.integers(0, len(choices)))]
        changed[field.offset : end] = (value % (largest + 1)).to_bytes(field.size, field.order)
    return bytes(changed)


@lru_cache(maxsize=1024)
def _fields(sample: Sample) -> list[Field]:
    return fields(sample.format, sample.data)


Mutation = Callable[[np.random.Generator, Sample, Sequence[Sample]], bytes]
MUTATIONS: dict[str, Mutation] = {
    "bits flipped": _flip,
    "bits of the head flipped": _flip_head,
    "truncated": _truncate,
    "spliced": _splice,
    "pieces moved": _shuffle,
    "filled": _fill,
    "wrong lengths": _wrong_lengths,
    "wrong sizes": _wrong_sizes,
}
