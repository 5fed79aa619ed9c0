"""Download a large file over HTTP: resume after interruptions and verify the checksum."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx

from app.cli import CommandError, progress
from app.model.version_folder import sha256 as digest_of

# Microsoft's copy of the Asirra photos; TensorFlow Datasets records the same size and checksum.
ADDRESS = (
    "https://download.microsoft.com/download/3/E/1/"
    "3E1C3F21-ECDB-4869-8368-6DEBA77B919F/kagglecatsanddogs_5340.zip"
)
SIZE = 824_887_076
SHA256 = "b7974bd00a84a99921f36ee4403f089853777b5ae8d151c76a86e64900334af9"

_ATTEMPTS = 5


def download(address: str, path: Path, size: int, sha256: str, pause: float = 2.0) -> Path:
    """Download `address` to `path`, unless a verified copy exists.

    The data is written to `path` + ".part". After an interruption, the next call continues with
    this file. It is renamed to `path` once its size and checksum are verified.

    Args:
        address: an http or https URL.
        path: the file to write.
        size, sha256: the expected size in bytes and SHA-256.
        pause: seconds to wait after a connection error; up to five attempts are made.

    Returns:
        `path`.

    Raises:
        CommandError: the download fails, the file has another size or checksum, or an https
            address is redirected to one that is not.
    """
    if path.is_file():
        _verify(path, size, sha256, address)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _fetch(address, part, size)
            break
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            if not isinstance(error, httpx.TransportError) or attempt == _ATTEMPTS:
                kept = f"What arrived is kept in {part}" if part.exists() else "Nothing arrived"
                raise CommandError(
                    f"{address}: {error or type(error).__name__}. {kept}; run the command again "
                    "to go on, or fetch the file yourself and give its path."
                ) from error
            time.sleep(pause)
    try:
        _verify(part, size, sha256, address)
    except CommandError:
        part.unlink()  # the file is complete but wrong, so resuming it would never succeed
        raise
    part.replace(path)
    return path


def _fetch(address: str, part: Path, size: int) -> None:
    offset = part.stat().st_size if part.exists() else 0
    if offset >= size:
        return
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
    hooks: dict[str, list[Callable[..., None]]] = {"request": [partial(_require_safe, address, [])]}
    with (
        httpx.Client(follow_redirects=True, event_hooks=hooks) as client,
        client.stream("GET", address, headers=headers) as response,
    ):
        if response.status_code not in (200, 206):
            raise CommandError(
                f"{address}: the server answers {response.status_code} {response.reason_phrase}. "
                "The file may have moved: give its new address with --url."
            )
        if response.status_code == 200:
            offset = 0  # the server does not support ranges and sends the whole file again
        announced = response.headers.get("content-length")
        if announced is not None and offset + int(announced) != size:
            raise _wrong_size(address, offset + int(announced), size)
        bar = progress(None, "download", "B", total=size, initial=offset, unit_scale=True)
        with bar, part.open("ab" if offset else "wb") as file:
            for chunk in response.iter_raw():
                file.write(chunk[: size + 1 - file.tell()])
                bar.update(len(chunk))
                if file.tell() > size:
                    break
    if part.stat().st_size > size:
        part.unlink()
        raise _wrong_size(address, f"more than {size}", size)
    if part.stat().st_size < size:
        raise httpx.ReadError(f"the connection ended at {part.stat().st_size} of {size} bytes")


def _require_safe(address: str, before: list[str], request: httpx.Request) -> None:
    """Check each request, also one that follows a redirect: after https, it has to be https.

    Args:
        address: where the download began.
        before: the schemes of the requests before; this one's is added.
        request: the request that is about to be sent.
    """
    allowed = ("https",) if "https" in before else ("https", "http")
    if request.url.scheme not in allowed:
        raise CommandError(
            f"{address} leads to {request.url}, and only {' or '.join(allowed)} is accepted. Check "
            "the address, or fetch the file yourself and give its path."
        )
    before.append(request.url.scheme)


def _wrong_size(where: str | Path, actual: int | str, size: int) -> CommandError:
    return CommandError(
        f"{where}: {actual} bytes, expected {size}. If the file has changed, give its --size and "
        "--sha256."
    )


def _verify(path: Path, size: int, sha256: str, address: str) -> None:
    actual = path.stat().st_size
    if actual != size:
        raise _wrong_size(path, actual, size)
    digest = digest_of(path)
    if digest != sha256.lower():
        raise CommandError(
            f"{path}: SHA-256 {digest}, expected {sha256} from {address}. If the archive has "
            "changed, check where it comes from and give its --sha256."
        )
