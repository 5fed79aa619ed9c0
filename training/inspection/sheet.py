"""Write the findings as one HTML page with small copies of the photos."""

import base64
import io
from collections.abc import Iterable
from html import escape

from PIL import Image

from app.imaging import decode
from training.data.samples import Sample
from training.inspection.findings import Findings

_SIDE = 160  # pixels of a small copy
_STYLE = """
body { font-family: system-ui, sans-serif; margin: 2rem; color: #222; background: #fff; }
ul { display: flex; flex-wrap: wrap; gap: 1rem; list-style: none; padding: 0; }
li { width: 330px; overflow-wrap: anywhere; font-size: .9rem; }
img { width: 160px; height: 160px; }
"""


def as_html(found: Findings, most: int) -> str:
    """Return a page that needs no other file, with at most `most` photos of each kind."""
    mislabels = [
        (
            [row.sample],
            f"is in {found.labels[row.sample.label]} ({row.own:.1%}), looks like "
            f"{found.labels[row.answer]} ({row.other:.1%})",
        )
        for row in found.mislabels[:most]
    ]
    pairs = [
        ([pair.first, pair.second], f"similarity {pair.similarity:.3f}")
        for pair in found.harmful_pairs()[:most]
    ]
    odd = [([each.sample], f"similarity {each.similarity:.3f}") for each in found.odd[:most]]
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f"<title>Photos to look at</title>\n<style>{_STYLE}</style>\n<h1>Photos to look at</h1>\n"
        + _section(found, "Probable mislabels", mislabels)
        + _section(found, "Near duplicates across classes or subsets", pairs)
        + _section(found, "Unlike the others of their class", odd)
        + "</html>\n"
    )


def _section(found: Findings, title: str, items: Iterable[tuple[list[Sample], str]]) -> str:
    rows = []
    for samples, text in items:
        pictures = "".join(_picture(found, sample) for sample in samples)
        names = "<br>".join(escape(found.place(sample)) for sample in samples)
        rows.append(f"<li>{pictures}<br>{names}<br>{escape(text)}</li>\n")
    content = f"<ul>\n{''.join(rows)}</ul>" if rows else "<p>None.</p>"
    return f"<h2>{escape(title)}</h2>\n{content}\n"


def _picture(found: Findings, sample: Sample) -> str:
    pixels = decode.decode(sample.read(), _SIDE, _SIDE, 3)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=85)
    content = base64.b64encode(file.getvalue()).decode()
    alternative = escape(found.place(sample), quote=True)
    return f'<img alt="{alternative}" src="data:image/jpeg;base64,{content}">'
