"""A GitLab to talk to: a server on this machine that checks what it is sent, and remembers it."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

pytest_plugins = ["canary.testing.fixtures"]

TOKEN = "glpat-s3cr3t-0123456789"
PLACE = re.compile(r"/api/v4/projects/group%2Fproject/(merge_requests/7/notes|issues)(?:/(\d+))?")


class Gitlab(ThreadingHTTPServer):
    """Notes of merge request 7 and issues of one project. `answer` replaces the next answers."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.items = {"merge_requests/7/notes": [], "issues": []}
        self.calls = []
        self.wrong = []
        self.answer = None

    @property
    def notes(self):
        return self.items["merge_requests/7/notes"]

    @property
    def issues(self):
        return self.items["issues"]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/api/v4"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def handle_call(self):
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        server = self.server
        server.calls.append((self.command, self.path))
        if server.answer:
            code, headers, text = server.answer(self.headers)
            return self.reply(code, text, headers)
        if self.headers.get("PRIVATE-TOKEN") != TOKEN:
            return self.reply(401, {"message": "401 Unauthorized"})
        parts = urlsplit(self.path)
        match = PLACE.fullmatch(parts.path)
        if not match:
            server.wrong.append(self.path)
            return self.reply(404, {"message": "404 Not found"})
        items, key = server.items[match[1]], "iid" if match[1] == "issues" else "id"
        if self.command == "GET":
            return self.listed(items, parse_qs(parts.query))
        if self.headers.get("Content-Type") != "application/json":
            server.wrong.append(self.headers.get("Content-Type"))
        data = json.loads(body)
        if self.command == "POST":
            item = {key: len(items) + 1, "state": "opened", **data}
            items.append(item)
            return self.reply(201, item)
        item = next(i for i in items if i[key] == int(match[2]))
        if data.pop("state_event", None) == "close":
            item["state"] = "closed"
        item.update(data)
        return self.reply(200, item)

    do_GET = do_POST = do_PUT = handle_call

    def listed(self, items, query):
        if "state" in query:
            items = [i for i in items if i["state"] == query["state"][0]]
        if "labels" in query:
            items = [i for i in items if query["labels"][0] in i["labels"].split(",")]
        page = int(query["page"][0])
        size = 2  # smaller than asked for, as GitLab may answer
        following = str(page + 1) if page * size < len(items) else ""
        return self.reply(200, items[(page - 1) * size : page * size], {"x-next-page": following})

    def reply(self, code, data, headers=()):
        text = data.encode() if isinstance(data, str) else json.dumps(data).encode()
        self.send_response(code)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@pytest.fixture
def gitlab():
    server = Gitlab()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
    assert server.wrong == []


@pytest.fixture
def pipeline(gitlab):
    """The variables of a CI job."""
    return {
        "CI_API_V4_URL": gitlab.url,
        "CI_PROJECT_ID": "group/project",
        "CI_MERGE_REQUEST_IID": "7",
        "CI_JOB_NAME": "tests: [a, b]",
        "CI_JOB_URL": "https://gitlab.example/group/project/-/jobs/1",
        "CI_COMMIT_SHA": "0123abcd",
        "CANARY_GITLAB_TOKEN": TOKEN,
        "no_proxy": "127.0.0.1",
    }


@pytest.fixture
def in_pipeline(pipeline, monkeypatch):
    for name, value in pipeline.items():
        monkeypatch.setenv(name, value)
    return pipeline
