"""All hostile files, by name."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from tests.fuzz.hostile import avif, bmp, gif, headers, heic, jpeg, png, tiff, webp

_MODULES = (jpeg, png, webp, gif, bmp, tiff, avif, heic, headers)


@dataclass(frozen=True)
class HostileFile:
    """A file that costs its decoder far more than its size: its name and its maker."""

    name: str
    make: Callable[[], bytes]

    @property
    def kind(self) -> str:
        """The media type."""
        return f"image/{self.name.split('-')[0]}"


def hostile_files(only: Collection[str] = ()) -> list[HostileFile]:
    """Return all files, or those of which the name contains one of `only`."""
    files = {name: make for module in _MODULES for name, make in module.FILES.items()}
    return [
        HostileFile(name, make)
        for name, make in files.items()
        if not only or any(word in name for word in only)
    ]
