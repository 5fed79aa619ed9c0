"""Recognise the folders of a data set's subsets by their usual names."""

import re
from pathlib import Path

from app.cli import CommandError, note, printable, shortened
from training.data.photo_files import visible_folders

_NAMES = {
    "train": "train", "training": "train",
    "validation": "validation", "validate": "validation", "valid": "validation",
    "val": "validation", "dev": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
# Words that may stand beside the name: training_set, seg_train, test-images, trainset.
_OTHER_WORDS = {"set", "seg", "data", "dataset", "images", "imgs", "photos", "pictures", "split"}
_JOINED = re.compile(r"(train|training|validation|valid|val|dev|test|testing)(set|data|images)")


def subset_of(name: str) -> str | None:
    """Return the subset that a folder's name stands for, one of SUBSETS, or None.

    >>> subset_of("Training_Set"), subset_of("seg_test"), subset_of("valid"), subset_of("cat")
    ('train', 'test', 'validation', None)
    """
    words = [word for word in re.split(r"[\W_]+", name.casefold()) if word]
    if len(words) == 1 and (joined := _JOINED.fullmatch(words[0])):
        return _NAMES[joined[1]]
    known = [_NAMES[word] for word in words if word in _NAMES]
    others = [word for word in words if word not in _NAMES and word not in _OTHER_WORDS]
    return known[0] if len(known) == 1 and not others else None


def find_subset_folders(path: Path) -> dict[str, Path]:
    """Return the subset folders in `path`, or `path` itself as "train" if it has none.

    A folder "train" without folders in it is a class of trains. Some archives have a subset twice,
    `seg_train/seg_train/CLASS`; the inner folder is returned. Ignored folders are named.

    Raises:
        CommandError: two folders are the same subset, or there are only others than "train".
    """
    folders = visible_folders(path)
    found: dict[str, Path] = {}
    for entry in folders:
        subset = subset_of(entry.name)
        if subset is None or not visible_folders(entry):
            continue
        if subset in found:
            raise CommandError(f"{path}: both {found[subset].name}/ and {entry.name}/ are there.")
        found[subset] = entry
    ignored = [f"{printable(entry.name)}/" for entry in folders if entry not in found.values()]
    if "train" not in found:
        if found and not ignored:
            raise CommandError(
                f"{path}: has {shortened(entry.name + '/' for entry in folders)} and no train/. "
                "Name the folder of the photos to train on train/."
            )
        return {"train": path}
    if ignored:
        note(f"{path}: ignored beside {found['train'].name}/: {shortened(ignored)}")
    return {subset: _innermost(folder, subset) for subset, folder in found.items()}


def _innermost(folder: Path, subset: str) -> Path:
    inner = visible_folders(folder)
    repeated = len(inner) == 1 and subset_of(inner[0].name) == subset
    return inner[0] if repeated and visible_folders(inner[0]) else folder
