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
from app.settings import Settings, describe

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
        sys.exit(_fail(describe(error)))
    except ModelNotFound as error:
        sys.exit(_fail(f"{error} The service takes the folder from APP_MODEL."))
    except (SettingsError, ModelError, ApiKeysError, AddressError) as error:
        sys.exit(_fail(str(error)))


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
