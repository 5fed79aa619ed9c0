"""Unpack the zips in a zip to temporary files, within limits."""

import shutil
import tempfile
import zipfile
from contextlib import ExitStack
from pathlib import Path

from app.cli import CommandError
from training.data.zip_entries import UnreadablePhoto, chunks, open_zip

# Kaggle's archive has two of them, with 0.9 GB in all, one level deep.
_MOST = 32
_DEEPEST = 3
_LARGEST = 4 * 1024**3  # bytes in all


class InnerZips:
    """The inner zips of one archive; the files are deleted when the stack ends."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._count = 0
        self._bytes = 0

    def open(
        self, outer: zipfile.ZipFile, entry: zipfile.ZipInfo, title: str, depth: int
    ) -> zipfile.ZipFile:
        """Copy an inner zip to a file, since seeking inside a compressed one is slow; open it.

        Args:
            outer: the zip that has the entry.
            entry: the inner zip.
            title: its name in messages.
            depth: 1 in SOURCE itself, 2 in a zip in it, and so on.

        Raises:
            CommandError: it is damaged or no zip, or the archive has too much of them.
        """
        self._count += 1
        self._bytes += entry.file_size
        self._require_within_limits(entry, title, depth)
        # The stack keeps the file for as long as the archive is used.
        copy = self._stack.enter_context(tempfile.NamedTemporaryFile(suffix=".zip"))  # noqa: SIM115
        try:
            for chunk in chunks(outer, entry):
                copy.write(chunk)
        except UnreadablePhoto as error:
            raise CommandError(f"{title}: {error}") from error
        copy.flush()
        return open_zip(Path(copy.name), title, self._stack)

    def _require_within_limits(self, entry: zipfile.ZipInfo, title: str, depth: int) -> None:
        folder = tempfile.gettempdir()
        free = shutil.disk_usage(folder).free
        reason = ""
        if depth > _DEEPEST:
            reason = f"lies more than {_DEEPEST} zips deep"
        elif self._count > _MOST:
            reason = f"is one of more than {_MOST} zips in SOURCE"
        elif self._bytes > _LARGEST:
            reason = f"makes {self._bytes:,} bytes of inner zips, more than {_LARGEST:,}"
        elif entry.file_size > free:
            reason = f"has {entry.file_size:,} bytes, and {folder} has {free:,} free"
        if reason:
            raise CommandError(
                f"{title} {reason}. Unpack SOURCE with another program, and name the folder."
            )
