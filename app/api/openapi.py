"""The parts of the API reference that depend on the settings: keys, and the number of photos."""

import copy
from typing import Any

from fastapi import FastAPI

from app.api.paths import is_public

_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}


def extend(app: FastAPI, keys: bool, max_photos: int) -> None:
    """Add these parts to what `app.openapi()` returns.

    Args:
        app: the application, with all its routes.
        keys: whether an API key is needed.
        max_photos: the number of photos that a request may have.
    """
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        # A copy, because all services of a process share parts of it.
        document = copy.deepcopy(describe())
        _limit_photos(document["paths"]["/predict/batch"]["post"], max_photos)
        if keys:
            _require_key(document)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _limit_photos(operation: dict[str, Any], max_photos: int) -> None:
    for body in operation["requestBody"]["content"].values():
        for field in body["schema"]["properties"].values():
            field["maxItems"] = max_photos


def _require_key(document: dict[str, Any]) -> None:
    document["components"]["securitySchemes"] = _SCHEMES
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if not is_public(path):
                operation["security"] = [{name: []} for name in _SCHEMES]
