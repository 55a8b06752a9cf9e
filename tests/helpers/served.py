"""A server on 127.0.0.1 for tests of downloads."""

import http.server
import re
import threading
from contextlib import contextmanager


@contextmanager
def listening(answer):
    """Answer every GET request by ``answer(handler)``; yield the address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self)

        def log_message(self, *_):
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{running.server_port}"
    finally:
        running.shutdown()
        running.server_close()


@contextmanager
def server(files, ranges=True, broken=()):
    """Serve ``files`` by path; yield the address and what was asked, (path, first byte) each.

    Args:
        files: {path: content}; another path is answered with 404.
        ranges: whether the rest of a file can be asked for.
        broken: after how many bytes each answer in turn breaks off; None: it does not.
    """
    asked = []

    def answer(request):
        number = len(asked)
        actual = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        start = int(actual[1]) if actual and ranges else 0
        asked.append((request.path, int(actual[1]) if actual else 0))
        if request.path not in files:
            request.send_error(404)
            return
        content = files[request.path][start:]
        if start and not content:
            request.send_error(416)
            return
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content[: broken[number] if number < len(broken) else None])

    with listening(answer) as address:
        yield address, asked
