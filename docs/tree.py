"""The tree in docs/architecture.md: each module with the first line of its docstring.

python docs/tree.py            write it anew
python docs/tree.py --check    exit with 1 if it is out of date
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
PACKAGES = ("app", "training")
BEGIN, END = "<!-- tree: python docs/tree.py -->\n```\n", "```\n<!-- /tree -->\n"


def main() -> None:
    """Write the tree, or check it."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    lines = [line for package in PACKAGES for line in tree(ROOT / package)]
    fresh = before + BEGIN + "\n".join(lines) + "\n" + END + after
    if "--check" not in sys.argv:
        PAGE.write_text(fresh, encoding="utf-8")
    elif fresh != text:
        sys.exit(f"the tree in {PAGE.relative_to(ROOT)} is out of date: run python docs/tree.py")


def tree(folder: Path, indent: str = "") -> Iterator[str]:
    """The lines for a package: its modules, then its sub-packages; empty modules are left out."""
    yield f"{indent}{folder.name}/"
    inner = indent + "  "
    modules = [path for path in sorted(folder.glob("*.py")) if path.stat().st_size]
    width = max((len(path.name) for path in modules), default=0)
    for path in modules:
        yield f"{inner}{path.name.ljust(width)}  {first_line(path)}".rstrip()
    for package in sorted(path.parent for path in folder.glob("*/__init__.py")):
        yield from tree(package, inner)


def first_line(path: Path) -> str:
    """The first line of a module's docstring."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]


if __name__ == "__main__":
    main()
