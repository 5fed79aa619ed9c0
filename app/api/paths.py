"""The paths that need a rule of their own: photos, probes, and what is open without a key."""

from starlette.types import Scope

PROBES = {"/livez", "/readyz"}
PHOTOS = {"/predict", "/predict/batch", "/explain", "/layers"}

REFERENCE = "/reference"
"""Where the scripts of /docs and /redoc are; they come with the service, not from the internet."""

# The page's files are the same for everybody; the page gets its data from the API.
_PUBLIC = {"/", "/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json"} | PROBES
_PUBLIC_FILES = ("/page/", f"{REFERENCE}/")


def route_path(scope: Scope) -> str:
    """The path of a request without the prefix that a proxy has added."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def is_public(path: str) -> bool:
    """Whether no key is needed: the probes, the page and the API reference."""
    return path in _PUBLIC or path.startswith(_PUBLIC_FILES)
