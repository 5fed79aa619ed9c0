"""Why a photo cannot be used. The messages are for the client that sent it."""

from collections.abc import Collection


class PhotoError(ValueError):
    """A photo that cannot be used. The message says what is wrong and what to do."""


class EmptyPhoto(PhotoError):
    """The file has no bytes."""

    def __init__(self) -> None:
        super().__init__("The file is empty (0 bytes). Send the bytes of one photo.")


class UnsupportedFormat(PhotoError):
    """The file is in no accepted format."""

    def __init__(self, formats: Collection[str]) -> None:
        super().__init__(f"The file is not a photo in an accepted format: {', '.join(formats)}.")


class BrokenPhoto(PhotoError):
    """The file has the signature of an accepted format, but decoding it fails."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"The {name} file is broken and cannot be decoded ({reason}). "
            "Send the complete, undamaged file."
        )


class UnsupportedPixels(PhotoError):
    """The format is accepted, but its pixel type has no defined range of brightness."""

    def __init__(self, mode: str) -> None:
        super().__init__(
            f"The pixel type {mode} has no standard conversion to 8-bit colour. "
            "Save the photo with 8 or 16 bits per channel."
        )


class TooManyPixels(PhotoError):
    """The photo has more pixels than the limit. `limit` and `actual` are counts; None: unknown."""

    def __init__(self, limit: int, size: tuple[int, int] | None) -> None:
        self.limit = limit
        self.actual = size[0] * size[1] if size else None
        found = f"{size[0]} x {size[1]} = {self.actual:,} pixels" if size else "too many pixels"
        super().__init__(
            f"The photo has {found}; at most {limit:,} are accepted. Scale it down first."
        )


class TooExpensive(PhotoError):
    """Decoding the photo needs more than it is allowed to; `limit` says of what."""

    def __init__(self, limit: str) -> None:
        super().__init__(
            f"The photo needs more than {limit}. Scale it down, or save it as an ordinary JPEG."
        )


class DecoderCrashed(PhotoError):
    """The process that decoded the photo crashed."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The file made its decoder crash ({reason}). Save it again with another program."
        )
