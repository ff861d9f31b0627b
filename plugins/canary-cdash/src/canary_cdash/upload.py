"""`canary report cdash post`: files to CDash, each with one request, as ctest does it.

A token goes into one header of requests to one server: redirects are refused, since they could lead
it elsewhere, and it is taken out of whatever is said about a request.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final, NoReturn

from canary.errors import CanaryError, UsageError
from canary.table import say
from canary_cdash.machine import read_site

SECONDS: Final = 60.0
_MOST: Final = 1 << 20
_TOKENS: Final = ("CANARY_CDASH_TOKEN", "CDASH_TOKEN")
_BUILD: Final = re.compile(r"<buildId>(\d+)</buildId>")
_STATUS: Final = re.compile(r"<status>\s*(\w+)\s*</status>")
_MESSAGE: Final = re.compile(r"<message>(.*?)</message>", re.DOTALL)


class _Refuse(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """No request follows: the redirect is an error then."""


class Server:
    """One project of one CDash."""

    def __init__(self, url: str, project: str, token: str = "") -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise UsageError(f"{url!r} is no http or https address")
        if parts.username or parts.password:
            raise UsageError("the address of CDash holds a password", hint=f"set {_TOKENS[0]}")
        if not (token.isascii() and token.isprintable() and " " not in token):
            raise UsageError(f"{_TOKENS[0]} has characters that no token has")
        self._base = url.rstrip("/")
        self._project = project
        self._token = token
        self._opener = urllib.request.build_opener(_Refuse)

    @classmethod
    def of_environment(cls, url: str, project: str) -> Server:
        """With the token of the environment, if there is one."""
        token = next((os.environ[n] for n in _TOKENS if os.environ.get(n)), "")
        return cls(url, project, token)

    def put(self, name: str, data: bytes, site: Mapping[str, str]) -> str:
        """Send a document; the ID of its build, if CDash says it."""
        build, host, stamp = (site.get(n, "") for n in ("BuildName", "Name", "BuildStamp"))
        query = {
            "project": self._project,
            "FileName": f"{host}___{build}___{stamp}___XML___{name}",
            "build": build,
            "site": host,
            "stamp": stamp,
            "MD5": hashlib.md5(data, usedforsecurity=False).hexdigest(),
        }
        answer = self.call("PUT", "submit.php", query, data).decode("utf-8", "replace")
        status = _STATUS.search(answer)
        if status is None and "<cdash" not in answer:
            self.fail("PUT", "submit.php", f"this is no answer of CDash: {answer or 'nothing'}")
        if status and status[1] != "OK":
            message = _MESSAGE.search(answer)
            self.fail("PUT", "submit.php", f"{status[1]}: {message[1] if message else name}")
        found = _BUILD.search(answer)
        return found[1] if found else ""

    def call(
        self, method: str, path: str, query: Mapping[str, str], data: bytes | None = None
    ) -> bytes:
        """One request; what CDash answers."""
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        if data is not None:
            headers["Content-Type"] = "text/xml"
        address = f"{self._base}/{path}?{urllib.parse.urlencode(query)}"
        request = urllib.request.Request(address, data, headers, method=method)
        try:
            with self._opener.open(request, timeout=SECONDS) as answer:
                return bytes(answer.read(_MOST * 32))
        except urllib.error.HTTPError as e:
            with e:
                said = e.read(2000).decode("utf-8", "replace")
            self.fail(method, path, f"{e.code} {e.reason}: {said}")
        except (OSError, HTTPException, ValueError) as e:
            self.fail(method, path, str(getattr(e, "reason", e)))

    def fail(self, method: str, path: str, why: str) -> NoReturn:
        """Say that a request failed, in one line without the token."""
        text = f"CDash: {method} {self._base}/{path}: {why}"
        if self._token:
            text = text.replace(self._token, "***")
        raise CanaryError(" ".join(text.split())[:600]) from None


def post(url: str, project: str, options: Mapping[str, Any]) -> Sequence[Path]:
    """Send files; with `done` say for each build that it is complete."""
    if not options["files"]:
        raise UsageError("which files?", hint="canary report cdash create writes them")
    server = Server.of_environment(url, project)
    builds: dict[str, Mapping[str, str]] = {}
    for name in options["files"]:
        path = Path(options["cwd"], name)
        site = read_site(path)
        id = server.put(path.name, path.read_bytes(), site)
        if id:
            builds[id] = site
        say("info", f"{path.name} is at {url}, project {project}" + (f", build {id}" if id else ""))
    if options["done"]:
        if not builds:
            raise CanaryError("CDash did not say which build it is: it is not marked as done")
        for id, site in builds.items():
            text = f"\t<buildId>{id}</buildId>\n\t<time>{int(time.time())}</time>\n"
            head = '<?xml version="1.0" encoding="UTF-8"?>\n'
            server.put("Done.xml", f"{head}<Done>\n{text}</Done>\n".encode(), site)
    return []
