"""Photos in S3, Google Cloud Storage or Azure, through obstore, which is in the extra `score`.

It takes keys and the endpoint from the environment variables of each cloud, as AWS_ACCESS_KEY_ID
and AWS_ENDPOINT_URL, or from the machine's own identity, and repeats requests that failed.
"""

import asyncio
import re
from typing import Any

from app.cli import CommandError

_ADDRESS = re.compile(r"((?:s3|gs|az)://[^/]+)(?:/(.*))?", re.DOTALL)


RETRIES: Any = {}  # obstore's own: up to 10 tries in 3 minutes


def is_address(name: str) -> bool:
    """Whether this is an address in an object store: s3://bucket/path, gs://... or az://..."""
    return _ADDRESS.fullmatch(name) is not None


class ObjectStore:
    """Lists and reads objects by their addresses. One connection pool for each bucket."""

    def __init__(self) -> None:
        self._stores: dict[str, Any] = {}

    def list(self, address: str) -> list[str]:
        """The paths of all objects below an address, relative to it.

        Raises:
            CommandError: the store cannot be reached, or refuses.
        """
        store, prefix = self._locate(address)
        from obstore.exceptions import BaseError

        try:
            found = asyncio.run(_list(store, prefix))
        except (BaseError, OSError) as error:
            raise _error(address, error) from error
        start = len(prefix) + 1 if prefix else 0
        return [path[start:] for path in found]

    def read(self, address: str, max_bytes: int) -> tuple[int, bytes | None]:
        """An object's size in bytes, and its content unless it is larger than `max_bytes`.

        Raises:
            FileNotFoundError, PermissionError: this object cannot be had.
            CommandError: the store cannot be reached, or refuses everything.
        """
        store, path = self._locate(address)
        import obstore
        from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError

        try:
            result = obstore.get(store, path)
            size = int(result.meta["size"])
            return size, bytes(result.bytes()) if size <= max_bytes else None
        except (NotFoundError, FileNotFoundError) as error:
            raise FileNotFoundError("there is no such object") from error
        except ValueError as error:  # obstore knows no paths with //, /./ or control characters
            raise FileNotFoundError("obstore cannot read an object with such a path") from error
        except (PermissionDeniedError, PermissionError) as error:
            raise PermissionError("the store does not allow it") from error
        except (BaseError, OSError) as error:
            raise _error(address, error) from error

    def _locate(self, address: str) -> tuple[Any, str]:
        found = _ADDRESS.fullmatch(address)
        assert found is not None  # `is_address` has been asked
        bucket, path = found[1], (found[2] or "").strip("/")
        if bucket not in self._stores:
            self._stores[bucket] = _connect(bucket)
        return self._stores[bucket], path


async def _list(store: Any, prefix: str) -> list[str]:
    """The paths of all objects. Ctrl-C ends it, which the function without async ignores."""
    import obstore

    return [each["path"] async for part in obstore.list(store, prefix) for each in part]


def _connect(bucket: str) -> Any:
    try:
        from obstore.store import from_url
    except ModuleNotFoundError as error:
        raise CommandError(
            f"{bucket}: reading from an object store needs the package obstore, of the extra "
            "'score' (requirements/score.txt)."
        ) from error
    try:
        return from_url(bucket, retry_config=RETRIES or None)
    except Exception as error:  # obstore's own, and ValueError for a wrong variable
        raise _error(bucket, error) from error


def _error(address: str, error: Exception) -> CommandError:
    reason = " ".join(str(error).partition("Debug source")[0].split()).rstrip(".")
    return CommandError(
        f"{address}: {reason[:300]}. Check the address, the keys and the endpoint (AWS_..., "
        "GOOGLE_... or AZURE_... variables)."
    )
