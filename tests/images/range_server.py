"""A web server on this machine that counts what is asked of it."""

import contextlib
import http.server
import re
import threading
from collections.abc import Iterator
from pathlib import Path


class Counts:
    """What was asked of a server."""

    def __init__(self, port: int):
        self.url = f"http://127.0.0.1:{port}"
        self.requests = 0
        self.paths: set[str] = set()
        self.bytes_sent = 0


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers from a folder, whole files or ranges of them, and counts."""

    folder: Path
    counts: Counts
    lock = threading.Lock()
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        file = self.folder / self.path.lstrip("/")
        with self.lock:
            self.counts.requests += 1
            self.counts.paths.add(self.path)
        if not file.is_file():
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = file.read_bytes()
        size, start = len(content), 0
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked:
            start, end = int(asked[1]), min(int(asked[2] or size - 1), size - 1)
            content = content[start : end + 1]
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end}/{size}")
        else:
            self.send_response(200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            with self.lock:
                self.counts.bytes_sent += len(content)
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Counts]:
    """Serves the files of a folder, whole or by ranges, until the block ends."""

    handler = type("Handler", (_Handler,), {"folder": folder})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    counts = handler.counts = Counts(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield counts
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
