"""The routes for those who run the service: `/livez`, `/readyz` and `/metrics`."""

from fastapi import APIRouter, Request, Response

from app.api import problems
from app.api.schemas import Alive, ModelName, Ready, Refused
from app.serving.model_watcher import ModelWatcher

router = APIRouter()


@router.get("/livez", summary="Is the process alive")
async def livez() -> Alive:
    """Answers as long as the event loop runs."""
    return Alive()


@router.get("/readyz", summary="Will it answer right", responses=problems.responses(503))
async def readyz(request: Request) -> Ready:
    """Ready once a model has reproduced its card's golden predictions, until SIGTERM."""
    if request.app.state.draining:
        raise problems.draining()
    watcher: ModelWatcher = request.state.watcher
    if watcher.model.pool.failing:
        detail = "No worker can be started; the log says why. The service goes on trying."
        raise problems.Problem(503, "no-workers", "There are no workers", detail)
    card = watcher.model.card
    return Ready(
        model=ModelName(name=card.name, version=card.version),
        refused=[Refused(version=name, reason=why) for name, why in watcher.refused.items()],
    )


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        **problems.responses(400, 401, 403, 503),
    },
)
async def metrics(request: Request) -> Response:
    """In Prometheus's text format."""
    text = request.app.state.metrics.text()
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")
