"""The operator's settings: environment variables `APP_...`, or options of `python -m app`."""

import os
import re
from ipaddress import IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.imaging.decode import MAX_PIXELS
from app.imaging.formats import FORMATS
from app.model.decision import LARGEST_ERROR
from app.model.engine import Choice

SHORTEST_KEY = 16  # characters of an API key
# A path prefix: one slash before each part, none at the end.
ROOT_PATH = re.compile(r"(?:/[\w.~-]{1,100}){1,10}", re.ASCII)

_PILLOW_LIMIT = 89_478_485  # Pillow itself refuses larger photos


def _default_model() -> Path:
    """models/cats-vs-dogs beside the package (a checkout, the image), or in it (the wheel)."""
    package = Path(__file__).parent
    beside, inside = (folder / "models" / "cats-vs-dogs" for folder in (package.parent, package))
    return inside if inside.is_dir() and not beside.is_dir() else beside


def _cores() -> int:
    """The number of cores that this process may use; the machine may have more."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _words(value: Any) -> Any:
    """Split `a, b`, the form that a list has in an environment variable."""
    if isinstance(value, str):
        return [word for word in (part.strip() for part in value.split(",")) if word]
    return value


def _format(name: str) -> str:
    if name.upper() not in FORMATS:
        raise ValueError(f"{name!r} is none of {', '.join(FORMATS)}")
    return name.upper()


def _origin(text: str) -> str:
    if text != "*" and not re.fullmatch(r"https?://[^/\s]+", text):
        raise ValueError(f"{text!r} is not an origin, as https://example.org")
    return text


def _host(text: str) -> str:
    label = r"(?:\*|[\w-]+)"
    if re.fullmatch(rf"{label}(?:\.{label})*", text, re.ASCII):
        return text
    try:
        return f"[{IPv6Address(text.removeprefix('[').removesuffix(']'))}]"
    except ValueError as error:
        message = f"{text!r} is not a host's name alone, as example.org, *.example.org or [::1]"
        raise ValueError(message) from error


def _network(text: str) -> str:
    try:
        return str(ip_network(text) if "/" in text else ip_address(text))
    except ValueError as error:
        message = f"{text!r} is neither an address nor a network, as 10.0.0.7 or 172.16.0.0/12"
        raise ValueError(message) from error


def _key(key: SecretStr) -> SecretStr:
    if len(key.get_secret_value()) < SHORTEST_KEY:
        raise ValueError(f"a key has fewer than {SHORTEST_KEY} characters")
    return key


def _root_path(text: str) -> str:
    if text and not ROOT_PATH.fullmatch(text):
        raise ValueError(f"{text!r} is not a path prefix, as /photos")
    return text


RootPath = Annotated[str, AfterValidator(_root_path)]
Origins = Annotated[
    tuple[Annotated[str, AfterValidator(_origin)], ...], NoDecode, BeforeValidator(_words)
]
Hosts = Annotated[
    tuple[Annotated[str, AfterValidator(_host)], ...], NoDecode, BeforeValidator(_words)
]
Networks = Annotated[
    tuple[Annotated[str, AfterValidator(_network)], ...], NoDecode, BeforeValidator(_words)
]
Formats = Annotated[
    tuple[Annotated[str, AfterValidator(_format)], ...], NoDecode, BeforeValidator(_words)
]
Secrets = Annotated[
    tuple[Annotated[SecretStr, AfterValidator(_key)], ...],
    NoDecode,
    BeforeValidator(_words),
]


class Settings(BaseSettings):
    """Read once at start. The input's size, channels and labels are on the model's card instead."""

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
        default_factory=_default_model,
        description="a model's folder (its newest version is served) or a version folder",
    )
    model_version: int | None = Field(
        None, ge=1, description="serve this version instead of the newest"
    )
    model_poll_seconds: float = Field(
        0, ge=0, le=86_400, description="look for a newer version this often; 0: only on SIGHUP"
    )
    engine: Choice = Field(
        "auto",
        description="auto: tensorflow where there is a GPU, else litert; litert: the faster of "
        "litert-float and litert-int8; or one of these by name",
    )
    workers: int = Field(
        default_factory=_cores,
        ge=1,
        le=256,
        description="processes that decode and classify, each on a core; default: the cores",
    )
    photo_memory_mb: int = Field(
        1024,
        ge=128,
        le=1_000_000,
        description="memory in MiB that one photo may take; one at a time gets more than 128",
    )
    photo_seconds: float = Field(
        5, gt=0, le=3_600, description="processor time in seconds that one photo may take"
    )
    max_queue: int = Field(
        64,
        ge=1,
        le=100_000,
        description="photos in the service in addition to one for each worker; more get 429",
    )
    max_batch: int = Field(
        32, ge=1, le=1_000, description="photos in one request to /predict/batch"
    )
    max_bytes: int = Field(20 * 1024 * 1024, ge=1024, description="largest request body, in bytes")
    buffer_bytes: int = Field(
        128 * 1024 * 1024,
        ge=1024,
        description="bytes of all request bodies that are in memory at a time; more get 429",
    )
    max_pixels: int = Field(
        MAX_PIXELS, ge=1, le=_PILLOW_LIMIT, description="largest photo, width times height"
    )
    formats: Formats = Field(
        FORMATS, min_length=1, description="accepted formats, with commas between"
    )
    deadline_seconds: float = Field(
        10, gt=0, le=3_600, description="longest wait for an answer, in the queue and at work"
    )
    upload_seconds: float = Field(
        60,
        gt=0,
        le=3_600,
        description="longest time for a request's head or its body to arrive, and for a client "
        "to take nothing of its answer",
    )
    keep_alive_seconds: float = Field(
        75, gt=0, le=3_600, description="keep an unused connection open; longer than a proxy does"
    )
    drain_seconds: float = Field(
        1, ge=0, le=300, description="keep refusing after SIGTERM, until a load balancer notices"
    )
    error: float | None = Field(
        None,
        gt=0,
        le=LARGEST_ERROR,
        description="share of photos whose true label may be missing in an answer's set of labels; "
        "default: the card's",
    )
    min_familiarity: float | None = Field(
        None,
        ge=0,
        le=1,
        description="photos that are less familiar are unknown, 0: none; default: the card's",
    )
    api_keys: Secrets = Field((), description="require one of these keys, with commas between")
    api_keys_file: Path | None = Field(None, description="a file with such keys, one a line")
    cors_origins: Origins = Field((), description="sites whose pages may call, or *")
    trusted_hosts: Hosts = Field(
        (), description="Host headers to answer, as example.org or *.example.org"
    )
    trusted_proxies: Networks = Field(
        ("127.0.0.1",),
        description="addresses and networks of proxies whose X-Forwarded-For is believed",
    )
    log_format: Literal["console", "json"] = Field("console", description="console or json")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="debug, info, warning or error"
    )
    root_path: RootPath = Field(
        "", description="path prefix that a proxy adds, as /photos; else X-Forwarded-Prefix counts"
    )
    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 for all")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on")

    @property
    def places(self) -> int:
        """The photos that may be in the service at a time."""
        return self.workers + self.max_queue

    @model_validator(mode="after")
    def _requests_fit(self) -> "Settings":
        if self.max_batch > self.places:
            raise ValueError(
                f"APP_MAX_BATCH={self.max_batch} photos can never be inside at a time: "
                f"APP_MAX_QUEUE={self.max_queue} and APP_WORKERS={self.workers} are too few; set "
                f"APP_MAX_BATCH to at most {self.places}"
            )
        if self.max_bytes > self.buffer_bytes:
            raise ValueError(
                f"APP_MAX_BYTES={self.max_bytes} is more than APP_BUFFER_BYTES="
                f"{self.buffer_bytes}: the largest request has to fit"
            )
        return self


def describe(error: ValidationError) -> str:
    """The first wrong setting, its value and what is wrong with it. API keys are left out."""
    first = error.errors()[0]
    message = first["msg"].removeprefix("Value error, ")  # of the checks above
    if not first["loc"]:
        return message
    name = f"APP_{first['loc'][0]}".upper()
    value = "" if name == "APP_API_KEYS" else f"={first['input']!r}"
    return f"{name}{value}: {message}"
