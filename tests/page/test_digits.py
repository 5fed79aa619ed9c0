"""Digits drawn in a real browser, against the real service."""

import httpx
from playwright.sync_api import Browser, Route, expect

from tests.page.actions import address, answered, snap
from tests.page.browser import visiting


def test_a_digit_is_drawn_and_read(browser: Browser, digits: httpx.Client) -> None:
    with visiting(browser, address(digits)) as visit:
        square = visit.page.locator(".square")
        square.scroll_into_view_if_needed()
        box = square.bounding_box()
        assert box is not None

        def point(x: float, y: float) -> tuple[float, float]:
            return box["x"] + x * box["width"], box["y"] + y * box["height"]

        mouse = visit.page.mouse
        mouse.move(*point(0.3, 0.25))
        mouse.down()
        for end in ((0.7, 0.25), (0.45, 0.8)):
            mouse.move(*point(*end), steps=10)
        mouse.up()
        label, probability = answered(visit.page, "Your drawing")
        assert label == "7"
        assert probability > 0.9
        assert visit.page.get_by_role("article").count() == 1
        snap(visit.page, "digits")
        visit.page.get_by_role("button", name="Clear", exact=True).click()
        expect(visit.page.get_by_role("article")).to_have_count(0)
        assert visit.violations() == visit.complaints == []


def test_a_digit_is_drawn_with_the_keyboard(browser: Browser, digits: httpx.Client) -> None:
    with visiting(browser, address(digits)) as visit:
        visit.page.locator(".square").focus()
        for _ in range(14):
            visit.page.keyboard.press("Shift+ArrowDown")
        assert answered(visit.page, "Your drawing")[0] == "1"
        expect(visit.page.get_by_role("status")).to_have_text("Your drawing was read")

        def unknown(route: Route) -> None:  # no drawing is unknown to a model for certain
            answer = route.fetch().json()
            route.fulfill(json=answer | {"decision": "unknown", "familiarity": 0, "nearest": None})

        visit.page.route("**/explain", unknown)
        visit.page.keyboard.press("Shift+ArrowRight")
        article = visit.page.get_by_role("article")
        expect(article).to_contain_text("This photo is less familiar than all known photos.")
        expect(visit.page.get_by_role("status")).to_contain_text("Your drawing: This does not look")
