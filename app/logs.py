"""Log lines for people or for machines, each with the id of its request."""

import json
import logging
import re
from datetime import UTC, datetime
from typing import Literal

from asgi_correlation_id import correlation_id

_LONGEST = 2000  # characters of a message, or of a line of a traceback
_LONGEST_TRACEBACK = 200  # lines
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def set_up(form: Literal["console", "json"], level: str) -> None:
    """Write every log record of the process to standard error in one form."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if form == "json" else ConsoleFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def harmless(text: str) -> str:
    """The text in one line of bounded length, with its control characters escaped.

    A message may have what a client sent: it must not fill the disk, forge another line, or
    change the settings of a terminal.
    """
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), shortened(text))


def shortened(text: str) -> str:
    """The text, or its beginning and its length."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(text)} characters)"


class ConsoleFormatter(logging.Formatter):
    """`LEVEL:     message`, followed by the request's id where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`. The lines of a traceback are indented."""
        prefix = f"{record.levelname}:".ljust(10)
        request = correlation_id.get()
        first = f"{prefix}{harmless(record.getMessage())}" + (f"  [{request}]" if request else "")
        return "\n  ".join([first, *map(harmless, _traceback(self, record))])


class JsonFormatter(logging.Formatter):
    """One JSON object per line, with the fields of `extra={"fields": {...}}`."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": shortened(record.getMessage()),
            "request_id": correlation_id.get(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = "\n".join(map(shortened, _traceback(self, record)))
        return json.dumps(line, ensure_ascii=True, default=str)


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> list[str]:
    """The last lines of a record's traceback; none where it has no exception."""
    if not record.exc_info:
        return []
    return formatter.formatException(record.exc_info).splitlines()[-_LONGEST_TRACEBACK:]
