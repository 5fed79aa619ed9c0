"""Data augmentation: random crops, rotations, flips, zooms, colour changes, and CutMix.

All geometric changes of a photo are one affine warp and all colour changes are one matrix, so the
cost does not depend on how many are used. A saved network never contains augmentation.
"""

from dataclasses import dataclass

import cv2
import numpy as np

# One thread for each photo is enough, as several batches are prepared in parallel.
cv2.setNumThreads(1)

_MAX_ASPECT = 4 / 3  # width / height of a crop is between 1 / this and this; Szegedy et al. (2015)
_TRIES = 10


@dataclass(frozen=True)
class Augmentation:
    """The strength of each change; 0 and False switch it off.

    Attributes:
        flip: mirror a photo left to right with probability 0.5.
        rotation: the largest angle in degrees, in both directions.
        zoom: the largest change of scale, in both directions, as a fraction.
        crop: the smallest area of a random crop, as a fraction of the photo's area; 0 uses the
            whole photo.
        colour: brightness, contrast and saturation are each scaled by a random factor between
            1 - colour and 1 + colour.
        cutmix: the fraction of the batches to which CutMix is applied.
    """

    flip: bool = False
    rotation: float = 0.0
    zoom: float = 0.0
    crop: float = 0.0
    colour: float = 0.0
    cutmix: float = 0.0


def augment(
    photos: np.ndarray, side: int, settings: Augmentation, random: np.random.Generator
) -> np.ndarray:
    """Apply random changes to each photo independently.

    Args:
        photos: uint8 (photos, height, width, channels).
        side: the height and width of the result, in pixels.
        settings: the changes to apply, without `cutmix`, which changes the labels too.
        random: the generator; the same state gives the same result.

    Returns:
        uint8 (photos, side, side, channels). Pixels outside the photo are filled by reflection.
    """
    results = np.empty((len(photos), side, side, photos.shape[3]), np.uint8)
    for result, photo in zip(results, photos, strict=True):
        warped = cv2.warpAffine(
            photo,
            _affine_matrix(photo.shape[0], photo.shape[1], side, settings, random),
            (side, side),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        if settings.colour:
            warped = _jitter_colour(warped, settings.colour, random)
        result[:] = warped.reshape(result.shape)
    return results


def cutmix(
    photos: np.ndarray, targets: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Paste a rectangle of another photo of the batch into each photo, and mix the targets.

    The whole batch uses the same rectangle. It has the photo's aspect ratio, a uniformly random
    area and a random centre; the part outside the photo is dropped. The targets are weighted by
    area. Source: S. Yun et al., CutMix (2019).

    Args:
        photos: uint8 (photos, height, width, channels).
        targets: float32 (photos, outputs).
        random: the generator; the same state gives the same result.

    Returns:
        New arrays of photos and targets, of the same shapes and dtypes.
    """
    height, width = photos.shape[1:3]
    edge = np.sqrt(random.uniform())
    rows, columns = (_random_span(size, edge, random) for size in (height, width))
    other = random.permutation(len(photos))
    mixed = photos.copy()
    mixed[:, rows, columns] = photos[other, rows, columns]
    share = (rows.stop - rows.start) * (columns.stop - columns.start) / (height * width)
    blended = (1 - share) * targets + share * targets[other]
    return mixed, blended.astype(np.float32)


def _random_span(size: int, share: float, random: np.random.Generator) -> slice:
    """Return a random interval of length `share * size`, clipped to 0..size."""
    length = round(size * share)
    start = int(random.integers(size)) - length // 2
    return slice(max(start, 0), min(start + length, size))


def _affine_matrix(
    height: int, width: int, side: int, settings: Augmentation, random: np.random.Generator
) -> np.ndarray:
    """Return the 2x3 matrix that maps a pixel of the result to its position in the photo."""
    crop_width, crop_height = _random_crop(settings.crop, random)
    centre_x = random.uniform(crop_width / 2, 1 - crop_width / 2) * width
    centre_y = random.uniform(crop_height / 2, 1 - crop_height / 2) * height
    scale = 1 + random.uniform(-settings.zoom, settings.zoom)
    mirror = -1 if settings.flip and random.random() < 0.5 else 1
    angle = np.deg2rad(random.uniform(-settings.rotation, settings.rotation))
    step_x = mirror * scale * crop_width * width / side
    step_y = scale * crop_height * height / side
    linear = np.array(
        [
            [np.cos(angle) * step_x, -np.sin(angle) * step_y],
            [np.sin(angle) * step_x, np.cos(angle) * step_y],
        ]
    )
    # The centre of the first pixel has the coordinate 0, so the middle is at (side - 1) / 2.
    middle = np.full(2, (side - 1) / 2)
    shift = np.array([centre_x - 0.5, centre_y - 0.5]) - linear @ middle
    return np.column_stack([linear, shift])


def _random_crop(smallest: float, random: np.random.Generator) -> tuple[float, float]:
    """Return the width and height of a random crop, as fractions of the photo's."""
    if not smallest:
        return 1.0, 1.0
    for _ in range(_TRIES):
        area = random.uniform(smallest, 1.0)
        aspect = np.exp(random.uniform(-np.log(_MAX_ASPECT), np.log(_MAX_ASPECT)))
        crop_width, crop_height = np.sqrt(area * aspect), np.sqrt(area / aspect)
        if crop_width <= 1 and crop_height <= 1:
            return float(crop_width), float(crop_height)
    return 1.0, 1.0


def _jitter_colour(photo: np.ndarray, spread: float, random: np.random.Generator) -> np.ndarray:
    """Change brightness, contrast and saturation by one matrix; clip the result to 0..255."""
    brightness, contrast, saturation = 1 + random.uniform(-spread, spread, 3)
    channels = 1 if photo.ndim == 2 else photo.shape[2]
    grey = np.full((channels, channels), 1 / channels)
    matrix = brightness * contrast * (saturation * np.eye(channels) + (1 - saturation) * grey)
    offset = brightness * (1 - contrast) * float(np.mean(cv2.mean(photo)[:channels]))
    return cv2.transform(photo, np.column_stack([matrix, np.full(channels, offset)]))
