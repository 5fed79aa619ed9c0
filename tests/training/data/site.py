"""A web server of our own that can do ranges, break off, refuse, and lie."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Site:
    """How the server behaves, and what it was asked for."""

    address: str = ""
    ranges: bool = True
    status: int = 200
    content: bytes = b""
    announced: bool = True  # whether there is a Content-Length
    redirect: str = ""  # where the first path leads
    break_after: list[int] = field(default_factory=list)  # bytes, an entry a request
    sent: int = 0  # bytes
    asked: list[str | None] = field(default_factory=list)


@contextmanager
def serve_site(content: bytes, certificate: Path | None = None) -> Iterator[Site]:
    """Serve `content` at any path until the block ends; over TLS, if there is a certificate."""
    state = Site(content=content)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.asked.append(wanted)
            if state.redirect and self.path == "/pets.zip":
                self.send_response(302)
                self.send_header("Location", state.redirect)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
            partial = state.ranges and start > 0
            body = state.content[start:] if partial else state.content
            self.send_response(206 if partial else state.status)
            if state.announced:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            body = body[: state.break_after.pop(0)] if state.break_after else body
            with suppress(OSError):  # the client need not take all
                for begin in range(0, len(body), 1 << 16):
                    self.wfile.write(body[begin : begin + (1 << 16)])
                    state.sent += len(body[begin : begin + (1 << 16)])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, certificate.with_name("privkey.pem"))
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    state.address = f"http{'s' * bool(certificate)}://127.0.0.1:{server.server_port}/pets.zip"
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
