"""What the page says of a photo that is accepted, unsure, unknown or not decided at all."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

from tests.page.actions import PHOTO, address, answered, result, snap, transfer
from tests.page.browser import visiting

# The real answers, with other decisions: a real model gives all of them, in known figures, for
# no photo that a test can make.
OLD = dict.fromkeys(("decision", "known", "familiarity", "nearest", "labels"))
ACCEPT = OLD | {"decision": "accept", "known": True, "familiarity": 0.62, "labels": ["dog"]}
UNSURE = ACCEPT | {"decision": "unsure", "familiarity": 0.31, "labels": ["dog", "cat"]}
UNKNOWN = UNSURE | {
    "decision": "unknown",
    "known": False,
    "familiarity": 0.002,
    "nearest": {"label": "dog", "similarity": 0.834},
}
CALIBRATED = OLD | {"decision": "accept", "labels": ["dog"]}  # no familiarity in the version
ANSWERS = {
    "old": OLD, "accept": ACCEPT, "unsure": UNSURE, "unknown": UNKNOWN, "calibrated": CALIBRATED,
}  # fmt: skip
CLASSES = ("dog", "cat", "owl", "fox", "elk", "ape")
MANY = {
    "label": "cat",
    "probability": 0.3,
    "probabilities": dict(zip(CLASSES, (0.2, 0.3, 0.25, 0.1, 0.09, 0.06), strict=True)),
    "evidence": None,
}


def metric(value: float, samples: int, low: float | None = None, high: float | None = None) -> Any:
    return {"value": value, "samples": samples, "low": low, "high": high}


DECISIONS = {"error": 0.025, "smallest_error": 1 / 241, "min_familiarity": 0.02}
THRESHOLDS = {
    "error": 0.05,
    "min_familiarity": 0.01,
    "photos": {"cat": 240, "dog": 1310},
    "cross_validated": False,
    "accepted": [
        {"min_familiarity": 0.005, "known": metric(0.9955, 2000), "other_refused": None},
        {
            "min_familiarity": 0.02,
            "known": metric(0.9815, 2000, 0.9746, 0.9866),
            "other_refused": metric(0.9432, 1004, 0.9271, 0.9559),
        },
    ],
    "sets": [
        {
            "error": 0.01,
            "coverage": {"cat": metric(0.991, 980), "dog": metric(0.987, 1020)},
            "decided": metric(0.876, 2000),
        },
        {
            "error": 0.1,
            "coverage": {"cat": metric(0.903, 980), "dog": metric(0.911, 1020)},
            "decided": metric(1, 2000),
        },
    ],
}
NOTHING = {"thresholds": None, "decisions": None}


@pytest.fixture(scope="module")
def model() -> dict[str, Any]:
    """What the page is told of the model beside its card. A test may change it and reload."""
    return {"thresholds": THRESHOLDS, "decisions": DECISIONS}


@pytest.fixture(scope="module")
def page(browser: Browser, service: httpx.Client, model: dict[str, Any]) -> Iterator[Page]:
    """The page of a model that decides; a photo's name is the key of its answer."""
    card = service.get("/model").json()
    answer = service.post("/explain", files={"file": PHOTO}).json()

    def decide(route: Route) -> None:
        body = route.request.post_data_buffer or b""
        name = body.split(b'filename="')[1].split(b".jpg")[0].decode()
        more = UNSURE | MANY | {"labels": CLASSES} if name == "many" else ANSWERS[name]
        route.fulfill(json=answer | more)

    with visiting(browser, address(service)) as visit:
        visit.page.route("**/model", lambda route: route.fulfill(json=card | model))
        visit.page.route("**/explain", decide)
        visit.page.reload()
        yield visit.page
        assert visit.violations() == visit.complaints == []


UNFAMILIAR = "This photo is less familiar than 99.8 % of known photos."
NEAREST = "The most similar training photo has the label dog and a similarity of 83 %."
AT_LEAST = "This photo is at least as familiar as {} % of known photos."
POSSIBLE = "At an error rate of 2.5 %, each of these {} labels is possible."
LOOK = "This does not look like anything that I know"


@pytest.mark.parametrize(
    ("name", "headline", "facts"),
    [
        ("old", None, None),
        ("accept", None, AT_LEAST.format("62.0")),
        ("unsure", "Not sure: {} or {}", f"{POSSIBLE.format(2)} {AT_LEAST.format('31.0')}"),
        ("calibrated", None, None),
        ("many", "Not sure: cat, owl, dog or one of 3 more",
         f"{POSSIBLE.format(6)} {AT_LEAST.format('31.0')}"),
        ("unknown", LOOK, f"{NEAREST} {UNFAMILIAR}"),
    ],
)  # fmt: skip
def test_the_decision_is_said_in_words(
    page: Page, name: str, headline: str | None, facts: str | None
) -> None:
    transfer(page, "drop", {f"{name}.jpg": (PHOTO, "image/jpeg")})
    label, probability = answered(page, f"{name}.jpg")
    shown = f"{100 * probability:.1f} %"
    article = result(page, f"{name}.jpg")
    likely = ("cat", "dog") if label == "cat" else ("dog", "cat")
    words = headline and headline.format(*likely)
    lines = article.locator(".answer > p")
    verdict = f"Most probable label: {label} {shown}" if words else f"{label} {shown}"
    expected = [words, facts, verdict] if words else [verdict, facts]
    assert [" ".join(line.split()) for line in lines.all_inner_texts()] == [
        line for line in expected if line
    ]
    expect(page.get_by_role("status")).to_have_text(f"{name}.jpg: {words or f'{label}, {shown}'}")


def rows(page: Page, title: str) -> list[list[str]]:
    table = page.get_by_role("region", name=title, exact=True).locator("tr")
    return [row.locator("th, td").all_inner_texts() for row in table.all()]


def test_the_thresholds_are_shown_with_what_was_measured(page: Page) -> None:
    section = page.locator(".thresholds")
    expect(section).to_contain_text("unknown if its familiarity is less than 2 %")
    expect(section).to_contain_text("an error rate of 2.5 %; a request can choose 0.42 % or more")
    expect(section).to_contain_text(
        "1,550 known photos that the network was not trained on: 240 of cat, 1,310 of dog."
    )
    assert rows(page, "Known or unknown, by strictness") == [
        ["Familiarity of at least", "Known photos kept", "Other pictures refused"],
        ["0.5 %", "99.6 % of 2,000", "not measured"],
        ["2 %", "98.2 % (97.5 to 98.7) of 2,000", "94.3 % (92.7 to 95.6) of 1,004"],
    ]
    assert rows(page, "Sets of possible labels, by error rate") == [
        ["Test photos", "Error rate 1 %", "Error rate 10 %"],
        ["cat: true label in the set", "99.1 % of 980", "90.3 % of 980"],
        ["dog: true label in the set", "98.7 % of 1,020", "91.1 % of 1,020"],
        ["all: one label in the set", "87.6 % of 2,000", "100.0 % of 2,000"],
    ]
    expect(page.locator("#card .lead")).to_contain_text("answered as unknown")
    expect(page.locator("#lead")).to_contain_text("says if it does not know")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_the_decisions_fit_the_screen_and_everybody(page: Page, scheme: Any, width: int) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    for name in ("unsure", "unknown"):
        if result(page, f"{name}.jpg").count() == 0:
            transfer(page, "drop", {f"{name}.jpg": (PHOTO, "image/jpeg")})
        answered(page, f"{name}.jpg")
    snap(page, f"decisions-{scheme}")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    faults = Axe().run(page).response["violations"]
    assert [fault["id"] for fault in faults if fault["impact"] in ("serious", "critical")] == []


def test_what_a_model_does_not_have_is_left_out(page: Page, model: dict[str, Any]) -> None:
    """No measurement, then no threshold at all, as in an old version."""
    counts = dict(zip(CLASSES, (60, 50, 40, 55, 44, 51), strict=True))
    small = THRESHOLDS | {"accepted": [], "sets": [], "photos": counts, "cross_validated": True}
    unbounded = DECISIONS | {"min_familiarity": 0}
    model.update({"thresholds": small, "decisions": unbounded})
    page.reload()
    section = page.locator(".thresholds")
    expect(section).to_contain_text(
        "a cross-validation with 300 known photos: 40 to 60 of each class."
    )
    expect(section.locator("table")).to_have_count(0)
    every = "Every picture gets one of the labels, also one that shows none of them."
    expect(page.locator("#card .lead")).to_contain_text(every)
    model.update(NOTHING)
    page.reload()
    expect(page.locator("#card .lead")).to_contain_text(every)
    expect(section).to_have_count(0)
    expect(page.locator("#lead")).not_to_contain_text("know")
