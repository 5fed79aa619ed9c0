"""What an operator may set: environment variables `APP_...`, or options of `python -m app`."""

import os
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.engine import Choice
from app.images import MAX_PIXELS

_PILLOW_ALARM = 89_478_485  # Pillow refuses more by itself: a quarter of a gigabyte of RGB

# Beside the package in a checkout and in the image, wherever the process is started.
_MODEL = Path(__file__).parents[1] / "models" / "cats-vs-dogs"


def _cores() -> int:
    """The cores that this process may use, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Settings(BaseSettings):
    """Read once at start. Size, channels and labels are not here: they are on the model's card."""

    model_config = SettingsConfigDict(
        env_prefix="APP_",
        env_ignore_empty=True,
        frozen=True,
        cli_prog_name="python -m app",
        cli_kebab_case=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
        cli_exit_on_error=False,
    )

    model: Path = Field(
        _MODEL, description="a model's folder (its newest version is served) or a version folder"
    )
    model_version: int | None = Field(
        None, ge=1, description="serve this version instead of the newest"
    )
    engine: Choice = Field(
        "auto", description="litert, tensorflow, or auto: tensorflow where there is a GPU"
    )
    threads: int = Field(
        default_factory=_cores, ge=1, le=256, description="photos worked on at a time; a core each"
    )
    max_bytes: int = Field(20 * 1024 * 1024, ge=1024, description="largest request body, in bytes")
    max_pixels: int = Field(
        MAX_PIXELS, ge=1, le=_PILLOW_ALARM, description="largest photo, width times height"
    )
    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 for all")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on")
