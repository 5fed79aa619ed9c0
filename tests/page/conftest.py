"""A real browser and the real service, for all tests of the page."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser

from app.settings import Settings
from tests.conftest import ROOT, serving
from tests.page.actions import address
from tests.page.browser import Visit, launched, visiting


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="package")
def service() -> Iterator[httpx.Client]:
    """The lecture's network, whose layers are known here, whatever version is the newest."""
    with serving(Settings(model=ROOT / "models" / "cats-vs-dogs" / "1")) as client:
        yield client


@pytest.fixture(scope="package")
def digits() -> Iterator[httpx.Client]:
    with serving(Settings(model=ROOT / "models" / "digits")) as client:
        yield client


@pytest.fixture
def visit(browser: Browser, service: httpx.Client) -> Iterator[Visit]:
    """The page of the shipped model; afterwards, it has kept to its policy."""
    with visiting(browser, address(service)) as visit:
        yield visit
        assert visit.violations() == []
        assert visit.complaints == []
