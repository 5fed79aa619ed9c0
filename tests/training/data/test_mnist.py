"""Keras's copy of the digits, from a server of our own."""

import hashlib
from pathlib import Path

import pytest

from app.cli import CommandError
from tests.training.data.site import serve_site
from training.data.mnist import ADDRESS, SHA256, fetch_mnist

CONTENT = b"stands for the arrays" * 100
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def test_it_is_downloaded_once_and_verified(tmp_path: Path) -> None:
    with serve_site(CONTENT) as site:
        path = fetch_mnist(site.address, DIGEST, len(CONTENT), tmp_path)
        assert path == tmp_path / "datasets" / "mnist.npz"
        assert path.read_bytes() == CONTENT
    assert (
        fetch_mnist(site.address, DIGEST, len(CONTENT), tmp_path) == path
    )  # the server is gone by now
    assert len(site.asked) == 1


def test_a_wrong_file_is_refused(tmp_path: Path) -> None:
    with serve_site(b"something else") as site, pytest.raises(CommandError, match="--data"):
        fetch_mnist(site.address, DIGEST, len(CONTENT), tmp_path)


def test_a_failed_download_is_reported_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"Give a copy with --data mnist\.npz"):
        fetch_mnist("http://127.0.0.1:9/mnist.npz", DIGEST, 5, tmp_path, pause=0)


def test_the_defaults_are_those_of_keras() -> None:
    import inspect

    from keras.datasets import mnist

    source = inspect.getsource(mnist.load_data)
    assert ADDRESS.rpartition("/")[0] in source
    assert SHA256 in source
