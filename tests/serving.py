"""A web server on this machine that misbehaves as it is told: real sockets, a thread, no internet."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class Served:
    """One address: its bytes, and what is wrong with how they are sent."""

    body: bytes
    etag: str = '"one"'
    ranges: bool = True  # does it honour Range?
    cut: int | None = None  # bytes of a connection after which it is cut
    shift: int = 0  # bytes by which a range begins too late
    length: int | None = None  # what Content-Length says, where it lies
    status: int = 200
    leads: str = ""  # Location, of a redirect
    kind: str = "application/octet-stream"
    encoding: str = ""  # Content-Encoding
    hold: Callable[[int], None] | None = None  # called with each number of bytes sent
    failing: int = 0  # answers of status 503, before the first good one


@dataclass
class Site:
    """A running server: what it serves, by path, and what it was asked for."""

    address: str
    files: dict[str, Served] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)  # path, Range, If-Range

    def serve(self, path: str, body: bytes, **how: object) -> str:
        self.files[path] = Served(body, **how)  # type: ignore[arg-type]
        return f"{self.address}{path}"


@contextmanager
def site() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            held = found.files.get(self.path)
            wanted, condition = self.headers.get("Range", ""), self.headers.get("If-Range", "")
            found.asked.append((self.path, wanted, condition))
            if held is None or held.failing:
                self.send_error(503 if held else 404)
                if held:
                    held.failing -= 1
                return
            start = 0
            if wanted and held.ranges and condition in ("", held.etag):
                start = int(wanted.removeprefix("bytes=").rstrip("-")) + held.shift
            if start and start >= len(held.body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(held.body)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if start else held.status)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(held.body) - 1}/{len(held.body)}")
            if held.leads:
                self.send_header("Location", held.leads)
            if held.encoding:
                self.send_header("Content-Encoding", held.encoding)
            if held.etag:
                self.send_header("ETag", held.etag)
            body = held.body[start:]
            self.send_header("Content-Type", held.kind)
            if held.length != -1:  # -1: none is sent, and the end of the connection is the end of the file
                self.send_header("Content-Length", str(len(body) if held.length is None else held.length))
            self.end_headers()
            sent = body if held.cut is None else body[: held.cut]
            for at in range(0, len(sent), 4096):
                if held.hold:
                    held.hold(start + at)
                self.wfile.write(sent[at : at + 4096])
            self.wfile.flush()
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:  # a client that hung up is what the tests are about
            pass

    server = Server(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    found = Site(f"http://127.0.0.1:{server.server_address[1]}")
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
