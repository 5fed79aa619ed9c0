"""Changed photos: what stays, what may change, and that nothing else does."""

import numpy as np
import pytest

from training.data.augmentation import Augmentation, augment, cutmix


def photo(side: int = 64) -> np.ndarray:
    """A red square right of the middle of a dark ground."""
    pixels = np.full((side, side, 3), 40, np.uint8)
    pixels[24:40, 40:56] = (220, 60, 60)
    return pixels


def centre(pixels: np.ndarray) -> tuple[float, float]:
    """Where the square is: (row, column), in pixels."""
    rows, columns = np.nonzero(pixels[..., 0] > 130)
    return float(rows.mean()), float(columns.mean())


def changed(settings: Augmentation, side: int = 64, count: int = 40) -> np.ndarray:
    return augment(np.stack([photo()] * count), side, settings, np.random.default_rng(0))


def test_no_augmentation_changes_nothing() -> None:
    assert (changed(Augmentation()) == photo()).all()


@pytest.mark.parametrize("side", [32, 96])
def test_resizing_keeps_the_content(side: int) -> None:
    row, column = centre(changed(Augmentation(), side)[0])
    assert (row + 0.5) / side == pytest.approx(32 / 64, abs=0.02)
    assert (column + 0.5) / side == pytest.approx(48 / 64, abs=0.02)


def test_flip_mirrors_every_second_photo_left_to_right_only() -> None:
    original = np.roll(photo(), 12, axis=0)  # the square is off the middle both ways
    photos = augment(
        np.stack([original] * 40), 64, Augmentation(flip=True), np.random.default_rng(0)
    )
    mirrored = sum((pixels == original[:, ::-1]).all() for pixels in photos)
    same = sum((pixels == original).all() for pixels in photos)
    assert mirrored + same == 40
    assert 10 < mirrored < 30


def test_rotation_stays_within_its_angle_around_the_middle() -> None:
    angles = []
    for pixels in changed(Augmentation(rotation=20)):
        row, column = centre(pixels)
        y, x = row - 31.5, column - 31.5
        assert np.hypot(x, y) == pytest.approx(16, abs=0.7)
        angles.append(np.degrees(np.arctan2(y, x)))
    assert -20.5 < min(angles) < -12
    assert 12 < max(angles) < 20.5


def test_zoom_stays_within_its_range() -> None:
    distances = [centre(pixels)[1] - 31.5 for pixels in changed(Augmentation(zoom=0.2))]
    assert 16 / 1.2 - 0.7 < min(distances) < 15
    assert 17 < max(distances) < 16 / 0.8 + 0.7


def test_a_crop_lies_inside_the_photo() -> None:
    ramp = np.tile(np.arange(64, dtype=np.uint8)[:, np.newaxis, np.newaxis] * 4, (1, 64, 3))
    photos = augment(np.stack([ramp] * 100), 64, Augmentation(crop=0.3), np.random.default_rng(0))
    spans = np.array([int(p[-1, 0, 0]) - int(p[0, 0, 0]) for p in photos]) / 252
    # Never mirrored at an edge, so the ramp always rises, by the height of the cut.
    assert (np.diff(photos[:, :, 0, 0].astype(int), axis=1) >= 0).all()
    assert spans.min() < 0.65
    assert spans.max() > 0.9
    assert spans.min() > np.sqrt(0.3 * 3 / 4) - 0.05


def test_colour_changes_colour_only() -> None:
    photos = changed(Augmentation(colour=0.4))
    assert len({pixels[0, 0].tobytes() for pixels in photos}) > 20
    for pixels in photos:
        assert (pixels[24:40, 40:56] == pixels[30, 50]).all()
        assert (pixels[0] == pixels[0, 0]).all()


def test_colour_is_clipped_and_never_wraps() -> None:
    white = np.full((20, 8, 8, 3), 255, np.uint8)
    bright = augment(white, 8, Augmentation(colour=0.5), np.random.default_rng(0))
    assert bright.min() >= 255 * 0.5 * 0.5 - 1
    assert bright.max() == 255


def test_grey_photos_keep_their_one_channel() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (5, 28, 28, 1), np.uint8)
    settings = Augmentation(True, 10, 0.1, 0.5, 0.2)
    assert augment(grey, 28, settings, np.random.default_rng(0)).shape == (5, 28, 28, 1)


def test_the_same_state_gives_the_same_photos() -> None:
    settings = Augmentation(True, 10, 0.1, 0.5, 0.2)
    assert (changed(settings) == changed(settings)).all()


def test_cutmix_blends_targets_by_the_area_that_was_pasted() -> None:
    values = np.arange(0, 200, 10, dtype=np.uint8)
    photos = np.tile(values[:, np.newaxis, np.newaxis, np.newaxis], (1, 20, 30, 3))
    targets = values[:, np.newaxis].astype(np.float32)
    shares = []
    for seed in range(50):
        mixed, blended = cutmix(photos, targets, np.random.default_rng(seed))
        assert mixed.shape == photos.shape
        assert mixed.dtype == np.uint8
        assert blended.shape == targets.shape
        assert blended.dtype == np.float32
        # A photo is of one value and its target is that value, so both have the same mean.
        assert mixed.mean(axis=(1, 2, 3)) == pytest.approx(blended[:, 0], abs=1e-3)
        pasted = (mixed != photos).any(axis=(0, 3))
        rows, columns = pasted.any(axis=1), pasted.any(axis=0)
        assert (pasted == np.outer(rows, columns)).all()  # a rectangle
        shares.append(pasted.mean())
    assert (photos == np.tile(values[:, np.newaxis, np.newaxis, np.newaxis], (1, 20, 30, 3))).all()
    assert min(shares) < 0.1
    assert max(shares) > 0.6
