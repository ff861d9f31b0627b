"""`canary report cdash summary`: what CDash has of a project on one day, as HTML."""

from __future__ import annotations

import html
import json
import os
import re
import smtplib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final

from canary import reporting
from canary.errors import CanaryError, UsageError
from canary.reporting import visible
from canary_cdash.upload import Server

_COLUMNS: Final = (
    ("configure", "error", "Configure errors"),
    ("compilation", "error", "Build errors"),
    ("compilation", "warning", "Warnings"),
    ("test", "notrun", "Not run"),
    ("test", "fail", "Failed"),
    ("test", "pass", "Passed"),
)
_STYLE: Final = (
    "body{font-family:sans-serif}table{border-collapse:collapse}"
    "td,th{border:1px solid #999;padding:.2em .6em;text-align:left}"
    "td.n{text-align:right}td.bad{background:#f7c6c5}"
)


@dataclass(frozen=True, slots=True)
class Build:
    """A row: `counts` in the order of the columns."""

    group: str
    site: str
    name: str
    counts: tuple[int, ...]

    @property
    def bad(self) -> bool:
        """Is anything wrong with it but warnings?"""
        errors, built, _, notrun, failed, _ = self.counts
        return bool(errors or built or notrun or failed)


def write(url: str, project: str, options: Mapping[str, Any]) -> Sequence[Path]:
    """Ask CDash, and write the page, mail it, or both."""
    day = options["date"] or date.today().isoformat()
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", day):
        raise UsageError(f"--date {day!r}", hint="want YYYY-MM-DD")
    skipped = [_pattern(text) for text in options["skip_site"]]
    server = Server.of_environment(url, project)
    query = {"project": project, "date": day}
    try:
        data = json.loads(server.call("GET", "api/v1/index.php", query))
        found = list(builds(data))
    except (ValueError, TypeError, KeyError, AttributeError):
        raise CanaryError(f"CDash: {url} has answered with something else than builds") from None
    wanted = [
        b
        for b in found
        if (not options["track"] or b.group in options["track"])
        and not any(p.search(b.site) for p in skipped)
    ]
    text = "".join(page(f"{project}, {day}", wanted))
    if options["mailto"]:
        _mail(options, f"CDash: {project}: {count(wanted)}", text)
    if options["output"] == "-" and options["mailto"]:
        return []
    return reporting.write([text], options)


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as e:
        raise UsageError(f"--skip-site {text!r}: {e}") from None


def builds(data: Mapping[str, Any]) -> Iterator[Build]:
    """The builds in an answer of `api/v1/index.php`."""
    for group in data["buildgroups"]:
        for build in group["builds"]:
            counts = tuple(int((build.get(a) or {}).get(b) or 0) for a, b, _ in _COLUMNS)
            yield Build(str(group["name"]), str(build["site"]), str(build["buildname"]), counts)


def count(rows: Sequence[Build]) -> str:
    """A line that says it all."""
    bad = sum(b.bad for b in rows)
    return f"{len(rows)} builds, {bad} with problems"


def page(title: str, rows: Sequence[Build]) -> Iterator[str]:
    """The page; what is wrong comes first."""
    shown = html.escape(visible(title, "\n"))
    yield f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{shown}</title>'
    yield f"<style>{_STYLE}</style></head>\n<body><h1>{shown}</h1><p>{count(rows)}</p>\n"
    yield "<table><thead><tr><th>Group</th><th>Site</th><th>Build</th>"
    yield "".join(f"<th>{name}</th>" for _, _, name in _COLUMNS)
    yield "</tr></thead>\n<tbody>\n"
    for b in sorted(rows, key=lambda b: (not b.bad, b.group, b.site, b.name)):
        texts = (html.escape(visible(text, "\n")) for text in (b.group, b.site, b.name))
        yield "<tr>" + "".join(f"<td>{text}</td>" for text in texts)
        for (_, kind, _), n in zip(_COLUMNS, b.counts, strict=True):
            bad = " bad" if n and kind in ("error", "notrun", "fail") else ""
            yield f'<td class="n{bad}">{n}</td>'
        yield "</tr>\n"
    yield "</tbody></table></body></html>\n"


def _mail(options: Mapping[str, Any], subject: str, text: str) -> None:
    """Through the server that $CANARY_SMTP names (`host` or `host:port`), else this machine's."""
    message = EmailMessage()
    try:
        message["Subject"] = visible(subject, "\n")
        message["To"] = options["mailto"]
        message["From"] = options["mailfrom"] or options["mailto"].partition(",")[0]
    except (ValueError, IndexError) as e:
        raise UsageError(f"--mailto {options['mailto']!r}: {e}") from None
    message.set_content("The summary is HTML.")
    message.add_alternative(text, subtype="html")
    server = os.environ.get("CANARY_SMTP") or "localhost"
    try:
        with smtplib.SMTP(server, timeout=60) as connection:
            connection.send_message(message)
    except (OSError, smtplib.SMTPException) as e:
        raise CanaryError(f"the summary cannot be mailed through {server}: {e}") from None
