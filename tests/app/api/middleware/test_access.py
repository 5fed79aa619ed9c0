"""Which requests reach the application, without a server in between."""

import asyncio
import json
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from app.api.api_keys import ApiKeys
from app.api.middleware.access import AccessControl
from app.serving.admission import Admission, Buffer, BufferFull

SENT: list[Any] = [{"type": "http.request", "body": b"photo"}]


class Model:
    """Counts the requests that use it."""

    def __init__(self) -> None:
        self.users = 0

    def acquire(self) -> None:
        self.users += 1

    def release(self) -> None:
        self.users -= 1


class Application:
    """Remembers what it is called with, reads a body of so many bytes, and answers 204."""

    def __init__(self, size: int = 0) -> None:
        self.calls: list[tuple[Any, Any, Any]] = []
        self._size = size

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.calls.append((scope, receive, send))
        if scope["type"] == "http":
            assert scope["state"]["model"].users == 1
            scope["state"]["buffer"].take(self._size)
            scope["state"]["buffered"] += self._size
            if self._size > 4:
                raise RuntimeError("a defect")
        await send({"type": "http.response.start", "status": 204, "headers": []})


class Answer:
    """The answer to one request, and whether the application gave it."""

    def __init__(self, sent: list[Any], application: Application) -> None:
        self.status = sent[0]["status"]
        self.headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        self.problem = json.loads(sent[1]["body"]) if self.status != 204 else {}
        self.passed = bool(application.calls)
        if self.passed:
            assert self.status == 204


def ask(
    path: str = "/model",
    method: str = "GET",
    *,
    keys: tuple[str, ...] = (),
    draining: bool = False,
    full: bool = False,
    headers: dict[str, str] | None = None,
) -> Answer:
    """Send one request through the access control."""
    admission = Admission(2)
    admission.admit(2 if full else 1)
    application, sent = Application(), []

    async def receive() -> Any:
        return SENT[0]

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(name.encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
    model = Model()
    scope = {
        "type": "http", "path": path, "method": method, "headers": raw,
        "app": SimpleNamespace(state=SimpleNamespace(draining=draining)),
        "state": {
            "watcher": SimpleNamespace(model=model),
            "predictor": SimpleNamespace(admission=admission),
            "buffer": Buffer(0),
        },
    }  # fmt: skip
    control = AccessControl(application, ApiKeys(keys))
    asyncio.run(control(scope, receive, send))
    if application.calls:
        assert application.calls == [(scope, receive, send)]
    assert model.users == 0
    return Answer(sent, application)


def test_what_is_no_request_passes_untouched() -> None:
    application = Application()
    received: list[Any] = []

    async def send(message: Any) -> None:
        received.append(message)

    scope, receive = {"type": "lifespan"}, object()
    control = AccessControl(application, ApiKeys(["key"]))
    asyncio.run(control(scope, receive, send))  # type: ignore[arg-type]
    assert application.calls == [(scope, receive, send)]
    assert scope == {"type": "lifespan"}


def test_without_keys_everybody_is_let_in() -> None:
    assert ask().passed
    assert ask("/predict", "POST").passed


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_a_probe_is_always_answered(path: str) -> None:
    assert ask(path, "POST", keys=("key",), draining=True, full=True).passed


def test_a_draining_service_takes_no_requests() -> None:
    answer = ask("/", draining=True)
    assert (answer.status, answer.passed) == (503, False)


@pytest.mark.parametrize(
    "headers",
    [
        {"x-api-key": "key"},
        {"x-api-key": "clé"},
        {"authorization": "Bearer key"},
        {"authorization": "bEARER   key  "},
        {"x-api-key": "key", "authorization": "Bearer wrong"},
    ],
)
def test_each_key_lets_in(headers: dict[str, str]) -> None:
    sent = {name: value.encode().decode("latin-1") for name, value in headers.items()}
    assert ask(keys=("key", "clé"), headers=sent).passed


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-api-key": ""},
        {"x-api-key": "", "authorization": "Bearer key"},
        {"authorization": "key"},
        {"authorization": "Bearer"},
        {"authorization": "Basic key"},
    ],
)
def test_a_request_without_a_key_is_told_how_to_send_it(headers: dict[str, str]) -> None:
    answer = ask(keys=("key", "XXXX"), headers=headers)
    assert (answer.status, answer.passed) == (401, False)
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.problem["type"].endswith("key-missing")
    assert answer.problem["title"] == "An API key is needed"
    assert answer.problem["detail"].startswith("Send a key as X-API-Key: KEY, or as Authorization")


@pytest.mark.parametrize(
    "headers",
    [
        {"x-api-key": "wrong"},
        {"x-api-key": "wrong", "authorization": "Bearer key"},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer two words"},
    ],
)
def test_a_wrong_key_is_refused(headers: dict[str, str]) -> None:
    answer = ask(keys=("key", "words"), headers=headers)
    assert (answer.status, answer.passed) == (403, False)
    assert "www-authenticate" not in answer.headers
    assert answer.problem["type"].endswith("key-refused")
    assert answer.problem["title"] == "The API key is refused"
    assert answer.problem["detail"] == "The key is none of those that this service accepts."


def test_public_paths_need_no_key() -> None:
    assert ask("/docs", keys=("key",)).passed


@pytest.mark.parametrize("path", ["/predict", "/predict/batch", "/explain", "/layers"])
def test_a_full_queue_takes_no_photo(path: str) -> None:
    answer = ask(path, "POST", full=True)
    assert (answer.status, answer.passed) == (429, False)
    assert answer.problem["actual"] == 2
    assert ask(path, "POST").passed


def test_a_full_queue_is_no_matter_of_other_requests() -> None:
    assert ask("/predict", "GET", full=True).passed
    assert ask("/model", "POST", full=True).passed


def test_a_key_is_asked_for_before_the_queue() -> None:
    assert ask("/predict", "POST", keys=("key",), full=True).status == 401


@pytest.mark.parametrize(("size", "ends"), [(0, None), (4, None), (5, RuntimeError)])
def test_a_request_uses_its_model_and_its_bytes_until_it_ends(
    size: int, ends: type[Exception] | None
) -> None:
    model, buffer = Model(), Buffer(5)
    scope = {
        "type": "http", "path": "/model", "method": "GET", "headers": [],
        "app": SimpleNamespace(state=SimpleNamespace(draining=False)),
        "state": {"watcher": SimpleNamespace(model=model), "buffer": buffer},
    }  # fmt: skip

    async def send(_: Any) -> None:
        assert model.users == 1

    async def receive() -> Any:
        return SENT[0]

    application = Application(size)
    with pytest.raises(ends) if ends else nullcontext():
        asyncio.run(AccessControl(application, ApiKeys(()))(scope, receive, send))
    assert application.calls[0][0]["state"]["model"] is model
    assert model.users == 0
    buffer.take(5)  # all bytes were given back
    with pytest.raises(BufferFull):
        buffer.take(1)
