"""What README.md, CONTRIBUTING.md and docs/ name exists, and what they list is complete."""

import ast
import re
import subprocess
import sys
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest

from app.api import errors
from app.serving.metrics import Metrics
from app.settings import Settings
from tests.conftest import ROOT
from tests.docs_pages import ALL, PAGES, TEXTS
from training.recipes.catalogue import RECIPES


def test_the_readme_is_short() -> None:
    assert len(TEXTS[ROOT / "README.md"].splitlines()) <= 150


def test_every_make_target_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"`make ([a-z-]+)|^make ([a-z-]+)", ALL, re.MULTILINE))
    assert {a or b for a, b in named} <= set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\((?!https:)([^)]+)\)", TEXTS[page]):
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), link


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_file_named_exists() -> None:
    folders = r"app|benchmarks|deploy|docs|requirements|tests|training|\.github|\.ci"
    for name in re.findall(rf"`((?:{folders})/[\w./-]*)`", ALL):
        assert (ROOT / name).exists(), name
    for name in re.findall(rf"^    ((?:{folders})/[\w./-]*)", ALL, re.MULTILINE):
        assert (ROOT / name).exists(), name


def test_every_module_named_exists() -> None:
    for name in re.findall(r"(?<![/\w])(?:app|benchmarks|tests|training)(?:\.\w+)+", code_of(ALL)):
        path = ROOT
        for part in name.split("."):
            path /= part
            if path.with_suffix(".py").is_file():
                break  # what follows is a name in the module
            assert path.is_dir(), name


def code_of(text: str) -> str:
    """The words in code spans and blocks."""
    return "\n".join(re.findall(r"^```.*?^```|`[^`]+`", text, re.MULTILINE | re.DOTALL))


def test_every_function_named_exists() -> None:
    defined = {
        node.name
        for package in ("app", "training", "benchmarks")
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    for name in re.findall(r"`[\w.]*?(\w+)\(\)`", ALL):
        assert name in defined, name


def test_every_setting_named_exists() -> None:
    known = {f"APP_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"\bAPP_[A-Z_]*[A-Z]", ALL)) <= known


def test_configuration_has_every_setting_with_its_default() -> None:
    text = TEXTS[ROOT / "docs" / "configuration.md"]
    rows = dict(re.findall(r"^\| `APP_([A-Z_]+)` \| (.+?) \|", text, re.MULTILINE))
    expected = {name.upper(): default_of(name) for name in Settings.model_fields}
    assert rows == expected


def default_of(name: str) -> str:
    """A setting's default as the page writes it."""
    if name == "workers":
        return "the cores of the process"
    default = Settings.model_fields[name].get_default(call_default_factory=True)
    if default in (None, (), ""):
        return "none"
    if isinstance(default, Path):
        return f"`{default.relative_to(ROOT)}`"
    return f"`{','.join(default)}`" if isinstance(default, tuple) else f"`{default}`"


def test_operations_has_every_metric() -> None:
    text = TEXTS[ROOT / "docs" / "operations.md"]
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| ([a-z]+) \|", text, re.MULTILINE))
    exposed = re.findall(r"^# TYPE (\w+) (\w+)", Metrics().text().decode(), re.MULTILINE)
    own = {
        name: kind
        for name, kind in exposed
        if not name.startswith("process_") and not name.endswith("_created")
    }
    assert rows == own


def test_api_has_every_problem() -> None:
    text = TEXTS[ROOT / "docs" / "api.md"]
    rows = re.findall(r"^\| (\d{3}) \| `([a-z0-9-]+)` \|", text, re.MULTILINE)
    assert {(int(status), kind) for status, kind in rows} == problems_in_the_code()
    assert len(rows) == len(set(rows))


def problems_in_the_code() -> set[tuple[int, str]]:
    """(status, kind) of every problem that `app` can answer with."""
    found = {(status, kind) for status, kind, _ in errors._PHOTO_PROBLEMS.values()}
    by_status = {404, 405}  # Starlette's own
    for path in (ROOT / "app").rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            name = getattr(call.func, "id", getattr(call.func, "attr", ""))
            values = [getattr(argument, "value", None) for argument in call.args[:2]]
            if name == "from_status" and isinstance(values[0], int):
                by_status.add(values[0])
            if name == "Problem" and isinstance(values[0], int):
                found.add((values[0], str(values[1])))
    phrases = {status: HTTPStatus(status).phrase.lower().replace(" ", "-") for status in by_status}
    return found | set(phrases.items())


def test_api_has_every_route(service: httpx.Client) -> None:
    text = TEXTS[ROOT / "docs" / "api.md"]
    documented = set(re.findall(r"`(GET|POST) (/[^`]*)`", text))
    paths = service.get("/openapi.json").json()["paths"]
    operations = {(method.upper(), path) for path in paths for method in paths[path]}
    assert operations <= documented
    others = {"/", "/docs", "/redoc", "/openapi.json"}
    assert {path for _, path in documented - operations} == others


def test_training_has_every_recipe() -> None:
    text = TEXTS[ROOT / "docs" / "training.md"]
    assert set(re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE)) == set(RECIPES)


def test_the_tree_is_that_of_the_folders() -> None:
    command = [sys.executable, "docs/tree.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
