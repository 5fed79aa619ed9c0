"""The page in a real browser, against the real service. Screenshots go to build/screenshots."""

import base64
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from app.classifier import Classifier
from app.settings import Settings
from tests import pictures
from tests.browser import SCREENSHOTS, Visit, launched, visiting, wait_until
from tests.conftest import ROOT, serving
from training.originals import open_originals

PHOTO = pictures.encode(pictures.noise(3, 320, 240), "JPEG")
SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def service() -> Iterator[httpx.Client]:
    """The lecture's network, whose layers are known here, whatever version is the newest."""
    with serving(Settings(model=ROOT / "models" / "cats-vs-dogs" / "1")) as client:
        yield client


@pytest.fixture(scope="module")
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


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_a_photo_gets_the_answer_of_the_api(
    visit: Visit, service: httpx.Client, event: str
) -> None:
    transfer(visit.page, event, {"noise.jpg": (PHOTO, "image/jpeg")})
    expected = service.post("/predict", files={"file": PHOTO}).json()
    label, probability = answered(visit.page, "noise.jpg")
    assert (label, probability) == (expected["label"], expected["probability"])
    shown = f"{100 * probability:.1f} %"
    expect(result(visit.page, "noise.jpg").locator(".verdict .probability")).to_have_text(shown)
    rows = result(visit.page, "noise.jpg").locator(".alternatives li")
    expect(rows).to_have_count(2)
    expect(visit.page.get_by_role("status")).to_have_text(f"noise.jpg: {label}, {shown}")


@pytest.mark.photos
@pytest.mark.parametrize("label", ["cat", "dog"])
def test_a_real_photo_gets_the_right_label(visit: Visit, photos_data: Path, label: str) -> None:
    """The first test photo of each that the network is sure of, and right about, by itself."""
    classifier = Classifier.load(ROOT / "models" / "cats-vs-dogs" / "1")
    with open_originals(photos_data / "train.zip") as originals:
        photos = (originals.read((label, number)) for number in range(1500, 2500))
        sure = (data for data in photos if classifier.predict(data).probabilities[label] > 0.9)
        transfer(visit.page, "drop", {f"{label}.jpg": (next(sure), "image/jpeg")})
    assert answered(visit.page, f"{label}.jpg")[0] == label


def test_a_photo_is_chosen_in_the_file_dialog(visit: Visit) -> None:
    with visit.page.expect_file_chooser() as chooser:
        visit.page.get_by_role("button", name="Choose photos").click()
    chooser.value.set_files({"name": "a.jpg", "mimeType": "image/jpeg", "buffer": PHOTO})
    assert answered(visit.page, "a.jpg")[0] in ("cat", "dog")


def test_a_photo_is_taken_with_the_camera(visit: Visit) -> None:
    visit.page.get_by_role("button", name="Take a photo").click()
    wait_until(visit.page, "document.querySelector('#viewfinder').videoWidth > 0")
    visit.page.get_by_role("button", name="Take it").click()
    assert answered(visit.page, "camera.jpg")[0] in ("cat", "dog")
    assert visit.page.locator("#viewfinder").evaluate("video => video.srcObject") is None


def test_the_overlay_follows_its_slider_and_its_label(visit: Visit) -> None:
    transfer(visit.page, "drop", {"noise.jpg": (PHOTO, "image/jpeg")})
    answered(visit.page, "noise.jpg")
    card = result(visit.page, "noise.jpg")
    layer = card.locator("canvas.evidence")
    before = layer.evaluate("canvas => canvas.toDataURL()")
    slider = card.get_by_label("Overlay")
    slider.focus()
    visit.page.keyboard.press("Home")
    assert layer.evaluate("canvas => canvas.style.opacity") == "0"
    visit.page.keyboard.press("End")
    assert layer.evaluate("canvas => canvas.style.opacity") == "1"
    sum_before = card.locator(".sum").inner_text()
    other = {"cat": "dog", "dog": "cat"}[card.get_by_label("Evidence for").input_value()]
    card.get_by_label("Evidence for").select_option(other)
    assert layer.evaluate("canvas => canvas.toDataURL()") != before
    assert f"the logit of {other}" in card.locator(".sum").inner_text() != sum_before


def test_the_way_through_the_layers_is_shown(visit: Visit) -> None:
    transfer(visit.page, "drop", {"noise.jpg": (PHOTO, "image/jpeg")})
    answered(visit.page, "noise.jpg")
    card = result(visit.page, "noise.jpg")
    card.get_by_text("Its way through the layers").click()
    expect(card.locator(".strip")).to_have_count(14)
    expect(card.locator(".strip").first).to_contain_text("conv_1")
    wait_until(
        visit.page,
        "[...document.querySelectorAll('.strip img')].every((image) => image.naturalWidth > 100)",
    )


def test_a_file_that_is_no_photo_is_told_in_words(visit: Visit, service: httpx.Client) -> None:
    text = b"I am a cat, believe me"
    transfer(visit.page, "drop", {"cat.txt": (text, "text/plain")})
    problem = service.post("/explain", files={"file": text}).json()
    card = result(visit.page, "cat.txt")
    expect(card.locator(".problem-title")).to_have_text(problem["title"])
    expect(card.locator(".problem-detail")).to_have_text(problem["detail"])
    expect(visit.page.get_by_role("status")).to_contain_text(problem["title"])


def test_a_file_name_is_text_and_never_markup(visit: Visit) -> None:
    name = "<img src=x onerror=alert(1)>.jpg"
    transfer(visit.page, "drop", {name: (PHOTO, "image/jpeg")})
    answered(visit.page, name)
    expect(result(visit.page, name).locator(".file")).to_have_text(name)


def test_ten_large_photos_at_once(visit: Visit, service: httpx.Client, tmp_path: Path) -> None:
    """12 megapixels each; the longest that the page's event loop stood still is printed."""
    photos = {f"{number}.jpg": large_photo(number) for number in range(10)}
    for name, data in photos.items():
        (tmp_path / name).write_bytes(data)
    visit.page.evaluate(
        """() => {
          window.longest = 0;
          let last = performance.now();
          setInterval(() => {
            const now = performance.now();
            window.longest = Math.max(window.longest, now - last);
            last = now;
          }, 10);
        }"""
    )
    visit.page.locator("#files").set_input_files([tmp_path / name for name in photos])
    expect(visit.page.locator("progress").first).to_be_visible()
    expect(visit.page.locator(".verdict")).to_have_count(10, timeout=120_000)
    for name, data in photos.items():
        expected = service.post("/predict", files={"file": data}).json()
        assert answered(visit.page, name) == (expected["label"], expected["probability"])
    print(f"longest pause of the page: {visit.page.evaluate('window.longest'):.0f} ms")
    visit.page.get_by_role("button", name="Remove all").click()
    expect(visit.page.get_by_role("article")).to_have_count(0)


def large_photo(seed: int) -> bytes:
    small = pictures.noise(seed, 40, 30)
    return pictures.encode(small.resize((4000, 3000)), "JPEG", quality=80)


def test_a_service_that_is_gone_is_told_in_words(visit: Visit) -> None:
    visit.page.route("**/explain", lambda route: route.abort())
    transfer(visit.page, "drop", {"noise.jpg": (PHOTO, "image/jpeg")})
    title = result(visit.page, "noise.jpg").locator(".problem-title")
    expect(title).to_have_text("The service does not answer")


def test_a_model_without_explanations_still_answers(visit: Visit, service: httpx.Client) -> None:
    problem = {"type": "urn:problem:not-explainable", "title": "No", "detail": "No."}
    visit.page.route("**/explain", lambda route: route.fulfill(status=404, json=problem))
    transfer(visit.page, "drop", {"noise.jpg": (PHOTO, "image/jpeg")})
    expected = service.post("/predict", files={"file": PHOTO}).json()
    assert answered(visit.page, "noise.jpg") == (expected["label"], expected["probability"])
    expect(result(visit.page, "noise.jpg").get_by_label("Overlay")).to_have_count(0)


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


def snap(page: Page, name: str) -> None:
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
