"""`python -m app`: load the model, then serve it; `--help` lists the settings."""

import difflib
import logging
import os
import signal
import sys

import uvicorn
from pydantic import ValidationError
from pydantic_settings import CliApp, SettingsError

from app.card import ModelError
from app.main import create_app, load_classifier
from app.settings import Settings

# Less than the 10 seconds after which `docker stop` kills.
GRACE_SECONDS = 8


def main() -> None:
    """Serve until SIGTERM or SIGINT; a wrong setting or model is one line and exit 2."""
    # Until the server handles it: the first process of a container would ignore it otherwise.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    logging.basicConfig(level=logging.INFO, format="%(levelname)s:     %(message)s")
    _warn_of_misspelled()
    try:
        settings = CliApp.run(Settings, cli_args=sys.argv[1:])
        app = create_app(settings, load_classifier(settings))
    except ValidationError as error:
        first = error.errors()[0]
        name = "APP_" + "_".join(str(part) for part in first["loc"]).upper()
        sys.exit(_fail(f"{name}={first['input']!r}: {first['msg']}"))
    except (SettingsError, ModelError) as error:
        sys.exit(_fail(str(error)))
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        log_level="info",
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def _warn_of_misspelled() -> None:
    """A variable that no setting reads is rather a slip than meant for somebody else."""
    known = {f"APP_{name.upper()}" for name in Settings.model_fields}
    for name in sorted(os.environ):
        if name.startswith("APP_") and name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f"; is {close[0]} meant?" if close else ""
            logging.warning("%s is not a setting and has no effect%s", name, hint)


def _fail(message: str) -> int:
    print(f"python -m app: error: {' '.join(message.split())}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
