"""Who is let in: refusals that need neither the request's body nor a worker."""

from collections.abc import Collection
from fnmatch import fnmatch

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api import problems
from app.api.api_keys import Keys
from app.api.problems import Problem
from app.serving.pool import Full
from app.serving.predictor import Inference

PROBES = {"/livez", "/readyz"}
PHOTOS = {"/predict", "/predict/batch", "/explain", "/layers"}
# Files that are the same for everybody; what they show, they have to ask the API for.
_PUBLIC = {"/", "/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json"} | PROBES
# Where the scripts of /docs and /redoc are; they come with the service, not from the internet.
REFERENCE = "/reference"
_PUBLIC_FILES = ("/page/", f"{REFERENCE}/")


class Gate:
    """Turns requests away, and gives those that pass the model that is served now."""

    def __init__(self, app: ASGIApp, rules: "Rules") -> None:
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer with a problem."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._rules.check(scope, draining=scope["app"].state.draining)
            if scope["path"] in PHOTOS and scope["method"] == "POST":
                _check_places(scope["state"]["inference"])
        except Problem as problem:
            # What is left of the body is dropped by the server as it comes in.
            await problems.response(scope["path"], problem)(scope, receive, send)
            return
        scope["state"]["classifier"] = scope["state"]["rollout"].classifier
        await self._app(scope, receive, send)


class Rules:
    """What a request must fulfil, in this order, before a place matters.

    Args:
        keys: one of them is needed for all but the probes, the page and the reference.
        hosts: the Host headers that are answered, with * as a wildcard; empty: all.
    """

    def __init__(self, keys: Keys, hosts: Collection[str]) -> None:
        self._keys = keys
        self._hosts = [host.lower() for host in hosts]

    def check(self, scope: Scope, draining: bool) -> None:
        """Let a request pass.

        Args:
            scope: of ASGI; `path` and `headers` are looked at.
            draining: whether the service is being stopped.

        Raises:
            app.api.problems.Problem: it is refused; 400 (host), 503 (draining), 401 or 403 (key).
        """
        path, headers = scope["path"], Headers(scope=scope)
        if path in PROBES:  # asked by whatever address, and never busy
            return
        if self._hosts:
            self._check_host(headers)
        if draining:
            detail = "The service is being stopped. Another instance, or a later try, will answer."
            close = {"Connection": "close"}
            raise Problem(503, "draining", "The service is draining", detail, close)
        if self._keys and not is_public(path):
            self._check_key(headers)

    def _check_host(self, headers: Headers) -> None:
        host = headers.get("host", "").lower()
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if not any(fnmatch(name, pattern) for pattern in self._hosts):
            detail = "The Host header names none of the hosts that this service answers for."
            raise Problem(400, "unknown-host", "The host is not served here", detail)

    def _check_key(self, headers: Headers) -> None:
        key = headers.get("x-api-key")
        if key is None:
            scheme, _, rest = headers.get("authorization", "").partition(" ")
            key = rest.strip() if scheme.lower() == "bearer" else None
        if not key:
            detail = "Send a key as X-API-Key: KEY, or as Authorization: Bearer KEY."
            how = {"WWW-Authenticate": "Bearer"}
            raise Problem(401, "key-missing", "An API key is needed", detail, how)
        # Headers are decoded as Latin-1: this gives back the bytes that were sent.
        if not self._keys.accept(key.encode("latin-1")):
            detail = "The key is none of those that this service accepts."
            raise Problem(403, "key-refused", "The API key is refused", detail)


def is_public(path: str) -> bool:
    """Whether no key is needed: the probes, the page and the API reference."""
    return path in _PUBLIC or path.startswith(_PUBLIC_FILES)


def _check_places(inference: Inference) -> None:
    try:
        inference.places.check()
    except Full as full:
        raise problems.of_full(full) from full
