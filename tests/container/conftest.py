"""Images that the tests share, built once a session with `docker compose build`."""

import time
from collections.abc import Iterator

import pytest

from tests.container.compose import Project, docker, image

TARGETS = ("cpu", "gpu", "train")


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """All images; without a Docker engine this fails, as nothing here could be shown."""
    docker("version")
    print()
    for target in TARGETS:
        began = time.monotonic()
        if target == "train":
            Project(tmp_path_factory.mktemp("build")).run("build", "train")
        else:
            Project(tmp_path_factory.mktemp("build"), target).run("build", "api")
        print(f"built {image(target)} in {time.monotonic() - began:.1f} s, {size(target)}")
    yield
    docker("image", "rm", "--force", *map(image, TARGETS))


def size(target: str) -> str:
    """An image's size as Docker tells it."""
    return f"{int(docker('image', 'inspect', '-f', '{{.Size}}', image(target)).stdout):,} bytes"
