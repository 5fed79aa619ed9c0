"""Copies of a version that lack some of its files, to measure what these files cost."""

import shutil
from collections.abc import Collection
from pathlib import Path

from app.model.card import CARD
from app.model.version_folder import load_card


def copy_without(folder: Path, scratch: Path, names: Collection[str], **changes: object) -> Path:
    """Copy a version folder without the files in `names`, and return the copy.

    Args:
        folder: the version folder.
        scratch: the folder in which the copy is made.
        names: files that the card may list.
        changes: other fields of the card, and their values in the copy.

    Raises:
        app.model.card.ModelError: the version is damaged, or the copy's card would not be valid.
    """
    card = load_card(folder)
    copy = Path(shutil.copytree(folder, scratch / folder.name))
    for name in names:
        (copy / name).unlink(missing_ok=True)
    files = {name: digest for name, digest in card.files.items() if name not in names}
    changed = card.model_copy(update={"files": files, **changes})
    (copy / CARD).write_text(changed.model_dump_json(), encoding="utf-8")
    load_card(copy)
    return copy
