"""A CDash that takes what it is sent, and checks it."""

from __future__ import annotations

import hashlib
import json
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from lxml import etree

pytest_plugins = ["canary.testing.fixtures"]


class CDash(ThreadingHTTPServer):
    """What was put is in `puts`: (query, headers, document); `answers` are given before the usual
    ones: (code, text)."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.puts, self.gets, self.answers, self.builds = [], [], [], {}

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def answer(self, code, text, **headers):
        self.send_response(code)
        for name, value in {"Content-Length": str(len(text.encode())), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

    def do_PUT(self):
        path, _, words = self.path.partition("?")
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.answers:
            self.answer(*self.server.answers.pop(0))
            return
        query = dict(urllib.parse.parse_qsl(words, keep_blank_values=True))
        assert path == "/submit.php"
        sound = query["MD5"] == hashlib.md5(data).hexdigest()
        root = etree.fromstring(data)
        key = (query["build"], query["site"], query["stamp"])
        id = self.server.builds.setdefault(key, len(self.server.builds) + 1)
        if root.tag == "Site":
            sound &= key == tuple(root.get(n) for n in ("BuildName", "Name", "BuildStamp"))
        elif root.tag == "Done":
            sound &= root.findtext("buildId") == str(id)
        self.server.puts.append((query, dict(self.headers), root))
        status = "OK" if sound else "ERROR"
        said = f"<message></message><md5>{query['MD5']}</md5><buildId>{id}</buildId>"
        self.answer(
            200, f'<cdash version="3.0">\n  <status>{status}</status>\n  {said}\n</cdash>\n'
        )

    def do_GET(self):
        self.server.gets.append(self.path)
        if self.server.answers:
            self.answer(*self.server.answers.pop(0))
            return
        build = {
            "site": "<script>alert(1)</script>",
            "buildname": "Linux & gcc",
            "configure": {"error": 0},
            "compilation": {"error": "1", "warning": 2},
            "test": {"notrun": 0, "fail": 3, "pass": 40},
        }
        good = {"site": "quiet", "buildname": "Linux", "test": {"pass": 5}}
        groups = [
            {"name": "Nightly", "builds": [good, {**good, "site": "left-out"}]},
            {"name": "Experimental", "builds": [build]},
        ]
        self.answer(200, json.dumps({"buildgroups": groups}))


@pytest.fixture
def cdash():
    with CDash() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
