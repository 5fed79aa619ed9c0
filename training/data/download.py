"""Fetching a large file over HTTP: it resumes, it is verified, it is whole or not there."""

import time
from pathlib import Path

import httpx

from app.model.card import sha256 as digest_of
from training.cli import CommandError, progress

# Microsoft's copy of the Asirra photos; size and checksum as TensorFlow Datasets records them.
ADDRESS = (
    "https://download.microsoft.com/download/3/E/1/"
    "3E1C3F21-ECDB-4869-8368-6DEBA77B919F/kagglecatsanddogs_5340.zip"
)
SIZE = 824_887_076
SHA256 = "b7974bd00a84a99921f36ee4403f089853777b5ae8d151c76a86e64900334af9"

_ATTEMPTS = 5


def download(address: str, path: Path, size: int, sha256: str, pause: float = 2.0) -> Path:
    """Fetch `address` into `path`, unless a verified copy is there already.

    The bytes gather in `path` + ".part"; after an interruption the next call goes on from
    there. Only a file with the right size and checksum gets the name `path`.

    Args:
        address: http or https.
        path: where the file goes.
        size, sha256: what the file must be.
        pause: seconds before a broken connection is tried again, up to five times.

    Returns:
        `path`.

    Raises:
        CommandError: the server refuses or fails, or the file is not the expected one.
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
        except (httpx.TransportError, OSError) as error:
            if isinstance(error, OSError) or attempt == _ATTEMPTS:
                kept = f"What arrived is kept in {part}" if part.exists() else "Nothing arrived"
                raise CommandError(
                    f"{address}: {error or type(error).__name__}. {kept}; run the command again "
                    "to go on, or fetch the file yourself and give its path."
                ) from error
            time.sleep(pause)
    try:
        _verify(part, size, sha256, address)
    except CommandError:
        part.unlink()  # complete but wrong: going on from it would never succeed
        raise
    part.replace(path)
    return path


def _fetch(address: str, part: Path, size: int) -> None:
    have = part.stat().st_size if part.exists() else 0
    if have >= size:
        return
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with httpx.stream("GET", address, headers=headers, follow_redirects=True) as response:
        if response.status_code not in (200, 206):
            raise CommandError(
                f"{address}: the server answers {response.status_code} {response.reason_phrase}. "
                "The file may have moved: give its new address with --url."
            )
        if response.status_code == 200:
            have = 0  # a server without ranges sends the whole file again
        bar = progress(None, "download", "B", total=size, initial=have, unit_scale=True)
        with bar, part.open("ab" if have else "wb") as file:
            for chunk in response.iter_raw():
                file.write(chunk)
                bar.update(len(chunk))
    if part.stat().st_size < size:
        raise httpx.ReadError(f"the connection ended at {part.stat().st_size} of {size} bytes")


def _verify(path: Path, size: int, sha256: str, address: str) -> None:
    actual = path.stat().st_size
    if actual != size:
        raise CommandError(
            f"{path}: {actual} bytes, expected {size} from {address}. If the archive has changed, "
            "give its --size and --sha256."
        )
    found = digest_of(path)
    if found != sha256.lower():
        raise CommandError(
            f"{path}: SHA-256 {found}, expected {sha256} from {address}. If the archive has "
            "changed, check where it comes from and give its --sha256."
        )
