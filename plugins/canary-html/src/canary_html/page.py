"""The page of one job, as a tree: what it came to, what it was, what it printed.

The same page is part of the report and, with `--full`, a file of its own; where links lead is
handed in. What is long is cut, and says so.
"""

from __future__ import annotations

import json
import math
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from types import MappingProxyType
from typing import Any, Final, TypeGuard

from canary.clock import format_duration
from canary.reporting import excerpt
from canary.status import Outcome
from canary_html.model import Attempt, Earlier, Job, Model, finite
from canary_html.tree import Shown, Tree, clip, el, facts

VALUE: Final = 8192
LINKS: Final = 200
ROWS: Final = 500
# signs that every font has, one for each category
_SIGNS: Final = MappingProxyType({"pass": "✓", "fail": "✗", "aborted": "⊘", "notrun": "○"})


def kind(outcome: str) -> str:
    """The class of an outcome's colour: its category in small letters, or `out`."""
    return Outcome[outcome].category.value.lower() if outcome in Outcome.__members__ else "out"


def sign(outcome: str) -> str:
    """The sign that stands beside the word."""
    return _SIGNS.get(kind(outcome), "·")


def badge(outcome: str) -> Tree:
    """An outcome in words, with its sign and colour."""
    is_known = outcome in Outcome.__members__
    word = f"{Outcome[outcome].category.value} ({outcome})" if is_known else outcome.upper()
    return el("span", f"{sign(outcome)} {word}", class_=f"badge {kind(outcome)}")


def job_page(model: Model, number: int, *, limit: int, link: Callable[[int], str]) -> Tree:
    """The page of a job; `limit` is how much of the two ends of its output is shown, `link` says
    where another job's page is."""
    job = model.jobs[number]
    attempts = model.attempts_of(job)
    return el(
        "article",
        el("h2", clip(job["fullname"], VALUE), class_="name"),
        _verdict(job),
        _output(job, limit),
        _facts(job),
        _attempts(attempts) if len(attempts) > 1 or job["attempt"] > 1 else None,
        _measurements(job, model.past.get(job["id"], ())),
        _pairs("Attributes it set", job.get("attributes_set") or {}),
        _pairs("Environment it was given", job["variables"]),
        _links(model, "Depends on", model.dependencies(job), link),
        _links(model, "Needed by", [(n, "") for n in model.dependents[number]], link),
    )


def _verdict(job: Job) -> Tree:
    status = job["status"]
    outcome = status["outcome"] if job["excluded"] is None else "left out"
    reason = status["reason"]
    return el(
        "p",
        badge(outcome),
        el("span", clip(reason, VALUE), class_="reason") if reason else None,
        class_="verdict",
    )


def _facts(job: Job) -> Tree:
    timings = job["timings"]
    times = (
        f"{name} {took(timings[name])}"
        for name in ("pending", "setup", "running", "teardown", "total")
        if finite(timings.get(name, -1.0)) >= 0
    )
    rows = [
        ("Exit code", "" if job["exit_code"] is None else str(job["exit_code"])),
        ("Time", ", ".join(times)),
        ("Started", moment(job["started_at"])),
        ("Time limit", took(job["timeout"]) if job.get("timeout", -1) > 0 else ""),
        ("Session", job["session"] or ""),
        ("Test file", job.get("file") or job["file_path"]),
        ("Directory", job["exec_dir"] or ""),
        ("Command", shlex.join(job.get("command") or ())),
        ("Parameters", _assignments(job.get("parameters"))),
        ("Keywords", ", ".join(job.get("keywords") or ())),
        ("Owners", ", ".join(job.get("owners") or ())),
        ("Attributes", _assignments(_given_attributes(job))),
        ("ID", job["id"]),
    ]
    return _table("Facts", [(name, clip(value, VALUE)) for name, value in rows if value])


def _given_attributes(job: Job) -> dict[str, Any]:
    """Those of its test file; what the test set itself has a table of its own."""
    own = job.get("attributes_set") or {}
    return {k: v for k, v in (job.get("attributes") or {}).items() if k not in own}


def _assignments(values: Mapping[str, Any] | None) -> str:
    return ", ".join(f"{name}={as_text(value)}" for name, value in (values or {}).items())


def _pairs(title: str, values: Mapping[str, Any]) -> Tree | None:
    rows = [(name, clip(as_text(value), VALUE)) for name, value in list(values.items())[:ROWS]]
    if len(values) > ROWS:
        rows.append(("...", Shown(f"{len(values) - ROWS} more")))
    return _table(title, rows) if rows else None


def _table(title: str, rows: Sequence[tuple[str, Tree]]) -> Tree:
    return el("section", el("h3", title), facts((clip(n, VALUE), v) for n, v in rows))


def _attempts(attempts: Sequence[Attempt]) -> Tree:
    head = el("tr", *(el("th", t, scope="col") for t in ("Attempt", "Status", "Time", "Where")))
    body = (
        el(
            "tr",
            el("td", str(a.number)),
            el("td", badge(a.outcome), " ", clip(a.reason, VALUE)),
            el("td", took(a.seconds), class_="short"),
            el("td", where(a)),
        )
        for a in attempts[:ROWS]
    )
    table = el("table", el("thead", head), el("tbody", *body))
    return el("section", el("h3", "Attempts"), table)


def where(attempt: Attempt) -> str:
    """Nodes and cores in a few words."""
    cores: dict[str, list[str]] = {}
    for node, core in attempt.places:
        cores.setdefault(node, []).append(core)
    return "; ".join(f"{n or 'this machine'}: {', '.join(c)}" for n, c in list(cores.items())[:20])


def _measurements(job: Job, past: Sequence[Earlier]) -> Tree | None:
    rows: list[tuple[str, Tree]] = []
    for name, value in list(job["measurements"].items())[:ROWS]:
        found = (earlier.measurements.get(name) for earlier in past)
        series = [number for number in found if _is_number(number)]
        unit = _UNITS.get(name)
        shown: Tree = clip(as_text(value), VALUE)
        if _is_number(value) and (series or unit):
            write = unit or _short
            shown = el("span", write(value))
            if series:
                before = " before: " + ", ".join(write(x) for x in series[-8:])
                line = ",".join(_short(x) for x in [*series, value])
                shown.append(el("span", before, class_="spark", data_v=line))
        rows.append((name, shown))
    return _table("Measurements", rows) if rows else None


def _is_number(value: Any) -> TypeGuard[float]:
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    return plain and abs(value) <= sys.float_info.max  # an integer may be too large for a float


def _short(value: float) -> str:
    return f"{value:.6g}"


def took(seconds: float) -> str:
    """A time as `duration` in `assets/data.js` shows it."""
    if 0 <= seconds < 0.9995:
        return f"{1000 * seconds:.0f} ms"
    text = format_duration(seconds)
    return f"{text[:-1]} s" if 0 <= seconds < 59.95 else text


def _size(count: float) -> str:
    """Bytes, as people read them."""
    units = ("bytes", "kB", "MB", "GB", "TB")
    power = min(len(units) - 1, max(0, int(math.log10(max(1, count)) // 3)))
    return f"{count / 1000**power:.{3 if power else 10}g} {units[power]}"


# what canary itself measures of every job
_UNITS: Final[Mapping[str, Callable[[float], str]]] = MappingProxyType(
    {**dict.fromkeys(("duration", "user", "system", "expected"), took), "max_rss": _size}
)


def _links(
    model: Model, title: str, others: Sequence[tuple[int, str]], link: Callable[[int], str]
) -> Tree | None:
    items: list[Tree] = []
    for number, when in others[:LINKS]:
        job = model.jobs[number]
        outcome = job["status"]["outcome"] if job["excluded"] is None else "left out"
        name = el("a", clip(job["fullname"], 400), href=link(number))
        items.append(el("li", badge(outcome), " ", name, f" ({when})" if when else None))
    if len(others) > LINKS:
        items.append(el("li", f"... {len(others) - LINKS} more"))
    return el("section", el("h3", title), el("ul", *items, class_="links")) if items else None


def _output(job: Job, limit: int) -> Tree | None:
    blocks = list(_blocks(job, limit)) if limit else []
    return el("section", el("h3", "Output"), *blocks) if blocks else None


def _blocks(job: Job, limit: int) -> Iterator[Tree]:
    for name in ("stdout", "stderr"):
        path = job.get(name)
        text = excerpt(path, limit) if path else ""
        if text:
            yield el("p", Shown("Standard error" if name == "stderr" else ""), class_="stream")
            yield el("pre", Shown(text), class_=f"output {name}", tabindex="0")


def moment(at: float) -> str:
    """A time as ISO 8601 in UTC; nothing if it is unknown."""
    if finite(at) <= 0:
        return ""
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def as_text(value: Any) -> str:
    """A value as a person would write it."""
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
