"""Photos to send: made by a formula, or the JPEGs of a folder.

Made ones have the 1/f amplitude spectrum of natural pictures (Field 1987), so that a JPEG of
450x374 has the 30 to 50 kB of a real one, and costs a decoder as much.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from training.cli import CommandError

SIZE = (450, 374)  # the median of the Dogs vs. Cats photos
COUNT = 16
_AT_MOST = 64  # of a folder
_FALL = 1.5  # of the spectrum; above 1, as a lens and a camera's own JPEG blur


def photos_of(folder: Path | None) -> list[bytes]:
    """The JPEG files in a folder, at most 64; without a folder, 16 made ones.

    Raises:
        CommandError: there is no JPEG file in it.
    """
    if folder is None:
        return [jpeg(picture(seed, *SIZE)) for seed in range(COUNT)]
    names = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    if not names:
        raise CommandError(f"{folder}: no .jpg file in it. Expected a folder of photos.")
    return [path.read_bytes() for path in names[:_AT_MOST]]


def picture(seed: int, width: int, height: int) -> Image.Image:
    """An RGB picture of clouds of every size, another for each seed."""
    random = np.random.default_rng(seed)
    rows = np.fft.fftfreq(height)[:, np.newaxis] * height
    columns = np.fft.rfftfreq(width) * width
    fall = np.maximum(np.hypot(rows, columns), 1.0) ** -_FALL
    fall[0, 0] = 0.0
    # Brightness varies much, the two differences of colour a third of it.
    planes = [_plane(random, fall, (height, width)) for _ in range(3)]
    grey, red, blue = 128 + 50 * planes[0], 17 * planes[1], 17 * planes[2]
    values = np.stack([grey + red, grey, grey + blue], axis=-1)
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def jpeg(image: Image.Image, quality: int = 90) -> bytes:
    """The picture's JPEG file."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _plane(random: np.random.Generator, fall: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    phases = random.uniform(0, 2 * np.pi, fall.shape).astype(np.float32)
    plane = np.fft.irfft2(fall * np.exp(1j * phases), shape)
    return np.asarray(plane / plane.std(), np.float32)
