"""The ranges of a split, against the sets of numbers that they stand for."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.cli import CommandError
from training.data.samples import SUBSETS
from training.data.subset import format_ranges, parse_range, require_disjoint

ANY_RANGE = st.builds(
    lambda start, length: range(start, start + length), st.integers(0, 40), st.integers(1, 8)
)
ANY = settings(max_examples=150, derandomize=True, deadline=None)


@given(st.dictionaries(st.sampled_from(SUBSETS), st.lists(ANY_RANGE, max_size=3)))
@ANY
def test_any_ranges_are_disjoint_if_no_number_is_twice_in_them(
    ranges: dict[str, list[range]],
) -> None:
    numbers = [number for parts in ranges.values() for part in parts for number in part]
    if len(set(numbers)) == len(numbers):
        require_disjoint(ranges)
    else:
        with pytest.raises(CommandError, match="overlap: a photo would be in two places"):
            require_disjoint(ranges)


@given(st.lists(ANY_RANGE, min_size=1, max_size=3))
@ANY
def test_any_range_is_parsed_as_it_was_formatted(parts: list[range]) -> None:
    assert format_ranges(parts[:1]) == f"{parts[0].start}:{parts[0].stop}"
    assert [parse_range(text) for text in format_ranges(parts).split(", ")] == parts


@pytest.mark.parametrize("text", ["5:5", "5:4", "3", ":3", "3:", "1:2:3", "", ":"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        parse_range(text)


@given(st.text("0123456789:-+ \u0663", max_size=6))
@ANY
def test_any_text_is_a_range_of_whole_numbers_or_refused(text: str) -> None:
    match = re.fullmatch(r"(\d+):(\d+)", text)
    if match and int(match[1]) < int(match[2]):
        assert parse_range(text) == range(int(match[1]), int(match[2]))
    else:
        with pytest.raises(ValueError, match=r"^$"):
            parse_range(text)


def test_overlapping_ranges_are_named() -> None:
    ranges = {"train": [range(0, 5), range(7, 9)], "test": [range(5, 7), range(8, 10)]}
    with pytest.raises(CommandError, match=r"^the ranges train 7:9 and test 8:10 overlap: "):
        require_disjoint(ranges)
