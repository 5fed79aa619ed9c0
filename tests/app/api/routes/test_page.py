"""The page's files and the card's plots: what is given out, with which headers, and what not."""

import re
from pathlib import Path

import httpx
import pytest

from tests.conftest import ROOT

PAGE = ROOT / "app" / "static"
FILES = sorted(path.name for path in PAGE.iterdir())


def test_the_page_is_html_under_a_strict_policy(service: httpx.Client) -> None:
    answer = service.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert service.head("/").status_code == 200


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_the_page_is_served_and_asks_nobody_else(
    service: httpx.Client, name: str
) -> None:
    answer = service.get(f"/page/{name}")
    assert answer.status_code == 200
    assert answer.text == (PAGE / name).read_text(encoding="utf-8")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    again = service.get(f"/page/{name}", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    addresses = set(re.findall(r"https?://[^\s\"'`]+", answer.text))
    assert addresses <= {"http://www.w3.org/2000/svg"}


def test_the_page_has_nothing_inline(service: httpx.Client) -> None:
    text = service.get("/").text
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text)
    assert re.findall(r"<script(.*?)>(.*?)</script>", text) == [
        (' type="module" src="page/main.js"', "")
    ]


OUTSIDE = [
    "/page/../main.py",
    "/page/%2e%2e/main.py",
    "/page/..%2fmain.py",
    "/page/nothing.js",
    "/page/",
    "/model/plots/card.json",
    "/model/plots/model.keras",
    "/model/plots/nothing.png",
    "/model/plots/..%2f..%2f..%2fREADME.md",
    "/model/plots/%2e%2e/card.json",
    "/model/plots/%00.png",
]


@pytest.mark.parametrize("path", OUTSIDE)
def test_nothing_else_is_given_out(service: httpx.Client, path: str) -> None:
    # httpx would tidy the dots away before it asks.
    answer = service.send(httpx.Request("GET", str(service.base_url).rstrip("/") + path))
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_plot_of_the_card_is_served(service: httpx.Client) -> None:
    answer = service.get("/model/plots/training.png")
    assert answer.headers["content-type"] == "image/png"
    files = [path.read_bytes() for path in Path(ROOT / "models/cats-vs-dogs").rglob("training.png")]
    assert answer.content in files


def test_the_page_is_part_of_the_wheel() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    assert 'packages = ["app", "training"]' in project  # hatchling takes all files of a package
    assert {"index.html", "main.js", "style.css"} <= set(FILES)
