"""The page itself: what it shows of the model, its policy, screens and keyboards."""

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.page.actions import PHOTO, address, answered, result, snap, transfer
from tests.page.browser import Visit, visiting, wait_until

SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}


def test_the_network_and_the_card_are_shown(visit: Visit, service: httpx.Client) -> None:
    card = service.get("/model").json()
    diagram = visit.page.locator(".diagram")
    expect(diagram.locator("li").first).to_be_visible()
    for layer in card["layers"]:
        if layer["parameters"]:
            expect(diagram.get_by_text(f"{layer['parameters']:,} parameters")).to_have_count(1)
    expect(visit.page.locator("#network")).to_contain_text(f"{card['parameters']:,} parameters")
    accuracy = card["metrics"]["test_accuracy"]["value"]
    expect(visit.page.locator("#card")).to_contain_text(f"{100 * accuracy:.1f} %")
    plots = [name for name in card["files"] if name.endswith(".png")]
    expect(visit.page.locator(".plot img")).to_have_count(len(plots))
    visit.page.locator(".plot img").first.scroll_into_view_if_needed()
    wait_until(visit.page, "document.querySelector('.plot img').naturalWidth > 100")


def test_the_policy_blocks_what_is_inline(visit: Visit) -> None:
    """So that `violations() == []` elsewhere means something."""
    visit.page.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "window.broken = true";
          document.body.append(script);
          document.body.setAttribute("style", "color: red");
          return fetch("http://127.0.0.1:9/").catch(() => null);
        }"""
    )
    assert visit.page.evaluate("window.broken") is None
    blocked = {entry.split()[0] for entry in visit.violations()}
    assert blocked == {"script-src-elem", "style-src-attr", "connect-src"}
    visit.page.evaluate("window.violations = []")
    visit.complaints.clear()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_it_fits_the_screen_and_everybody(
    browser: Browser, service: httpx.Client, size: str, scheme: str
) -> None:
    """No sideways scroll, and nothing that axe-core calls serious."""
    options = {"viewport": SIZES[size], "color_scheme": scheme}
    with visiting(browser, address(service), **options) as visit:
        page = visit.page
        files = {"noise.jpg": (PHOTO, "image/jpeg"), "notes.txt": (b"text", "text/plain")}
        transfer(page, "drop", files)
        answered(page, "noise.jpg")
        expect(result(page, "notes.txt").locator(".problem-title")).to_be_visible()
        for summary in page.locator("summary").all():
            summary.click()
        expect(page.locator(".strip")).to_have_count(14)
        shown = page.locator(".strip").first.locator("img:visible")
        expect(shown).to_have_count(1 if size == "desktop" else 2)
        page.locator(".plot img").first.scroll_into_view_if_needed()
        snap(page, f"{size}-{scheme}")
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0
        faults = Axe().run(page).response["violations"]
        serious = [fault for fault in faults if fault["impact"] in ("serious", "critical")]
        assert [(fault["id"], fault["nodes"][0]["html"]) for fault in serious] == []


def test_everything_can_be_reached_with_the_keyboard(visit: Visit) -> None:
    transfer(visit.page, "drop", {"noise.jpg": (PHOTO, "image/jpeg")})
    answered(visit.page, "noise.jpg")
    reached = []
    for _ in range(14):
        visit.page.keyboard.press("Tab")
        reached.append(
            visit.page.evaluate(
                "document.activeElement.ariaLabel || document.activeElement.id"
                " || document.activeElement.textContent"
            )
        )
    wanted = {"choose", "camera", "clear", "Remove noise.jpg", "Its way through the layers"}
    assert wanted <= set(reached)
    assert any(name.startswith("strength-") for name in reached)
