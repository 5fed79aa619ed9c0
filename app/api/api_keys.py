"""API keys. Only their digests are kept in memory, and no key is ever logged."""

import hashlib
import hmac
from collections.abc import Iterable
from pathlib import Path

from app.settings import SHORTEST_KEY


class ApiKeysError(ValueError):
    """The file of keys cannot be used. The message is one line and contains no key."""


class ApiKeys:
    """The accepted keys. False if there are none: then no key is needed."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = {_digest(key.encode()) for key in keys}

    def __bool__(self) -> bool:
        return bool(self._digests)

    def accept(self, key: bytes) -> bool:
        """Whether `key` is accepted. The time that this takes does not depend on the key."""
        digest = _digest(key)
        return sum(hmac.compare_digest(digest, own) for own in self._digests) > 0


def read_api_keys(path: Path) -> list[str]:
    """The keys in a file, one per line. Empty lines and lines that start with # are ignored.

    Raises:
        ApiKeysError: the file cannot be read, has no key, or one that is too short.
    """
    try:
        lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise ApiKeysError(f"APP_API_KEYS_FILE={path}: cannot be read ({reason}).") from error
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        # Without a key, everybody would be let in; nobody who sets this wants that.
        raise ApiKeysError(f"APP_API_KEYS_FILE={path}: there is no key in it.")
    if any(len(key) < SHORTEST_KEY for key in keys):
        raise ApiKeysError(
            f"APP_API_KEYS_FILE={path}: a key has fewer than {SHORTEST_KEY} characters."
        )
    return keys


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
