"""Log lines for people or for machines, each with the id of its request."""

import json
import logging
from datetime import UTC, datetime
from typing import Literal

from asgi_correlation_id import correlation_id


def set_up(form: Literal["console", "json"], level: str) -> None:
    """Write every log record of the process to standard error in one form."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if form == "json" else ConsoleFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


class ConsoleFormatter(logging.Formatter):
    """`LEVEL:     message`, followed by the request's id where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        prefix = f"{record.levelname}:".ljust(10)
        request = correlation_id.get()
        return f"{prefix}{super().format(record)}" + (f"  [{request}]" if request else "")


class JsonFormatter(logging.Formatter):
    """One JSON object per line, with the fields of `extra={"fields": {...}}`."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": correlation_id.get(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=True, default=str)
