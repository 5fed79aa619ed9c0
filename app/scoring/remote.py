"""Score through a service: its HTTP interface, with tries again where it is full or restarts."""

import asyncio
import math
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from app.cli import CommandError
from app.scoring.row import Row

if TYPE_CHECKING:
    import httpx

_OF_PHOTO = (413, 415, 422)  # statuses that say that this photo cannot be used
_OF_REQUEST = ("threshold-out-of-range",)  # kinds with such a status that are no photo's fault
_AGAIN = (408, 425, 429, 500, 502, 503, 504)
_LAST_PORT = 65535
_USUAL = 16  # photos at a time
_SHORTEST, _LONGEST = 0.2, 5.0  # seconds between two tries


class RemoteScorer:
    """Scores with the model of a service.

    Args:
        client: has the service's address as its base, and the headers for its API keys.
        model: the answer of `/model`.
        parameters: `error` and `min_familiarity`, as far as they are given.
        concurrency: photos at a time.
        patience: seconds after which a photo that got no answer ends the scoring.
    """

    def __init__(
        self,
        client: "httpx.AsyncClient",
        model: dict[str, Any],
        parameters: dict[str, float],
        concurrency: int,
        patience: float,
    ) -> None:
        self._client, self._parameters, self._patience = client, parameters, patience
        self.concurrency = concurrency
        self.name, self.version = str(model["name"]), int(model["version"])
        self.labels = tuple(model["labels"])
        self.address = shown(client.base_url)
        self.description = f"the service at {self.address}"
        self.decides = model.get("decisions") is not None
        self.settings = {"error": None, "min_familiarity": None, "engine": None} | parameters
        self._answered = -math.inf  # when a photo got its label

    async def score(self, path: str, data: bytes) -> Row:
        """The row of a photo, from the bytes of its file.

        Raises:
            CommandError: the service refuses to work, or does not answer for too long.
        """
        began = time.monotonic()
        response = await self._post(data)
        body = _json(response)
        kind = str(body.get("type", f"http-{response.status_code}")).removeprefix("urn:problem:")
        # A photo that fails again and again, while others are answered, is at fault itself.
        of_photo = response.status_code in _AGAIN and self._answered > began
        if of_photo or (response.status_code in _OF_PHOTO and kind not in _OF_REQUEST):
            return Row(path, problem=kind, detail=body.get("detail"))
        if response.status_code != 200 or "label" not in body:
            raise CommandError(_complaint(self.address, response, body))
        if body["model"] != {"name": self.name, "version": self.version}:
            raise CommandError(
                f"the service now answers with {body['model']['name']} {body['model']['version']} "
                f"instead of {self.name} {self.version}. Use --restart to score everything with it."
            )
        self._answered = time.monotonic()
        return Row(path, body["label"], body["probability"], body.get("decision"))

    async def _post(self, data: bytes) -> "httpx.Response":
        """The answer to a photo, after as many tries as its time allows.

        Raises:
            CommandError: there is none.
        """
        import httpx

        end, pause = time.monotonic() + self._patience, _SHORTEST
        while True:
            try:
                response = await self._client.post(
                    "predict",
                    content=data,
                    headers={"Content-Type": "image/jpeg"},
                    params=self._parameters,
                )
                if response.status_code not in _AGAIN or time.monotonic() > end:
                    return response
                wait = _retry_after(response) or pause
            except httpx.TransportError as error:
                if time.monotonic() > end:
                    reason = f"{type(error).__name__} {error}".strip()
                    message = f"{self.address}: no answer for {self._patience:g} seconds"
                    raise CommandError(f"{message} ({reason}).") from error
                wait = pause
            # Not all at the same time, or they would all be refused again.
            await asyncio.sleep(wait * random.uniform(1.0, 1.5))  # noqa: S311 - no secret
            pause = min(2 * pause, _LONGEST)


@asynccontextmanager
async def remote_scorer(
    url: str,
    key: str,
    parameters: dict[str, float | None],
    concurrency: int | None,
    patience: float,
) -> AsyncIterator[RemoteScorer]:
    """Connect to the service at `url`.

    Args:
        url: its address.
        key: an API key, or nothing.
        parameters: of the requests, as far as they are not None.
        concurrency: photos at a time.
        patience: see `RemoteScorer`.

    Raises:
        CommandError: it does not answer, or is no such service.
    """
    try:
        import httpx
    except ModuleNotFoundError as error:
        raise CommandError(
            "--url needs the package httpx, of the extra 'score' (requirements/score.txt)."
        ) from error
    concurrency = concurrency or _USUAL
    given = {name: value for name, value in parameters.items() if value is not None}
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    try:
        base = httpx.URL(url.rstrip("/") + "/")
        usable = base.scheme in ("http", "https") and base.host and (base.port or 0) <= _LAST_PORT
    except (httpx.InvalidURL, ValueError, TypeError):
        usable = False
    if not usable:
        raise CommandError("--url: it is no address, as http://127.0.0.1:8000 is.")
    client = httpx.AsyncClient(base_url=base, headers=headers, timeout=60, limits=limits)
    async with client:
        try:
            response = await client.get("model")
        except httpx.HTTPError as error:
            reason = f"{type(error).__name__} {error}".strip()
            message = f"--url {shown(base)}: no answer ({reason})."
            raise CommandError(message) from error
        body = _json(response)
        if response.status_code != 200 or not {"name", "version", "labels"} <= body.keys():
            raise CommandError(_complaint(shown(client.base_url), response, body))
        yield RemoteScorer(client, body, given, concurrency, patience)


def shown(address: "httpx.URL") -> str:
    """An address without the name and password that it may have."""
    return str(address.copy_with(userinfo=b""))


def _retry_after(response: "httpx.Response") -> float | None:
    """The seconds that the answer asks to wait, if it does; at most a minute."""
    value = response.headers.get("Retry-After", "")
    return min(float(value), 60.0) if value.isdecimal() else None


def _json(response: "httpx.Response") -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _complaint(address: object, response: "httpx.Response", body: dict[str, Any]) -> str:
    detail = body.get("detail") or "no answer of a photo classifier"
    hint = " Name a file with a key by --api-key-file." if response.status_code == 401 else ""
    return f"{address} answered {response.status_code}: {str(detail)[:300]}{hint}"
