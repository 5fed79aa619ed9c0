"""Access control: refusals that need neither the request's body nor a worker."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api import errors, problems
from app.api.api_keys import ApiKeys
from app.api.paths import PHOTOS, PROBES, is_public, route_path
from app.api.problems import Problem
from app.serving.admission import QueueFull


class AccessControl:
    """Refuses requests, and gives the others the model that is served now.

    Args:
        app: the application behind it.
        keys: one of them is needed for all but the probes, the page and the reference.
    """

    def __init__(self, app: ASGIApp, keys: ApiKeys) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer with a problem."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
        except Problem as problem:
            # The server drops what is left of the body as it comes in.
            await problems.response(scope, problem)(scope, receive, send)
            return
        state = scope["state"]
        model = state["model"] = state["watcher"].model
        model.acquire()  # so that its workers stay until the answer
        state["buffered"] = 0
        try:
            await self._pass_on(scope, receive, send)
        finally:
            model.release()
            state["buffer"].give_back(state["buffered"])

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        # The routes answer a GET; the server sends no body, because its own scope says HEAD.
        as_get = {**scope, "method": "GET"}
        try:
            await self._app(as_get, receive, send)
        finally:
            scope["route"] = as_get.get("route")  # for the metrics

    def _check(self, scope: Scope) -> None:
        """Raise a Problem: 503 (draining), 401 or 403 (key), 429 (queue full)."""
        path, headers = route_path(scope), Headers(scope=scope)
        if path in PROBES:  # asked by address, without a key, and also while the queue is full
            return
        if scope["app"].state.draining:
            raise problems.draining()
        if self._keys and not is_public(path):
            self._check_key(headers)
        if path in PHOTOS and scope["method"] == "POST":
            try:
                scope["state"]["predictor"].admission.check()
            except QueueFull as full:
                raise errors.from_queue_full(full) from full

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
