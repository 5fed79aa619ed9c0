"""`python -m app`: load the model, then serve it; `--help` lists the settings."""

import asyncio
import difflib
import logging
import os
import signal
import sys
from contextlib import suppress

from pydantic import ValidationError
from pydantic_settings import CliApp, SettingsError

from app import logs
from app.api.api_keys import ApiKeysError
from app.main import create_app, load_model
from app.model.card import ModelError, ModelNotFound
from app.server.server import AddressError, Server, require_free
from app.settings import Settings

_RENAMED = {"APP_THREADS": "APP_WORKERS", "FORWARDED_ALLOW_IPS": "APP_TRUSTED_PROXIES"}


def main() -> None:
    """Serve until SIGTERM or SIGINT. A wrong setting or model gives one line and exit code 2."""
    # Until the server handles SIGTERM: the first process of a container ignores it by default.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        settings = CliApp.run(Settings, cli_args=sys.argv[1:])
        logs.set_up(settings.log_format, settings.log_level)
        _warn_of_misspelled()
        require_free(settings.host, settings.port)
        app = create_app(settings)
        server = Server(app, settings)
        with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
            app.state.model = runner.run(load_model(settings, app.state.metrics))
            with suppress(KeyboardInterrupt):
                runner.run(server.serve())
    except ValidationError as error:
        sys.exit(_fail(_describe(error)))
    except ModelNotFound as error:
        sys.exit(_fail(f"{error} The service takes the folder from APP_MODEL."))
    except (SettingsError, ModelError, ApiKeysError, AddressError) as error:
        sys.exit(_fail(str(error)))


def _describe(error: ValidationError) -> str:
    """The first wrong setting, its value and what is wrong with it. API keys are left out."""
    first = error.errors()[0]
    if not first["loc"]:
        return _own_message(first["msg"])
    name = f"APP_{first['loc'][0]}".upper()
    value = "" if name == "APP_API_KEYS" else f"={first['input']!r}"
    return f"{name}{value}: {_own_message(first['msg'])}"


def _own_message(message: str) -> str:
    """The message of a check in `app.settings`, without pydantic's prefix."""
    return message.removeprefix("Value error, ")


def _warn_of_misspelled() -> None:
    """Warn of variables that start with APP_ and are no setting: they are probably misspelled."""
    known = {f"APP_{name.upper()}" for name in Settings.model_fields}
    for name in sorted(os.environ):
        if name in _RENAMED or (name.startswith("APP_") and name not in known):
            close = _RENAMED.get(name) or next(iter(difflib.get_close_matches(name, known, 1)), "")
            hint = f"; is {close} meant?" if close else ""
            logging.warning("%s is not a setting and has no effect%s", name, hint)


def _fail(message: str) -> int:
    print(f"python -m app: error: {' '.join(message.split())}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
