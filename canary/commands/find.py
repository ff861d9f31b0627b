"""`canary find`: what would be collected, without a workspace and without running anything."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from canary import planning, session
from canary.commands import options, selection
from canary.config import Config
from canary.errors import ExitCode, NothingToRun, UsageError
from canary.graph import SpecGraph
from canary.spec import JobSpec
from canary.table import clean, counted, safe_write, width


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary find`."""
    selection.add_places(parser)
    selection.add_selection(parser)
    one_of = parser.add_argument_group("output").add_mutually_exclusive_group()
    _, shape, _ = selection.options_of(one_of)
    shape("--paths", help="the test files, below their root")
    shape("--files", help="the test files")
    shape("-g", "--graph", help="jobs below what they depend on")
    shape("--keywords", dest="list_keywords", help="all keywords")
    shape("--json", help="specs as JSON")
    shape("-l", "--lock", help="write testspecs.lock")
    _, switch, _ = selection.options_of(parser)
    switch("--show-excluded-tests", help="list what is left out, and why")
    switch("--no-incremental", help=argparse.SUPPRESS)


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    criteria = options.criteria_of(args, only="all")
    request = options.base_request(args, config, words=tuple(args.words), criteria=criteria)
    if not (request.words or request.roots):
        raise UsageError("no path to look in", hint="canary find PATH")
    choice = session.choose(request, config, None)
    graph, plan = choice.collected.graph, choice.plan
    specs = [graph.specs[id] for id in plan.run]
    text = _shape(args, specs, graph, config.cwd)
    safe_write(sys.stdout, text)
    sys.stdout.flush()
    if args.show_excluded_tests:
        for id, mask in plan.masks.items():
            print(f"{clean(graph.specs[id].fullname)}: {mask.reason}", file=sys.stderr)
    if not specs:
        raise NothingToRun(planning.nothing(plan))
    return ExitCode.OK


def _shape(args: argparse.Namespace, specs: Sequence[JobSpec], graph: SpecGraph, cwd: Path) -> str:
    if args.json:
        return json.dumps([spec.full() for spec in specs], indent=1, default=str) + "\n"
    if args.lock:
        text = json.dumps({"testspecs": [_locked(s, graph) for s in specs]}, default=str)
        Path(cwd, "testspecs.lock").write_text(text, encoding="utf-8")
        return f"wrote {len(specs)} specs to testspecs.lock\n"
    if args.files:
        return _lines(dict.fromkeys(spec.file for spec in specs))
    if args.paths:
        return _lines(_paths(specs))
    if args.list_keywords:
        return _lines(sorted({word for spec in specs for word in spec.keywords}))
    if args.graph:
        return _lines(_tree(specs, graph))
    return _columns(specs)


def _locked(spec: JobSpec, graph: SpecGraph) -> dict[str, Any]:
    """A spec as scripts know it from `testspecs.lock`: it names what it depends on by ID."""
    needed = [{"spec": {"id": e.id}, "when": e.when} for e in graph.upstream(spec.id)]
    return {**spec.full(), "dependencies": needed}


def _lines(lines: object) -> str:
    return "".join(f"{clean(str(line))}\n" for line in lines)  # type: ignore[attr-defined]  # any iterable


def _paths(specs: Sequence[JobSpec]) -> list[str]:
    """Each root with a colon, and below it the paths from there."""
    roots: dict[str, dict[str, None]] = {}
    for spec in specs:
        roots.setdefault(spec.file_root, {})[spec.file_path] = None
    return [line for root, paths in roots.items() for line in (f"{root}:", *paths)]


def _tree(specs: Sequence[JobSpec], graph: SpecGraph) -> list[str]:
    """Each job once, two spaces deeper than the deepest job it depends on."""
    depth: dict[str, int] = {}
    out = []
    for spec in specs:
        above = [e for e in graph.upstream(spec.id) if e.id in depth]
        depth[spec.id] = 1 + max((depth[e.id] for e in above), default=-1)
        names = ", ".join(graph.specs[e.id].name for e in above)
        out.append("  " * depth[spec.id] + spec.fullname + (f"  <- {names}" if names else ""))
    return out


def _columns(specs: Sequence[JobSpec]) -> str:
    """Full names per root, in as many columns as fit."""
    out = []
    roots: dict[str, list[str]] = {}
    for spec in specs:
        roots.setdefault(spec.file_root, []).append(clean(spec.fullname))
    total = width(sys.stdout) if sys.stdout.isatty() else 80
    for root, names in roots.items():
        out.append(f"{os.path.relpath(root)}: {counted(len(names), 'job')}")
        wide = max(map(len, names)) + 2
        n = max(1, total // wide)
        rows = -(-len(names) // n)
        for row in range(rows):
            out.append("".join(name.ljust(wide) for name in names[row::rows]).rstrip())
    return "\n".join(out) + "\n" if out else ""


EXAMPLES = ("canary find tests", "canary find -k fast --paths tests", "canary find -g tests")
