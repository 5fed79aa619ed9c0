"""The service as Ray Serve mounts it: the application of `create_app`, started by a version."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.middleware.request_id import HEADER
from app.main import load_model
from app.model.version_folder import find_version
from app.serving.model_watcher import ModelWatcher
from app.settings import Settings
from deploy.ray.metrics import forwarding

_REQUEST_ID = HEADER.lower().encode()


class Mounted:
    """The service for Ray, which runs the lifespan of an application but drops its state.

    Ray starts the lifespan before it says which version to serve. So the service starts when
    `serve` is first called, and requests find the state of its lifespan in their scope, as
    uvicorn would put it there.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app: ASGIApp = app
        self._service = app
        self._running = AsyncExitStack()
        self._state: dict[str, Any] = {}

    @property
    def watcher(self) -> ModelWatcher | None:
        """What knows the served version; None before the start."""
        return self._state.get("watcher")

    async def serve(self, version: int | None) -> None:
        """Serve this version, or the newest. One that cannot be served is refused by the watcher.

        Raises:
            app.model.card.ModelError: the service has not started yet, and this version cannot be
                served.
        """
        settings: Settings = self._service.state.settings
        version = version or settings.model_version
        if self.watcher is None:
            await self._start(settings, version)
        else:
            await self.watcher.pin(version)

    async def _start(self, settings: Settings, version: int | None) -> None:
        """As in `app.__main__`, the model comes first: it may be refused."""
        metrics = self._service.state.metrics
        folder = find_version(settings.model, version)
        self._service.state.model = await load_model(settings, metrics, folder)
        lifespan = self._service.router.lifespan_context(self._service)
        state: Mapping[str, Any] | None = await self._running.enter_async_context(lifespan)
        self._state = dict(state or {})
        await self._running.enter_async_context(forwarding(metrics))
        await self._state["watcher"].pin(version)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "lifespan":
            await self._follow(receive, send)
            return

        async def send_without_id(message: Message) -> None:
            # Ray's proxy gave the request its id, and adds the header to the answer.
            if message["type"] == "http.response.start":
                headers = message.get("headers", [])
                message["headers"] = [each for each in headers if each[0].lower() != _REQUEST_ID]
            await send(message)

        scope["state"] = dict(self._state)
        await self._app(scope, receive, send_without_id)

    async def _follow(self, receive: Receive, send: Send) -> None:
        """Ray's lifespan: its end is that of the service."""
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await self._running.aclose()
        await send({"type": "lifespan.shutdown.complete"})
