"""Decoding of any picture, against a plain reference implementation in NumPy and Pillow."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app.imaging.decode import MODES, decode, preview
from tests import pictures

# How each EXIF orientation is undone, on an array (rows, columns, channels).
UPRIGHT = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels[::-1].swapaxes(0, 1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: pixels[:, ::-1].swapaxes(0, 1),
}
FORMATS = {
    "1": ("PNG", "TIFF"),
    "L": ("PNG", "TIFF"),
    "LA": ("PNG", "TIFF"),
    "P": ("PNG", "TIFF"),
    "RGB": ("PNG", "TIFF", "WEBP"),
    "RGBA": ("PNG", "TIFF", "WEBP"),
    "CMYK": ("TIFF",),
    "I;16": ("PNG", "TIFF"),
}
SIDES = st.integers(1, 40)
ANY = settings(max_examples=25, derandomize=True, deadline=None)


def picture(mode: str, width: int, height: int, seed: int) -> Image.Image:
    """Random pixels of a mode, no two corners alike."""
    random = np.random.default_rng(seed)
    if mode == "I;16":
        return Image.fromarray(random.integers(0, 65536, (height, width), np.uint16))
    if mode == "P":
        image = Image.fromarray(random.integers(0, 256, (height, width), np.uint8), "P")
        image.putpalette(random.integers(0, 256, 768, np.uint8).tobytes())
        return image
    if mode == "1":
        return Image.fromarray(random.integers(0, 2, (height, width)) > 0)
    bands = [
        random.integers(0, 256, (height, width), np.uint8)
        for _ in Image.new(mode, (1, 1)).getbands()
    ]
    return Image.merge(mode, [Image.fromarray(band) for band in bands])


def over_white(image: Image.Image) -> np.ndarray:
    """The picture in 8 bits, uint8 (rows, columns, 1 or 3), transparency laid over white."""
    pixels = np.asarray(image)
    if image.mode == "I;16":
        return np.rint(pixels / 257).astype(np.uint8)[..., None]
    if image.mode == "1":
        return (pixels * np.uint8(255))[..., None]
    if image.mode in ("LA", "RGBA"):
        alpha = pixels[..., -1:] / 255
        return np.rint(pixels[..., :-1] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    if image.mode == "L":
        return pixels[..., None]
    return np.asarray(image.convert("RGB"))


def reference(
    image: Image.Image, orientation: int, size: tuple[int, int], channels: int
) -> np.ndarray:
    """What `decode` promises for a file of `image`, float64 (height, width, channels)."""
    pixels = UPRIGHT[orientation](over_white(image)).astype(float)
    if channels == 1 and pixels.shape[-1] == 3:
        pixels = pixels @ [[0.299], [0.587], [0.114]]  # ITU-R BT.601
    bands = [
        np.asarray(
            Image.fromarray(band.astype(np.float32)).resize(size[::-1], Image.Resampling.BILINEAR)
        )
        for band in np.moveaxis(np.broadcast_to(pixels, (*pixels.shape[:2], channels)), 2, 0)
    ]
    return np.stack(bands, axis=-1)


@pytest.mark.parametrize("mode", FORMATS)
@given(data=st.data(), width=SIDES, height=SIDES, seed=st.integers(0, 99))
@ANY
def test_every_picture_is_decoded_as_the_reference_says(
    mode: str, data: st.DataObject, width: int, height: int, seed: int
) -> None:
    image = picture(mode, width, height, seed)
    name = data.draw(st.sampled_from(FORMATS[mode]))
    orientation = data.draw(st.integers(1, 8))
    size = data.draw(st.tuples(SIDES, SIDES))
    channels = data.draw(st.sampled_from(sorted(MODES)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True, "exact": True} if name == "WEBP" else {}
    file = pictures.encode(image, name, exif=exif, **options)
    got = decode(file, *size, channels)
    assert got.shape == (*size, channels)
    assert got.dtype == np.uint8
    expected = reference(image, orientation, size, channels)
    np.testing.assert_allclose(got.astype(float), expected, rtol=0, atol=2)  # rounded thrice


@given(width=SIDES, height=SIDES, side=st.integers(1, 60), orientation=st.integers(1, 8))
@ANY
def test_a_preview_keeps_the_proportions(
    width: int, height: int, side: int, orientation: int
) -> None:
    image = picture("RGB", width, height, 0)
    exif = Image.Exif()
    exif[0x0112] = orientation
    got = preview(pictures.encode(image, "PNG", exif=exif), side)
    upright = (height, width) if orientation > 4 else (width, height)
    shorter = max(1, round(side * min(upright) / max(upright)))
    assert got.mode == "RGB"
    assert got.size == ((side, shorter) if upright[0] >= upright[1] else (shorter, side))
    expected = reference(image, orientation, got.size[::-1], 3)
    np.testing.assert_allclose(np.asarray(got).astype(float), expected, rtol=0, atol=2)
