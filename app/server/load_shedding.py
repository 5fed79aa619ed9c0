"""Refusals in a flood, given before anything is set up for the request.

A refusal that goes through the middleware takes a fifth of a millisecond of Python's lock. At ten
times the photos that two cores can carry, that is half a core which the accepted ones lack.
"""

import functools
import time

from starlette.datastructures import Headers
from starlette.types import Scope

from app.api import problems
from app.api.middleware import request_id
from app.api.middleware.access import PHOTOS, Rules
from app.api.middleware.access_log import Refusals, with_headers
from app.api.problems import Problem
from app.serving.metrics import Metrics
from app.serving.pool import Full, Places

STATUS = 429
_PATHS = {path.encode(): path for path in PHOTOS}  # without a query, a `%` or a host
_SOME_ID = "-as-long-as-those-made-by-us-32-"


class Door:
    """Says what the application would, where that is one more 429 within a second of another.

    The first of a second goes through the application, for its line in the log. So does whatever
    is not surely refused for want of a place, or would be answered in another way.

    Args:
        rules: what else a request must fulfil.
        metrics: where refusals are counted.
        refusals: those of the last second, shared with `app.api.middleware.access_log`.
        cors: whether pages of other sites may call; answers vary with the page then.
    """

    def __init__(self, rules: Rules, metrics: Metrics, refusals: Refusals, cors: bool) -> None:
        self._rules = rules
        self._metrics = metrics
        self._refusals = refusals
        self._cors = cors

    def refusal(self, method: bytes, url: bytes, scope: Scope, draining: bool) -> bytes | None:
        """The refusal of a request whose head has arrived, or None: the application is to answer.

        Args:
            method: of the request, in capitals.
            url: what stands behind it.
            scope: of ASGI, as far as the server knows it by now; this sets its `path`.
            draining: whether the service is being stopped.

        Returns:
            What follows the status line and the server's own headers, as it is sent.
        """
        path = _PATHS.get(url)
        if path is None or method != b"POST" or not self._refusals.many:
            return None
        places: Places = scope["state"]["inference"].places
        if not places.full:
            return None
        started = time.perf_counter()
        headers = Headers(scope=scope)
        sent = headers.get(request_id.HEADER)
        # Only the middleware knows what a page of another site may read.
        if "origin" in headers or (sent and not request_id.is_acceptable(sent)):
            return None
        scope["path"] = path
        try:
            self._rules.check(scope, draining)
        except Problem:
            return None
        answer = _answer(path, places, sent, self._cors)
        self._metrics.request("POST", path, STATUS, time.perf_counter() - started)
        self._refusals.is_told()
        return answer


def _answer(path: str, places: Places, sent: str | None, cors: bool) -> bytes:
    full = (places.limit, places.taken, places.retry_after)
    if sent:
        return _rendered(path, full, sent, cors)
    some = _rendered_once(path, full, _SOME_ID, cors)
    return some.replace(_SOME_ID.encode(), request_id.make().encode())


def _rendered(path: str, full: tuple[int, int, int], number: str, cors: bool) -> bytes:
    answer = problems.response(path, problems.of_full(Full(*full)), number)
    varying = [(b"vary", b"Origin")] if cors else []
    headers = with_headers(path, answer.raw_headers + varying)
    headers.append((request_id.HEADER.lower().encode(), number.encode()))
    return b"".join(b"%b: %b\r\n" % header for header in headers) + b"\r\n" + bytes(answer.body)


_rendered_once = functools.lru_cache(maxsize=256)(_rendered)
