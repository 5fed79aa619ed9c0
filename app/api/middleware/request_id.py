"""The id of a request in its answer and in the log: the client's own, or a new one."""

import random

HEADER = "X-Request-ID"
_LONGEST = 128  # characters


def make() -> str:
    """A new id of 32 hexadecimal digits. It is not a secret, so a fast generator will do."""
    return f"{random.getrandbits(128):032x}"


def is_acceptable(text: str) -> bool:
    """Whether a client's id can be used: it is short and harmless in a log line."""
    harmless = text.isascii() and text.replace("-", "").replace("_", "").isalnum()
    return len(text) <= _LONGEST and harmless
