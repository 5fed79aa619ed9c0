"""A web server of our own that can do ranges, break off, refuse, and lie."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """How the server behaves, and what it was asked for."""

    address: str = ""
    ranges: bool = True
    status: int = 200
    content: bytes = b""
    break_after: list[int] = field(default_factory=list)  # bytes, an entry a request
    asked: list[str | None] = field(default_factory=list)


@contextmanager
def serve_site(content: bytes) -> Iterator[Site]:
    """Serve `content` at any path until the block ends."""
    state = Site(content=content)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.asked.append(wanted)
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
            partial = state.ranges and start > 0
            body = state.content[start:] if partial else state.content
            self.send_response(206 if partial else state.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: state.break_after.pop(0)] if state.break_after else body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    state.address = f"http://127.0.0.1:{server.server_port}/pets.zip"
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
