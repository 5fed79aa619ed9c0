import io

import pytest
from PIL import Image

from tests.fuzz.corpus import Sample, samples
from tests.fuzz.fields import fields, fix_checksums
from tests.fuzz.mutation import MUTATIONS, make_mutant

FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"]


@pytest.fixture(scope="module")
def corpus() -> list[Sample]:
    return samples(FORMATS)


def test_samples_are_valid_and_of_every_format(corpus: list[Sample]) -> None:
    assert {sample.format for sample in corpus} == set(FORMATS)
    for sample in corpus:
        with Image.open(io.BytesIO(sample.data), formats=[sample.format]) as image:
            image.load()
            assert image.size == (200, 150)


def test_an_unknown_format_has_no_samples() -> None:
    assert samples(["PCX"]) == []


def test_mutants_are_reproducible_and_depend_on_the_seed(corpus: list[Sample]) -> None:
    numbers = range(2 * len(corpus) * len(MUTATIONS))
    first = [make_mutant(3, number, corpus) for number in numbers]
    assert first == [make_mutant(3, number, corpus) for number in numbers]
    assert first != [make_mutant(4, number, corpus) for number in numbers]


def test_every_sample_is_damaged_in_every_way(corpus: list[Sample]) -> None:
    made = [make_mutant(0, number, corpus) for number in range(len(corpus) * len(MUTATIONS))]
    pairs = {(each.sample.format, each.sample.variant, each.mutation) for each in made}
    assert len(pairs) == len(made)
    damaged = sum(each.data != each.sample.data for each in made)
    assert damaged > 0.95 * len(made)


@pytest.mark.parametrize("name", FORMATS)
def test_size_fields_hold_the_size(corpus: list[Sample], name: str) -> None:
    sample = next(each for each in corpus if each.format == name)
    sizes = []
    for field in fields(name, sample.data):
        value = sample.data[field.offset : field.offset + field.size]
        if field.kind == "size":
            sizes.append(int.from_bytes(value, field.order))
    assert {200, 150} <= set(sizes)


@pytest.mark.parametrize("name", FORMATS)
def test_length_fields_cover_the_file(corpus: list[Sample], name: str) -> None:
    sample = next(each for each in corpus if each.format == name)
    lengths = [field for field in fields(name, sample.data) if field.kind == "length"]
    assert len(lengths) >= 2
    assert len({field.offset for field in lengths}) == len(lengths)


def test_checksums_of_a_changed_png_are_corrected(corpus: list[Sample]) -> None:
    data = bytearray(next(each.data for each in corpus if each.format == "PNG"))
    data[19] += 1  # the width
    with pytest.raises(OSError, match="cannot identify"):
        Image.open(io.BytesIO(data))
    with Image.open(io.BytesIO(fix_checksums(bytes(data)))) as image:
        assert image.size == (201, 150)
