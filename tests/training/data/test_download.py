"""The download, from a server of our own that can do ranges, break off, and lie."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.training.data.site import Site, serve_site
from training.cli import CommandError
from training.data.download import download

CONTENT = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def site() -> Iterator[Site]:
    with serve_site(CONTENT) as site:
        yield site


def fetch(site: Site, path: Path, sha256: str = SHA256, size: int = len(CONTENT)) -> Path:
    return download(site.address, path, size, sha256, pause=0)


def test_a_file_is_downloaded(site: Site, tmp_path: Path) -> None:
    path = fetch(site, tmp_path / "new" / "pets.zip")
    assert path.read_bytes() == CONTENT
    assert [entry.name for entry in path.parent.iterdir()] == ["pets.zip"]


def test_an_interrupted_download_is_resumed(site: Site, tmp_path: Path) -> None:
    (tmp_path / "pets.zip.part").write_bytes(CONTENT[:100_000])
    assert fetch(site, tmp_path / "pets.zip").read_bytes() == CONTENT
    assert site.asked == ["bytes=100000-"]


def test_a_broken_connection_is_retried(site: Site, tmp_path: Path) -> None:
    site.break_after = [70_000, 50_000]
    assert fetch(site, tmp_path / "pets.zip").read_bytes() == CONTENT
    assert site.asked[0] is None
    assert len(site.asked) == 3


def test_a_server_without_ranges_sends_all_again(site: Site, tmp_path: Path) -> None:
    site.ranges = False
    (tmp_path / "pets.zip.part").write_bytes(b"x" * 1000)
    assert fetch(site, tmp_path / "pets.zip").read_bytes() == CONTENT


def test_it_gives_up_and_keeps_what_arrived(site: Site, tmp_path: Path) -> None:
    site.break_after = [10_000] * 5
    with pytest.raises(
        CommandError, match=r"kept in .*pets.zip.part; run the command again to go on"
    ):
        fetch(site, tmp_path / "pets.zip")
    assert len(site.asked) == 5
    assert (tmp_path / "pets.zip.part").read_bytes() == CONTENT[:50_000]
    assert not (tmp_path / "pets.zip").exists()


def test_a_wrong_file_is_never_used(site: Site, tmp_path: Path) -> None:
    site.content = CONTENT[:-1] + b"!"
    with pytest.raises(CommandError, match=f"expected {SHA256}"):
        fetch(site, tmp_path / "pets.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_size_is_never_used(site: Site, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="300000 bytes, expected 299999"):
        fetch(site, tmp_path / "pets.zip", size=299_999)


@pytest.mark.parametrize("status", [403, 404, 500])
def test_an_error_status_is_reported_at_once(site: Site, tmp_path: Path, status: int) -> None:
    site.status = status
    with pytest.raises(CommandError, match=f"the server answers {status}.*--url"):
        fetch(site, tmp_path / "pets.zip")
    assert len(site.asked) == 1


def test_an_unreachable_server_is_reported(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="Nothing arrived; run the command again"):
        download("http://127.0.0.1:9/x", tmp_path / "pets.zip", 1, SHA256, pause=0)


def test_an_existing_file_is_verified_and_not_downloaded(site: Site, tmp_path: Path) -> None:
    (tmp_path / "pets.zip").write_bytes(CONTENT)
    assert fetch(site, tmp_path / "pets.zip").read_bytes() == CONTENT
    (tmp_path / "pets.zip").write_bytes(CONTENT[::-1])
    with pytest.raises(CommandError, match="SHA-256"):
        fetch(site, tmp_path / "pets.zip")
    assert site.asked == []
