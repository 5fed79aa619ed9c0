"""The API reference in a browser that reaches nothing but the service."""

import httpx
from playwright.sync_api import Browser, expect

from tests.page.actions import PHOTO, address
from tests.page.browser import Visit, visiting


def test_the_reference_needs_no_internet_and_tries_a_route(
    visit: Visit, service: httpx.Client
) -> None:
    page = visit.page
    page.goto(f"{visit.address}/docs")
    routes = len(service.get("/openapi.json").json()["paths"])
    expect(page.locator(".opblock")).to_have_count(routes)
    operation = page.locator("#operations-default-predict_predict_post")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    photo = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": PHOTO}
    operation.locator("input[type=file]").set_input_files(photo)  # type: ignore[arg-type]
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table .response-col_status")
    expect(answer.last).to_contain_text("200")


def test_the_other_reference_needs_no_internet(browser: Browser, service: httpx.Client) -> None:
    with visiting(browser, address(service)) as visit:
        visit.page.goto(f"{visit.address}/redoc")
        expect(visit.page.locator("h1").first).to_contain_text("Photo classifier")
        expect(visit.page.locator("[data-section-id]").first).to_be_visible()
        # Its maker's logo is not shown.
        assert [one.split()[0] for one in visit.violations()] == ["img-src"]
