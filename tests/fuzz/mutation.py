"""Damaged photos: sound files with bits flipped, cut, spliced, or lying about their lengths.

Mutant `number` of `seed` is the same on every machine, so that a failure can be made again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tests.fuzz.corpus import Sample
from tests.fuzz.fields import Field, fields, with_checksums

_HEAD = 256  # where most formats have what decides how the rest is read


@dataclass(frozen=True)
class Mutant:
    """A damaged file, the sound one that it was, and how it was damaged."""

    sample: Sample
    way: str
    data: bytes


def mutant(seed: int, number: int, samples: Sequence[Sample]) -> Mutant:
    """The damaged file of this number; samples, then ways, take turns."""
    random = np.random.default_rng((seed, number))
    sample = samples[number % len(samples)]
    way = list(WAYS)[(number // len(samples)) % len(WAYS)]
    data = WAYS[way](random, sample, samples)
    if sample.format == "PNG" and random.random() < 0.5:  # or the checksum alone would refuse it
        data = with_checksums(data)
    return Mutant(sample, way, data)


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
    """The beginning of one file and the end of another, more often than not of its format."""
    near = [each for each in samples if each.format == sample.format]
    others = near if random.random() < 0.6 else samples
    other = others[int(random.integers(0, len(others)))].data
    end = int(random.integers(0, len(sample.data)))
    return sample.data[:end] + other[int(random.integers(0, len(other))) :]


def _shuffle(random: np.random.Generator, sample: Sample, _: Sequence[Sample]) -> bytes:
    """A piece left out, or put in a second time elsewhere."""
    first, second, place = sorted(random.integers(0, len(sample.data), 3))
    if random.random() < 0.5:
        return sample.data[:first] + sample.data[second:]
    return sample.data[:place] + sample.data[first:second] + sample.data[place:]


def _fill(random: np.random.Generator, sample: Sample, _: Sequence[Sample]) -> bytes:
    first, second = sorted(random.integers(0, len(sample.data), 2))
    byte = bytes([(0x00, 0xFF, int(random.integers(0, 256)))[int(random.integers(0, 3))]])
    return sample.data[:first] + byte * int(second - first) + sample.data[second:]


def _lie_of_length(random: np.random.Generator, sample: Sample, _: Sequence[Sample]) -> bytes:
    return _lying(random, sample, "length")


def _lie_of_size(random: np.random.Generator, sample: Sample, _: Sequence[Sample]) -> bytes:
    return _lying(random, sample, "size")


def _lying(random: np.random.Generator, sample: Sample, means: str) -> bytes:
    """One to three fields with other values: the extremes, or a little beside the truth."""
    known = [field for field in _fields(sample) if field.means == means]
    changed = bytearray(sample.data)
    for _ in range(random.integers(1, 4)):
        field = known[int(random.integers(0, len(known)))]
        end = field.offset + field.size
        true = int.from_bytes(sample.data[field.offset : end], field.order)
        largest = 256**field.size - 1
        lies = [0, 1, largest, largest // 2, largest // 2 + 1, true - 1, true + 1, 2 * true]
        lies.append(int(random.integers(0, largest + 1)))
        lie = lies[int(random.integers(0, len(lies)))]
        changed[field.offset : end] = (lie % (largest + 1)).to_bytes(field.size, field.order)
    return bytes(changed)


@lru_cache(maxsize=1024)
def _fields(sample: Sample) -> list[Field]:
    return fields(sample.format, sample.data)


Way = Callable[[np.random.Generator, Sample, Sequence[Sample]], bytes]
WAYS: dict[str, Way] = {
    "bits flipped": _flip,
    "bits of the head flipped": _flip_head,
    "truncated": _truncate,
    "spliced": _splice,
    "pieces moved": _shuffle,
    "filled": _fill,
    "lengths that lie": _lie_of_length,
    "sizes that lie": _lie_of_size,
}
