"""A message about a model's folder, for clients: without the paths of this machine."""

import re
from pathlib import Path

_LONGEST = 500  # characters
_HIDDEN = "It cannot be loaded. The reason is in the log of the service."
_BEGIN = r"(?<![\w./~-])"
# The beginning of a path that is none of the known ones.
_PATH = re.compile(r"(?<![\w.<>])/[^\s/]|(?<!\w)[A-Za-z]:[\\/]|\\\\|\.\./|~/")


def without_paths(message: str, folder: Path) -> str:
    """The message with names of files only.

    The folder and the one around it become names, whatever characters they have. A message with
    another path is replaced as a whole, because nobody can say where that path ends.

    Args:
        message: what is wrong with the folder, as the operator reads it.
        folder: the version folder.
    """
    for known in (folder, folder.resolve(), folder.absolute()):
        message = re.sub(rf"{_BEGIN}{re.escape(str(known))}/", "", message)
        for path in (known, known.parent):
            if path.name:
                name = rf"{_BEGIN}{re.escape(str(path))}(?![\w/-])"
                message = re.sub(name, path.name.replace("\\", r"\\"), message)
    return _HIDDEN if _PATH.search(message) else message[:_LONGEST]
