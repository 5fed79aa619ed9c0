"""Photos for the benchmarks: generated, or the JPEG files of a folder.

Generated photos have a 1/f amplitude spectrum like natural images (D. Field, 1987), so their JPEG
files have a realistic size and decoding time.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from app.cli import CommandError

SIZE = (450, 374)  # the median of the Dogs vs. Cats photos
COUNT = 16
_MAX_PHOTOS = 64  # the most photos of a folder
_SPECTRUM_EXPONENT = 1.5  # above 1, as lenses and cameras blur photos


def load_photos(folder: Path | None) -> list[bytes]:
    """Return the bytes of up to 64 JPEG files of a folder, or of 16 generated ones without it.

    Raises:
        CommandError: the folder contains no JPEG file.
    """
    if folder is None:
        return [encode_jpeg(generate_picture(seed, *SIZE)) for seed in range(COUNT)]
    names = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    if not names:
        raise CommandError(f"{folder}: no .jpg file in it. Expected a folder of photos.")
    return [path.read_bytes() for path in names[:_MAX_PHOTOS]]


def generate_picture(seed: int, width: int, height: int) -> Image.Image:
    """Generate an RGB picture of clouds of all sizes that depends on the seed."""
    random = np.random.default_rng(seed)
    rows = np.fft.fftfreq(height)[:, np.newaxis] * height
    columns = np.fft.rfftfreq(width) * width
    amplitude = np.maximum(np.hypot(rows, columns), 1.0) ** -_SPECTRUM_EXPONENT
    amplitude[0, 0] = 0.0
    # In natural images, brightness varies more than colour.
    planes = [_plane(random, amplitude, (height, width)) for _ in range(3)]
    grey, red, blue = 128 + 50 * planes[0], 17 * planes[1], 17 * planes[2]
    values = np.stack([grey + red, grey, grey + blue], axis=-1)
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def encode_jpeg(image: Image.Image, quality: int = 90) -> bytes:
    """Return the picture as the bytes of a JPEG file."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _plane(
    random: np.random.Generator, amplitude: np.ndarray, shape: tuple[int, int]
) -> np.ndarray:
    phases = random.uniform(0, 2 * np.pi, amplitude.shape).astype(np.float32)
    plane = np.fft.irfft2(amplitude * np.exp(1j * phases), shape)
    return np.asarray(plane / plane.std(), np.float32)
