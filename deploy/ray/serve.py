"""The service on Ray Serve: replicas of the whole service, each with worker processes of its own.

    python -m deploy.ray.local --replicas 2
    serve run deploy.ray.serve:application
    serve deploy deploy/ray/serve.yaml

The first command starts a Ray of its own on this machine, see `deploy.ray.local`. The others use a
cluster that runs. The settings are the APP_... variables.
"""

import logging
from typing import Any

import ray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ray import serve

from app import logs
from app.main import create_app
from app.settings import Settings
from deploy.ray.mounted import Mounted

logger = logging.getLogger(__name__)


class UserConfig(BaseModel):
    """What a deployment's `user_config` may have.

    Attributes:
        model_version: the version to serve; null: APP_MODEL_VERSION, or else the newest.
    """

    model_config = ConfigDict(extra="forbid")

    model_version: int | None = Field(None, ge=1)


def mounted() -> Mounted:
    """The service as `create_app` builds it, with as many workers as the replica has CPUs."""
    settings = Settings()
    if "workers" not in settings.model_fields_set:  # else the machine's cores would count
        given = ray.get_runtime_context().get_assigned_resources()
        settings = Settings(workers=max(int(given.get("CPU", 1)), 1))
    logs.set_up(settings.log_format, settings.log_level)
    return Mounted(create_app(settings))


# A request is refused by the service (429), which knows its load, and never waits in Ray: more
# requests may be in a replica than the service accepts (APP_WORKERS + APP_MAX_QUEUE photos).
MAX_ONGOING_REQUESTS = 200


@serve.ingress(mounted)
class PhotoClassifier:
    """The deployment. Ray calls its methods in the event loop of the requests."""

    app: Mounted

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Serve the version that the `user_config` names.

        Ray replaces a running replica whose `reconfigure` raises, by one that fails the same way.
        So a running replica logs the reason and serves on; only one that starts raises.

        Raises:
            app.model.card.ModelError, pydantic.ValidationError: the replica cannot start with it.
        """
        try:
            wanted = UserConfig.model_validate(user_config)
        except ValidationError as error:
            if self.app.watcher is None:
                raise
            logger.error("this user_config is refused, the last one stays: %s", error)
            return
        await self.app.serve(wanted.model_version)

    async def check_health(self) -> None:
        """Raise what `/readyz` answers with 503; Ray then replaces the replica."""
        watcher = self.app.watcher
        if watcher is None:
            raise RuntimeError(
                "no model is served: the deployment needs a user_config, at least {}"
            )
        if watcher.model.pool.failing:
            raise RuntimeError(f"no worker can be started: {watcher.model.pool.failing}")


deployment = serve.deployment(
    name="photo-classifier",
    ray_actor_options={"num_cpus": 2},
    max_ongoing_requests=MAX_ONGOING_REQUESTS,
    # Two requests for each worker keep it busy; a third one only waits.
    autoscaling_config={"min_replicas": 1, "max_replicas": 8, "target_ongoing_requests": 4},
    user_config={"model_version": None},
    # Longer than APP_DEADLINE_SECONDS, the longest time that an accepted photo takes.
    graceful_shutdown_timeout_s=20,
    graceful_shutdown_wait_loop_s=0.5,
    logging_config={"enable_access_log": False},  # the service has its own
)(PhotoClassifier)
application = deployment.bind()
