"""Random changes that leave a photo's label true: where it is cut, turned, mirrored, coloured.

Every photo goes through one affine warp and one colour matrix, whatever is asked for, so the
cost does not grow with the list. It is part of the training data, never of a saved network.
"""

from dataclasses import dataclass

import cv2
import numpy as np

# A photo is warped on one core: the trainer runs several batches side by side.
cv2.setNumThreads(1)

_ASPECT = 4 / 3  # the widest and, inverted, the narrowest cut, as in Szegedy et al. (2015)
_TRIES = 10


@dataclass(frozen=True)
class Augmentation:
    """How far a photo may be changed; 0 and False leave it as it is.

    `flip`: mirrored left to right, every second photo. `rotation`: at most so many degrees
    either way. `zoom`: in or out by at most this share of the side. `crop`: cut out a
    rectangle of at least this share of the area, anywhere in the photo (0: the whole photo).
    `colour`: brightness, contrast and saturation, each scaled by 1 - colour .. 1 + colour.
    `cutmix`: in this share of the batches, each photo gets a piece of another one.
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
    """Change each photo in its own way.

    Args:
        photos: uint8 (photos, height, width, channels).
        side: the height and width of the result, in pixels.
        settings: what to do. `cutmix` is not done here, as it changes the labels too.
        random: decides; the same state gives the same photos.

    Returns:
        uint8 (photos, side, side, channels). Pixels from beyond the edge mirror the photo.
    """
    changed = np.empty((len(photos), side, side, photos.shape[3]), np.uint8)
    for row, photo in zip(changed, photos, strict=True):
        warped = cv2.warpAffine(
            photo,
            _affine(photo.shape[0], photo.shape[1], side, settings, random),
            (side, side),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        if settings.colour:
            warped = _coloured(warped, settings.colour, random)
        row[:] = warped.reshape(row.shape)
    return changed


def cutmix(
    photos: np.ndarray, targets: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Paste into each photo a piece of another of the batch, and blend their targets by its area.

    One rectangle for the batch, of the photo's proportions, anywhere, also over the edge; all
    areas are equally likely. Source: S. Yun et al., CutMix (2019).

    Args:
        photos: uint8 (photos, height, width, channels).
        targets: float32 (photos, outputs): a label of shape (photos,) would broadcast wrongly.
        random: as in `augment`.

    Returns:
        Photos and targets of the same shapes and dtypes, new arrays.
    """
    height, width = photos.shape[1:3]
    edge = np.sqrt(random.uniform())
    rows, columns = (_piece(size, edge, random) for size in (height, width))
    other = random.permutation(len(photos))
    mixed = photos.copy()
    mixed[:, rows, columns] = photos[other, rows, columns]
    share = (rows.stop - rows.start) * (columns.stop - columns.start) / (height * width)
    blended = (1 - share) * targets + share * targets[other]
    return mixed, blended.astype(np.float32)


def _piece(size: int, share: float, random: np.random.Generator) -> slice:
    """A stretch of this share of `size`, what lies within 0..size of it."""
    length = round(size * share)
    start = int(random.integers(size)) - length // 2
    return slice(max(start, 0), min(start + length, size))


def _affine(
    height: int, width: int, side: int, settings: Augmentation, random: np.random.Generator
) -> np.ndarray:
    """The 2x3 matrix from a pixel of the result to its place in the photo."""
    across, down = _cut(settings.crop, random)
    centre_x = random.uniform(across / 2, 1 - across / 2) * width
    centre_y = random.uniform(down / 2, 1 - down / 2) * height
    scale = 1 + random.uniform(-settings.zoom, settings.zoom)
    mirror = -1 if settings.flip and random.random() < 0.5 else 1
    angle = np.deg2rad(random.uniform(-settings.rotation, settings.rotation))
    step_x = mirror * scale * across * width / side
    step_y = scale * down * height / side
    turn = np.array(
        [
            [np.cos(angle) * step_x, -np.sin(angle) * step_y],
            [np.sin(angle) * step_x, np.cos(angle) * step_y],
        ]
    )
    # Pixel centres lie half a pixel inside: the middle of the result is at (side - 1) / 2.
    middle = np.full(2, (side - 1) / 2)
    shift = np.array([centre_x - 0.5, centre_y - 0.5]) - turn @ middle
    return np.column_stack([turn, shift])


def _cut(smallest: float, random: np.random.Generator) -> tuple[float, float]:
    """Width and height of the rectangle to keep, as shares of the photo's."""
    if not smallest:
        return 1.0, 1.0
    for _ in range(_TRIES):
        area = random.uniform(smallest, 1.0)
        aspect = np.exp(random.uniform(-np.log(_ASPECT), np.log(_ASPECT)))
        across, down = np.sqrt(area * aspect), np.sqrt(area / aspect)
        if across <= 1 and down <= 1:
            return float(across), float(down)
    return 1.0, 1.0


def _coloured(photo: np.ndarray, spread: float, random: np.random.Generator) -> np.ndarray:
    """Brightness, contrast and saturation as one matrix over the channels, clipped to 0..255."""
    brightness, contrast, saturation = 1 + random.uniform(-spread, spread, 3)
    channels = 1 if photo.ndim == 2 else photo.shape[2]
    grey = np.full((channels, channels), 1 / channels)
    matrix = brightness * contrast * (saturation * np.eye(channels) + (1 - saturation) * grey)
    offset = brightness * (1 - contrast) * float(np.mean(cv2.mean(photo)[:channels]))
    return cv2.transform(photo, np.column_stack([matrix, np.full(channels, offset)]))
