"""A real browser for the tests: the system's Chromium, driven by Playwright."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from tests.conftest import ROOT

SCREENSHOTS = ROOT / "build" / "screenshots"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
]  # fmt: skip

# Runs before the page's own scripts, so that no violation is missed.
_WATCH = """
  window.violations = [];
  document.addEventListener("securitypolicyviolation", (event) =>
    window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
"""


def executable() -> str:
    """The browser that CATS_VS_DOGS_BROWSER names, or that is installed; else the test skips."""
    named = os.environ.get("CATS_VS_DOGS_BROWSER")
    if named:  # .ci/run sets it: there, a browser that is missing is a failure
        assert shutil.which(named), f"CATS_VS_DOGS_BROWSER={named} is not there"
        return named
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip("no Chromium is installed (Debian: apt-get install chromium)")
    return found


def wait_until(page: Page, expression: str) -> None:
    """Until it is true on the page. (Playwright's own way needs a policy that allows eval.)"""
    for _ in range(300):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never true: {expression}")


@contextmanager
def launched() -> Iterator[Browser]:
    """The browser, headless."""
    path = executable()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Visit:
    """An open page, and what it did that it should not have done."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)

    def violations(self) -> list[str]:
        """What the Content-Security-Policy blocked."""
        blocked: list[str] = self.page.evaluate("window.violations")
        return blocked


@contextmanager
def visiting(browser: Browser, address: str, **options: Any) -> Iterator[Visit]:
    """The page at `address` in a fresh profile; it must not complain or ask anybody else.

    Args:
        browser: see `launched`.
        address: of the service.
        options: of Playwright's `new_context`: viewport, color_scheme, permissions.
    """
    context = browser.new_context(**options)
    context.add_init_script(_WATCH)
    page = context.new_page()
    visit = Visit(page, address)

    def on_console(message: ConsoleMessage) -> None:
        # An answer of 4xx is an error to the console; the page says it in words.
        if message.type == "error" and "Failed to load resource" not in message.text:
            visit.complaints.append(message.text)

    def on_request(request: Request) -> None:
        if not request.url.startswith((address, "blob:", "data:")):
            visit.complaints.append(f"asked {request.url}")

    page.on("console", on_console)
    page.on("request", on_request)
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    page.goto(f"{address}/")
    yield visit
    context.close()
