"""Draw a contact sheet of a model's most confident mistakes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from app.imaging import decode
from training.data.samples import Sample
from training.evaluation.metrics import Evaluation

_COLUMNS, _ROWS = 6, 5
_SIDE, _CAPTION = 160, 30  # pixels


def contact_sheet(evaluation: Evaluation, samples: Sequence[Sample], path: Path) -> None:
    """Write a JPEG with the most confident wrong answers, each with its name and both labels.

    The sheet contains photos, so it must not become part of a published model.
    """
    by_name = {(sample.label, sample.name): sample for sample in samples}
    sheet = Image.new("RGB", (_COLUMNS * _SIDE, _ROWS * (_SIDE + _CAPTION)), "white")
    draw = ImageDraw.Draw(sheet)
    for place, row in enumerate(worst_mistakes(evaluation)[: _COLUMNS * _ROWS]):
        x, y = place % _COLUMNS * _SIDE, place // _COLUMNS * (_SIDE + _CAPTION)
        truth, name = int(evaluation.truths[row]), evaluation.names[row]
        pixels = decode.decode(by_name[truth, name].read(), _SIDE, _SIDE, 3)
        sheet.paste(Image.fromarray(pixels), (x, y))
        answer = evaluation.labels[evaluation.answers[row]]
        lines = f"{name[-24:]}\n{evaluation.labels[truth]}, not {answer} "
        draw.text((x + 2, y + _SIDE), f"{lines}{evaluation.confidences[row]:.1%}", fill="black")
    sheet.save(path, quality=90)


def worst_mistakes(evaluation: Evaluation) -> list[int]:
    """Return the rows of the wrong answers, the most confident first."""
    wrong = np.flatnonzero(evaluation.answers != evaluation.truths)
    order = np.argsort(-evaluation.confidences[wrong], kind="stable")
    return [int(row) for row in wrong[order]]
