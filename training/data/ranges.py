"""Which numbers go into which subset."""

from collections.abc import Mapping, Sequence

from training.cli import CommandError

Ranges = Mapping[str, Sequence[range]]

# The lecture's: 1,000 of each class to train on, 500 to validate, 1,000 to test.
LECTURE: Ranges = {
    "train": [range(0, 1000)],
    "validation": [range(1000, 1500)],
    "test": [range(1500, 2500)],
}


def parse_range(text: str) -> range:
    """Read "0:1000" as range(0, 1000); raise ValueError otherwise, as argparse wants it."""
    start, _, end = text.partition(":")
    if not (start.isdecimal() and end.isdecimal() and int(start) < int(end)):
        raise ValueError
    return range(int(start), int(end))


parse_range.__name__ = "range (START:END, whole numbers, START below END)"


def in_words(parts: Sequence[range]) -> str:
    """Write [range(0, 5), range(7, 9)] as "0:5, 7:9"."""
    return ", ".join(f"{part.start}:{part.stop}" for part in parts)


def require_disjoint(ranges: Ranges) -> None:
    """Raise CommandError if a number is in two ranges."""
    seen: list[tuple[str, range]] = []
    for subset, parts in ranges.items():
        for part in parts:
            for other_subset, other in seen:
                if part.start < other.stop and other.start < part.stop:
                    raise CommandError(
                        f"the ranges {other_subset} {in_words([other])} and "
                        f"{subset} {in_words([part])} overlap: a photo would be in two places."
                    )
            seen.append((subset, part))
