"""Photos decoded once, and kept."""

from pathlib import Path

import numpy as np
import pytest

from app.cli import CommandError
from app.model.card import Input
from tests import pictures
from tests.conftest import striped, write_classes
from training.data.cache import (
    DecodedSubset,
    decode_samples,
    require_every_label,
    require_readable,
)
from training.data.class_folders import open_dataset, open_subset
from training.data.samples import Sample

GREY = Input(height=28, width=28, channels=1)


def test_photos_are_decoded_as_the_service_decodes_them(tmp_path: Path) -> None:
    samples = open_dataset(write_classes(tmp_path / "d", 10, ("x", "y"))).train
    decoded = decode_samples(samples, GREY, "train", tmp_path / "cache")
    assert decoded.pixels.shape == (len(samples), 28, 28, 1)
    for pixels, sample in zip(decoded.pixels, samples, strict=True):
        assert (pixels[..., 0] == striped(sample.label, int(Path(sample.name).stem))).all()
    assert decoded.labels.tolist() == [sample.label for sample in samples]


def test_unreadable_photos_are_left_out_and_named(tmp_path: Path) -> None:
    folder = write_classes(tmp_path / "d" / "train", 10, ("x", "y"))
    (folder / "x" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "y" / "notes.png").write_bytes(b"hello")
    (folder / "y" / ".DS_Store").write_bytes(b"hidden")
    samples = open_subset(folder, ("x", "y"))
    decoded = decode_samples(samples, GREY, "train", tmp_path / "cache")
    assert len(decoded.pixels) == len(decoded.labels) == 20
    assert set(decoded.unreadable) == {"x/broken.png", "y/notes.png"}


def test_a_subset_without_a_readable_photo_is_refused(tmp_path: Path) -> None:
    sample = Sample("x", 0, "0" * 64, lambda: b"nothing")
    with pytest.raises(CommandError, match="none of 1 photos"):
        decode_samples([sample], GREY, "train", tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_a_second_training_reads_no_photo(tmp_path: Path) -> None:
    folder = write_classes(tmp_path / "d", 10, ("x", "y"))
    samples = open_dataset(folder).train
    first = decode_samples(samples, GREY, "train", tmp_path / "cache")

    def gone() -> bytes:
        raise AssertionError("the photo was read again")

    again = [Sample(s.name, s.label, s.sha256, gone) for s in samples]
    second = decode_samples(again, GREY, "train", tmp_path / "cache")
    assert (first.pixels == second.pixels).all()
    assert (first.labels == second.labels).all()
    assert isinstance(second.pixels, np.memmap)
    assert not second.pixels.flags.writeable


@pytest.mark.parametrize("change", ["photo", "size", "label"])
def test_another_photo_size_or_label_is_another_entry(tmp_path: Path, change: str) -> None:
    samples = open_dataset(write_classes(tmp_path / "d", 10, ("x", "y"))).train
    decode_samples(samples, GREY, "train", tmp_path / "cache")
    shape = Input(height=14, width=28, channels=1) if change == "size" else GREY
    first = samples[0]
    if change == "photo":
        other = next(sample for sample in samples if sample.label != first.label)
        samples[0] = Sample(first.name, first.label, other.sha256, other.read)
    if change == "label":
        samples[0] = Sample(first.name, 1 - first.label, first.sha256, first.read)
    decoded = decode_samples(samples, shape, "train", tmp_path / "cache")
    assert decoded.pixels.shape[1:3] == (shape.height, shape.width)
    assert decoded.labels[0] == samples[0].label
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_an_interrupted_decoding_leaves_nothing(tmp_path: Path) -> None:
    def interrupt() -> bytes:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decode_samples([Sample("x", 0, "0" * 64, interrupt)], GREY, "train", tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.parametrize("subset", ["train", "validation", "test"])
def test_a_class_without_a_readable_photo_in_a_subset_is_refused(
    tmp_path: Path, subset: str
) -> None:
    for name in ("train", "validation", "test"):
        write_classes(tmp_path / "d" / name, 3, ("x", "y"))
    for number in (0, 1):
        (tmp_path / "d" / subset / "y" / f"{number}.png").write_bytes(b"broken %d" % number)
    require_readable(open_dataset(tmp_path / "d"))
    (tmp_path / "d" / subset / "y" / "2.png").write_bytes(b"broken too")
    with pytest.raises(CommandError, match=f"no photo of {subset} could be .* the classes y"):
        require_readable(open_dataset(tmp_path / "d"))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "The file is empty (0 bytes)."),
        (b"text", "The file is not a photo in an accepted format: "),
        (b"\x89PNG\r\n\x1a\n", "The PNG file is broken and cannot be decoded ("),
        (pictures.png_claiming(99_999, 99_999), "The photo has 99999 x 99999"),
    ],
)
def test_the_reason_has_no_advice_to_a_client(tmp_path: Path, data: bytes, reason: str) -> None:
    folder = write_classes(tmp_path / "d", 2, ("x", "y"))
    (folder / "x" / "odd.png").write_bytes(data)
    decoded = decode_samples(open_subset(folder, ("x", "y")), GREY, "train", tmp_path / "cache")
    (told,) = decoded.unreadable.values()
    assert told.startswith(reason)
    assert "Send" not in told


def test_a_label_of_which_no_photo_was_decoded_is_named() -> None:
    decoded = DecodedSubset(np.zeros((3, 1, 1, 1), np.uint8), np.array([0, 2, 2]), {})
    require_every_label(decoded, ("x", "y", "z")[:1], "train")
    with pytest.raises(CommandError, match="no photo of train is left of the classes y, w"):
        require_every_label(decoded, ("x", "y", "z", "w"), "train")
