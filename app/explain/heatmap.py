"""The evidence drawn over the photo, with a legend, as a PNG."""

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from app.explain.attribution import Explanation
from app.explain.colormap import AGAINST, FOR, normalised
from app.imaging import decode
from app.model.classifier import Classifier

_SIDE = 640  # the photo's longer side
_MINIMUM = 280  # the legend's width
_LEGEND = 60
_REDUCED = 4  # the heatmap is smooth, so it is computed this many times smaller
_OPACITY, _GREY = 0.85, 0.85
_INK, _PAPER = (240, 240, 240), (18, 20, 28)

# Standard deviation of the bell around a place, in distances between two places.
_SIGMA = 0.5


def draw(classifier: Classifier, data: bytes, explanation: Explanation) -> bytes:
    """The photo under the evidence for the answer, as the bytes of a PNG file.

    Orange is evidence for the label, blue is evidence against it. Stronger evidence is less
    transparent.

    Raises:
        app.imaging.errors.PhotoError: the bytes are not a usable photo.
    """
    limits = (classifier.max_pixels, classifier.formats, classifier.memory)
    photo = decode.preview(data, _SIDE, *limits)
    label = explanation.prediction.label
    # Minus the mean over the labels (zero for two): a softmax depends on differences only.
    mean = np.mean([evidence.map for evidence in explanation.evidence.values()], axis=0)
    values = normalised(explanation.evidence[label].map - mean)
    small = [max(1, side // _REDUCED) for side in photo.size]
    smooth = spread(values, explanation.rows, explanation.columns, small[1], small[0])
    # Most of the photo's colour is removed: an orange cat would look like evidence.
    photo = Image.blend(photo, photo.convert("L").convert("RGB"), _GREY)
    layer, mask = (each.resize(photo.size) for each in (_layer(smooth), _mask(smooth)))
    photo.paste(layer, (0, 0), mask)
    width = max(photo.width, _MINIMUM)
    sheet = Image.new("RGB", (width, photo.height + _LEGEND), _PAPER)
    sheet.paste(photo, ((width - photo.width) // 2, 0))
    _legend(sheet, photo.height, label, explanation.prediction.probability)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def spread(
    values: np.ndarray, rows: list[float], columns: list[float], height: int, width: int
) -> np.ndarray:
    """Put a bell at each place's centre, weighted with the place's value: a smooth map of any size.

    Args:
        values: (h, w), in -1..1.
        rows, columns: the places' centres as fractions of the height and the width.
        height, width: of the result.

    Returns:
        float64 (height, width), in -1..1; it fades out beyond the outermost places.
    """
    down, across = _bells(rows, height), _bells(columns, width)
    return np.asarray(np.clip(down @ values @ across.T, -1, 1))


def _bells(centres: list[float], pixels: int) -> np.ndarray:
    """Weights of shape (pixels, places)."""
    step = centres[1] - centres[0] if len(centres) > 1 else 1.0
    middles = (np.arange(pixels) + 0.5) / pixels
    # The outermost places reach half a step beyond their centres; the map fades after that.
    inner = np.clip(middles, centres[0], centres[-1])
    beyond = np.sign(middles - inner) * np.maximum(np.abs(middles - inner) - step / 2, 0)
    distances = (inner + beyond)[:, np.newaxis] - np.array(centres)
    whole = sum(np.exp(-((k / _SIGMA) ** 2) / 2) for k in range(-3, 4))
    return np.asarray(np.exp(-((distances / step / _SIGMA) ** 2) / 2) / whole)


def _layer(values: np.ndarray) -> Image.Image:
    colours = np.where(values[..., np.newaxis] < 0, AGAINST, FOR)
    return Image.fromarray(colours.astype(np.uint8))


def _mask(values: np.ndarray) -> Image.Image:
    # The power makes medium values, which are most of a map, easier to see.
    return Image.fromarray((np.abs(values) ** 0.7 * 255 * _OPACITY).astype(np.uint8))


def _legend(sheet: Image.Image, top: int, label: str, probability: float) -> None:
    """Draw the answer, and a bar from "against" to "for" in the heatmap's colours."""
    margin = 12
    bar = (sheet.width - 2 * margin, 10)
    values = np.repeat(np.linspace(-1, 1, bar[0])[np.newaxis], bar[1], axis=0)
    sheet.paste(_layer(values), (margin, top + 28), _mask(values))
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(13)
    label = label if len(label) <= 24 else label[:23] + "..."
    pen.text((margin, top + 8), f"{label}  {probability:.1%}", _INK, font)
    pen.text((margin, top + 42), "against", _INK, font)
    pen.text((sheet.width - margin, top + 42), "for", _INK, font, anchor="ra")
    pen.text((sheet.width / 2, top + 42), "0", _INK, font, anchor="ma")
