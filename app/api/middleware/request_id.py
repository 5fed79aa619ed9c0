"""The id that a request has in its answer and in the log: the client's own, or one made here."""

import random

HEADER = "X-Request-ID"
_LONGEST = 128  # characters


def make() -> str:
    """32 hexadecimal digits. Not secret: asking the system hands Python's lock to a worker."""
    return f"{random.getrandbits(128):032x}"


def is_acceptable(text: str) -> bool:
    """A client's id is taken over if it is short and harmless in a log line."""
    harmless = text.isascii() and text.replace("-", "").replace("_", "").isalnum()
    return len(text) <= _LONGEST and harmless
