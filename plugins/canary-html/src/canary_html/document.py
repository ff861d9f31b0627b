"""The file: head with a policy that lets nothing in, overview as plain HTML, data, one script.

The overview can be read without a script. The policy names the style and the script by their
hashes, so that nothing else is applied or run, whatever else may be in the file.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shlex
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Final
from urllib.parse import quote

import canary
from canary.errors import UsageError
from canary.reporting import replacing
from canary.status import Outcome
from canary_html.columns import LEVELS, columns
from canary_html.model import Model, finite, is_trouble, mapping, totals
from canary_html.packing import Pages, pack, pack_pages
from canary_html.page import as_text, badge, job_page, kind, moment, sign, took
from canary_html.tree import Shown, Tree, clip, el, facts, to_html

SCRIPTS: Final = ("build", "data", "table", "drawing", "timeline", "graph", "views", "main")
FULL_ENDS: Final = 1 << 20
STATIC_ROWS: Final = 200
# what the elements around the data take
MARGIN: Final = 1024


def asset(name: str) -> str:
    """The text of a file in `assets`."""
    return (resources.files("canary_html") / "assets" / name).read_text("utf-8")


def script() -> str:
    """All scripts as one, with no name of theirs visible outside."""
    parts = "\n".join(asset(f"{name}.js") for name in SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}\n}})();\n'


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def write(model: Model, path: Path, *, size: int, limit: int, full: Path | None) -> None:
    """Write the report, at most `size` bytes; `full` is where files with whole pages are. An error
    if it cannot be so small."""
    beside = "" if full is None else os.path.relpath(full, path.parent)
    head, foot = _encode("".join(_head(model))), _encode(_foot())
    room = max(0, size - len(head) - len(foot) - MARGIN)
    table = _table(model, beside, room // 2)
    # the numbers of the jobs that have a page are the last to be known
    pages = _pages(model, room - len(table) - 8 * len(model.jobs), limit)
    blocks = (table, pack(pages.jobs), *pages.chunks)
    parts = [head, *(_encode(_block(n, block)) for n, block in enumerate(blocks)), foot]
    least = sum(map(len, parts))
    if least > size:
        raise UsageError(
            f"the report cannot be smaller than {least:,} bytes, and {size:,} are asked"
        )
    with replacing(path) as f:
        f.writelines(parts)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def _table(model: Model, beside: str, room: int) -> str:
    """The table with as much as there is room for; of far too many jobs, the first."""
    jobs = len(model.jobs)
    for level in LEVELS:
        table = pack(columns(model, level, jobs, beside))
        if len(table) <= room:
            return table
    while jobs and len(table) > room:
        jobs //= 2
        table = pack(columns(model, LEVELS[-1], jobs, beside))
    return table


def _pages(model: Model, budget: int, limit: int) -> Pages:
    def link(number: int) -> str:
        return f"#/job/{model.jobs[number]['id']}"

    def page(number: int, ends: int) -> Tree:
        return job_page(model, number, limit=ends, link=link)

    numbers = range(len(model.jobs))
    trouble = [n for n in numbers if is_trouble(model.jobs[n])]
    others = [n for n in numbers if not is_trouble(model.jobs[n])]
    return pack_pages(trouble, others, page, budget=budget, limit=limit)


def _head(model: Model) -> tuple[str, ...]:
    style, code = asset("report.css"), script()
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none';"
        f" style-src '{_digest(style)}'; script-src '{_digest(code)}'"
    )
    return (
        *_start(f"canary {model.results.session}", policy),
        f"<style>{style}</style>\n</head>\n<body>\n",
        to_html(_overview(model)),
        f"\n<noscript>{to_html(_without_script(model))}</noscript>\n",
    )


def _start(title: str, policy: str) -> Iterator[str]:
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield '<meta name="color-scheme" content="light dark">\n'
    yield to_html(el("title", title)) + "\n"


def _block(number: int, data: str) -> str:
    return f'<script type="application/octet-stream" id="data{number}">{data}</script>\n'


def _foot() -> str:
    return f"<script>{script()}</script>\n</body>\n</html>\n"


def _overview(model: Model) -> Tree:
    counts = totals(model.jobs)
    tiles = [_tile(name, n) for name, n in counts.items()]
    return el(
        "main",
        el(
            "section",
            el("div", *tiles, class_="tiles") if tiles else el("p", "There are no jobs."),
            el("div", class_="charts", id="charts"),
            el("h2", "Session"),
            facts(_session_facts(model, counts)),
            _environment(model),
            id="overview",
        ),
        id="main",
    )


def _tile(name: str, count: int) -> Tree:
    is_known = name in Outcome.__members__
    word = f"{Outcome[name].category.value} ({name})" if is_known else name
    return el(
        "a",
        el("span", sign(name), class_="sign", aria_hidden="true"),
        el("strong", f"{count:,}"),
        el("span", word),
        class_=f"tile {kind(name)}",
        href=f"#/jobs?q=outcome:{name.replace(' ', '-').lower()}",
    )


def _session_facts(model: Model, counts: dict[str, int]) -> Iterator[tuple[str, Tree]]:
    info, summary = model.info(), model.results.summary
    runner, argv = mapping(info.get("runner")), info.get("argv")
    machine = (
        f"{node}: " + ", ".join(f"{n} {type}" for type, n in slots.items() if n)
        for node, slots in list(model.machine.items())[:50]
    )
    busy = sum(max(0.0, finite(job["timings"].get("running", 0.0))) for job in model.jobs)
    code = info.get("returncode")
    rows = (
        ("Session", model.results.session),
        ("Jobs", f"{sum(counts.values()):,}"),
        ("Took", took(summary.duration) if summary.duration > 0 else ""),
        ("Time of all jobs", took(busy)),
        ("Exit code", "" if code is None else str(code)),
        ("Started", moment(model.began)),
        ("Command", shlex.join(map(str, argv if isinstance(argv, (list, tuple)) else ()))),
        ("Host", str(runner.get("host") or "")),
        ("Machine", "; ".join(machine)),
        ("Directory", str(model.results.directory)),
        ("Report by", f"canary {canary.__version__}"),
    )
    for name, value in rows:
        if value:
            yield name, clip(value, 4096)


def _environment(model: Model) -> Tree | None:
    variables = mapping(model.info().get("environment"))
    if not variables:
        return None
    rows = ((clip(str(k), 400), clip(as_text(v), 4096)) for k, v in sorted(variables.items())[:500])
    return el("details", el("summary", f"Environment ({len(variables)} variables)"), facts(rows))


def _without_script(model: Model) -> Tree:
    """What can be shown of the jobs where scripts are off."""
    trouble = [job for job in model.jobs if is_trouble(job)]
    rows = (
        el(
            "tr",
            el("td", badge(job["status"]["outcome"])),
            el("td", clip(job["fullname"], 300)),
            el("td", clip(job["status"]["reason"] or "", 300)),
        )
        for job in trouble[:STATIC_ROWS]
    )
    more = len(trouble) - STATIC_ROWS
    return el(
        "section",
        el("p", "Without scripts, this page has no table, drawings and pages of jobs."),
        el("h2", "Not passed"),
        el("table", el("tbody", *rows)),
        el("p", f"... {more} more") if more > 0 else None,
        class_="without",
    )


def write_full(model: Model, directory: Path, report: Path) -> None:
    """A file for each job, with nearly all of its output; they share a style sheet."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "report.css").write_text(asset("report.css"), encoding="utf-8")
    back = quote(os.path.relpath(report, directory))

    def link(number: int) -> str:
        return f"{model.jobs[number]['id']}.html"

    for number, job in enumerate(model.jobs):
        page = job_page(model, number, limit=FULL_ENDS, link=link)
        way = el("p", el("a", Shown("← all jobs"), href=f"{back}#/job/{job['id']}"), class_="way")
        text = "".join(_start(job["name"], "default-src 'none'; style-src 'self' file:"))
        text += '<link rel="stylesheet" href="report.css">\n</head>\n<body>\n'
        text += to_html(el("main", way, page)) + "\n</body>\n</html>\n"
        path = directory / f"{job['id']}.html"
        path.write_bytes(_encode(text))
