"""Versions of a small model on disk, as training would publish and as accidents leave them."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.model.card import CARD, LITERT
from tests.conftest import ROOT

DIGITS = ROOT / "models" / "digits" / "1"


def publish(base: Path, version: int, broken: bool = False) -> Path:
    """The digits as another version of the model in `base`, complete at once."""
    folder, beside = base / str(version), base / f".{version}"
    shutil.copytree(DIGITS, beside)
    card = json.loads((beside / CARD).read_text())
    (beside / CARD).write_text(json.dumps(card | {"version": version}))
    if broken:
        damage(beside)
    beside.rename(folder)
    return folder


def edit_card(folder: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    """Change a version's card, as JSON."""
    card = json.loads((folder / CARD).read_text())
    edit(card)
    (folder / CARD).write_text(json.dumps(card))


def damage(folder: Path) -> None:
    """Change a byte of the network; the time of the file says so."""
    data = bytearray((folder / LITERT).read_bytes())
    data[len(data) // 2] ^= 1
    beside = folder / "beside"
    beside.write_bytes(data)
    os.replace(beside, folder / LITERT)


def repair(folder: Path) -> None:
    """Put the right network in its place."""
    shutil.copy(DIGITS / LITERT, folder / LITERT)
