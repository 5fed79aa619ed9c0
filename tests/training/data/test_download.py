"""The download, from a server of our own that can do ranges, break off, and lie."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.cli import CommandError
from tests.service.nginx import make_certificate
from tests.training.data.site import Site, serve_site
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


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("begun", [0, 3])
def test_no_more_is_written_than_expected(
    site: Site, tmp_path: Path, announced: bool, begun: int
) -> None:
    site.content, site.announced = bytes(50_000_000), announced
    (tmp_path / "pets.zip.part").write_bytes(bytes(begun))
    with pytest.raises(CommandError, match=r"(50000000|more than 5) bytes, expected 5\. If"):
        fetch(site, tmp_path / "pets.zip", size=5)
    assert len(site.asked) == 1
    assert site.sent < 10_000_000
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == begun * announced


def test_a_file_that_is_announced_too_short_is_not_fetched(site: Site, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="300000 bytes, expected 300001"):
        fetch(site, tmp_path / "pets.zip", size=300_001)
    assert site.sent <= len(CONTENT)
    assert not (tmp_path / "pets.zip").exists()


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site with TLS, whose certificate is accepted."""
    certificate = make_certificate(tmp_path / "tls")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serve_site(CONTENT, certificate) as site:
        yield site


def test_a_redirect_from_https_stays_with_https(site: Site, secure: Site, tmp_path: Path) -> None:
    secure.redirect = secure.address.replace("pets", "moved")
    assert fetch(secure, tmp_path / "pets.zip").read_bytes() == CONTENT
    secure.redirect = site.address
    with pytest.raises(CommandError, match=f"leads to {site.address}, and only https is accepted"):
        fetch(secure, tmp_path / "other.zip")
    assert site.asked == []
    site.redirect = secure.address.replace("pets", "moved")
    assert fetch(site, tmp_path / "third.zip").read_bytes() == CONTENT
    # Over http, back to https, and away from it again.
    site.redirect = secure.address
    secure.redirect = site.address.replace("pets", "moved")
    with pytest.raises(CommandError, match="and only https is accepted"):
        fetch(site, tmp_path / "fourth.zip")


@pytest.mark.parametrize(
    "place", ["file:///etc/passwd", "ftp://127.0.0.1/pets.zip", "http://[::", "/pets.zip", "//"]
)
def test_a_redirect_to_nowhere_is_one_error(site: Site, tmp_path: Path, place: str) -> None:
    site.redirect = place
    with pytest.raises(CommandError, match=site.address):
        fetch(site, tmp_path / "pets.zip")


@pytest.mark.parametrize("address", ["ftp://127.0.0.1/x", "pets.zip", "http://[::", "file:///x"])
def test_an_address_that_is_none_is_one_error(tmp_path: Path, address: str) -> None:
    with pytest.raises(CommandError, match="fetch the file yourself"):
        download(address, tmp_path / "pets.zip", 5, SHA256, pause=0)


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
