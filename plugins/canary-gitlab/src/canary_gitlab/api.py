"""Calls to GitLab's API, and the one place that holds a token.

The token goes into one header of requests to one server: redirects are refused, since they could
lead it elsewhere, and it is taken out of whatever is said about a call. What is posted is decided
by others.
"""

from __future__ import annotations

import argparse
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from typing import Any, Final, NoReturn

from canary.errors import CanaryError, UsageError

SECONDS: Final = 30.0
_MOST: Final = 32 << 20
_VARIABLES: Final = ("CANARY_GITLAB_TOKEN", "GITLAB_TOKEN")


class _Refuse(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """No request follows: the redirect is an error then."""


def add_token(parser: argparse.ArgumentParser) -> None:
    """The option for a token."""
    parser.add_argument(
        "-a",
        "--access-token",
        metavar="TOKEN",
        default=None,
        help="token with the scope `api`; better: $CANARY_GITLAB_TOKEN or $GITLAB_TOKEN, which"
        " other users of the machine cannot see",
    )


class Api:
    """One project of one GitLab."""

    def __init__(self, url: str, project: str, token: str) -> None:
        if not (token.isascii() and token.isprintable() and " " not in token):
            raise UsageError("the access token has characters that no token has")
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise UsageError(f"CI_API_V4_URL: {url!r} is no http or https address")
        self._token = token
        self._base = f"{url.rstrip('/')}/projects/{urllib.parse.quote(project, safe='')}"
        self._opener = urllib.request.build_opener(_Refuse)

    @classmethod
    def of_job(cls, given: str | None, environ: Mapping[str, str]) -> Api:
        """The project whose CI job this is."""
        token = given or next((environ[n] for n in _VARIABLES if environ.get(n)), "")
        if not token:
            hint = "set CANARY_GITLAB_TOKEN to one with the scope `api`, as a masked variable"
            raise UsageError("no access token for GitLab", hint=hint)
        return cls(needed(environ, "CI_API_V4_URL"), needed(environ, "CI_PROJECT_ID"), token)

    def call(self, method: str, path: str, data: Mapping[str, Any] | None = None) -> Any:
        """One call, `path` below the project; what GitLab answers."""
        return self._call(method, path, data)[0]

    def pages(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        """All items of a list."""
        page = "1"
        while page:
            words = urllib.parse.urlencode({**query, "per_page": "100", "page": page})
            items, page = self._call("GET", f"{path}?{words}", None)
            if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
                self._fail("GET", f"{self._base}/{path}", f"no list of objects: {items}")
            yield from items

    def _call(self, method: str, path: str, data: Mapping[str, Any] | None) -> tuple[Any, str]:
        headers = {"PRIVATE-TOKEN": self._token, "Accept": "application/json"}
        body = None
        if data is not None:
            body = json.dumps(data).encode("ascii")
            headers["Content-Type"] = "application/json"
        address = f"{self._base}/{path}"
        request = urllib.request.Request(address, body, headers, method=method)
        try:
            with self._opener.open(request, timeout=SECONDS) as answer:
                text = answer.read(_MOST)
                return json.loads(text or b"null"), answer.headers.get("x-next-page", "")
        except urllib.error.HTTPError as e:
            with e:
                said = e.read(2000).decode("utf-8", "replace")
            self._fail(method, address, f"{e.code} {e.reason}: {said}")
        except (OSError, HTTPException, ValueError) as e:
            self._fail(method, address, str(getattr(e, "reason", e)))

    def _fail(self, method: str, address: str, why: str) -> NoReturn:
        text = f"GitLab: {method} {address}: {why}".replace(self._token, "***")
        # without the exception that led here: it holds the request
        raise CanaryError(" ".join(text.split())[:600]) from None


def needed(environ: Mapping[str, str], name: str) -> str:
    """A variable that GitLab sets in its jobs."""
    value = environ.get(name)
    if not value:
        raise UsageError(f"{name} is not set", hint="GitLab sets it in the jobs of a pipeline")
    return value
