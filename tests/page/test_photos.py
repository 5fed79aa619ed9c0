"""Photos in a real browser, against the real service."""

from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from app.model.classifier import Classifier
from tests import pictures
from tests.conftest import ROOT
from tests.page.actions import PHOTO, answered, result, transfer
from tests.page.browser import Visit, wait_until
from training.data.archives import open_archive


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_a_photo_gets_the_answer_of_the_api(
    visit: Visit, service: httpx.Client, event: str
) -> None:
    transfer(visit.page, event, {"noise.jpg": (PHOTO, "image/jpeg")})
    expected = service.post("/explain", files={"file": PHOTO}).json()
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
    with open_archive(photos_data / "train.zip") as archive:
        photos = (archive.read((label, number)) for number in range(1500, 2500))
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
        expected = service.post("/explain", files={"file": data}).json()
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
