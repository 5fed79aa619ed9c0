"""Refusals in a flood, given before anything is set up for the request.

A refusal that goes through the middleware takes a fifth of a millisecond of Python's lock. At ten
times the photos that two cores can carry, that is half a core which the accepted ones lack.
"""

import time

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from app import problems, request_id
from app.gate import PHOTOS, Rules
from app.metrics import Metrics
from app.observer import Refusals, with_headers
from app.problems import Problem

_TOO_MANY = 429
_PATHS = {path.encode(): path for path in PHOTOS}  # without a query, a `%` or a host


class Door:
    """Says what the application would, where that is one more 429 within a second of another.

    The first of a second goes through the application, for its line in the log. So does whatever
    is not surely refused for want of a place, or would be answered in another way.
    """

    def __init__(self, rules: Rules, metrics: Metrics, refusals: Refusals) -> None:
        self._rules = rules
        self._metrics = metrics
        self._refusals = refusals

    def refusal(self, method: bytes, url: bytes, scope: Scope, draining: bool) -> Response | None:
        """The refusal of a request whose head has arrived, or None: the application is to answer.

        Args:
            method: of the request, in capitals.
            url: what stands behind it.
            scope: of ASGI, as far as the server knows it by now; `path` and `method` are set.
            draining: whether the service is being stopped.
        """
        path = _PATHS.get(url)
        if not self._refusals.many or path is None or method != b"POST":
            return None
        started = time.perf_counter()
        headers = Headers(scope=scope)
        sent = headers.get(request_id.HEADER)
        # Only the middleware knows what a page of another site may read.
        if "origin" in headers or (sent and not request_id.is_acceptable(sent)):
            return None
        scope["method"], scope["path"] = "POST", path
        try:
            self._rules.check(scope, draining)
        except Problem as problem:
            if problem.status == _TOO_MANY:
                answer = _answer(path, problem, sent or request_id.make())
                self._record(path, time.perf_counter() - started)
                return answer
        return None

    def _record(self, path: str, seconds: float) -> None:
        self._metrics.requests.labels("POST", path, str(_TOO_MANY)).inc()
        self._metrics.seconds.labels(path).observe(seconds)
        self._refusals.is_told()


def _answer(path: str, problem: Problem, number: str) -> Response:
    answer = problems.response(path, problem, number)
    answer.raw_headers = with_headers(path, answer.raw_headers)
    answer.raw_headers.append((request_id.HEADER.lower().encode(), number.encode()))
    return answer
