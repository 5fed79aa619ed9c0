"""What a visitor of the page does, and what it shows."""

import base64

import httpx
from playwright.sync_api import Locator, Page, expect

from tests import pictures
from tests.page.browser import SCREENSHOTS

PHOTO = pictures.encode(pictures.noise(3, 320, 240), "JPEG")


def address(client: httpx.Client) -> str:
    return str(client.base_url).rstrip("/")


def transfer(page: Page, event: str, files: dict[str, tuple[bytes, str]]) -> None:
    """Drop or paste files (name -> bytes, type) as the browser itself would hand them over."""
    content = [
        [name, base64.b64encode(data).decode(), kind] for name, (data, kind) in files.items()
    ]
    page.evaluate(
        """([event, files]) => {
          const data = new DataTransfer();
          for (const [name, text, type] of files) {
            const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
            data.items.add(new File([bytes], name, { type }));
          }
          const options = { bubbles: true, cancelable: true };
          document.querySelector("#drop").dispatchEvent(event === "paste"
            ? new ClipboardEvent("paste", { ...options, clipboardData: data })
            : new DragEvent(event, { ...options, dataTransfer: data }));
        }""",
        [event, content],
    )


def result(page: Page, name: str) -> Locator:
    return page.get_by_role("article", name=name, exact=True)


def answered(page: Page, name: str) -> tuple[str, float]:
    """The label and the exact probability that the page shows for a photo."""
    verdict = result(page, name).locator(".verdict")
    expect(verdict).to_be_visible(timeout=30_000)
    exact = verdict.get_attribute("data-probability")
    return verdict.locator(".label").inner_text(), float(exact or "nan")


def snap(page: Page, name: str) -> None:
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
