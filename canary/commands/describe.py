"""`canary describe`: what a test file or a job says of itself."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from canary import lookup, planning
from canary.catalog import Catalog
from canary.collect import ScanRoot
from canary.commands import documents, options, selection, shapes
from canary.config import Config
from canary.errors import CanaryErrors, ExitCode
from canary.request import RunRequest
from canary.select import Criteria
from canary.spec import JobSpec
from canary.store import Result
from canary.table import clean


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary describe`."""
    parser.add_argument("what", metavar="FILE|JOB", help="a test file, or a job's ID or name")
    selection.add_on_options(parser)
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    path = Path(config.cwd, args.what)
    data = _file(path, args, config) if path.is_file() else _job(args.what, config)
    print(shapes.as_json(data) if args.json else "\n".join(_lines(data, 0)))
    return ExitCode.OK


def _file(path: Path, args: argparse.Namespace, config: Config) -> dict[str, Any]:
    full = os.path.normpath(path)
    root = ScanRoot(os.path.dirname(full), (os.path.basename(full),))
    request = RunRequest(
        cwd=str(config.cwd),
        roots=(root,),
        options=options.on_options(args),
        criteria=Criteria(only="all"),
    )
    collected = planning.find_specs(request, config, None)
    specs = collected.graph.specs.values()
    if collected.errors and not specs:
        raise CanaryErrors(collected.errors)
    return {
        "file": full,
        "generator": next((s.generator for s in specs), None),
        "keywords": sorted({k for s in specs for k in s.keywords}),
        "owners": sorted({o for s in specs for o in s.owners}),
        "assets": sorted({a.src for s in specs for a in s.assets}),
        **planning.describe_file(root, config),
        "jobs": {s.name: _spec(s) for s in specs},
    }


def _spec(spec: JobSpec) -> dict[str, Any]:
    data: dict[str, Any] = {"id": spec.id[:7], "timeout": spec.timeout}
    if spec.parameters:
        data["parameters"] = dict(spec.parameters)
    fixed = {k: v for k, v in spec.meta_parameters.items() if k != "runtime"}
    if fixed:
        data["resources"] = fixed
    if spec.dependencies:
        data["depends on"] = [d.pattern for d in spec.dependencies]
    if spec.mask:
        data["masked"] = spec.mask.reason
    return data


def _job(name: str, config: Config) -> dict[str, Any]:
    workspace, book = shapes.open_store(config)
    catalog = Catalog(workspace.database)
    reasons = {id: reason for id, _, reason in lookup.left_out(workspace, book)}
    results = book.results()
    known = {r.id for r in results}
    specs = catalog.specs(id for id in reasons if id not in known)
    result = lookup.pick(name, [*results, *map(_unrun, specs.values())])
    if result.id in specs:
        return {"excluded": reasons[result.id], "spec": specs[result.id].full()}
    data = documents.job_document(result, catalog)
    data.pop("env", None)
    return {"excluded": reasons[result.id], **data} if result.id in reasons else data


def _unrun(spec: JobSpec) -> Result:
    """What can be looked up of a job that has no result."""
    what = (spec.id, spec.name, spec.fullname, spec.file_root, spec.file_path)
    return Result(*what, "", "", "PENDING", "NONE", "NONE", None, -1, "{}", "{}")


def _lines(data: Any, depth: int) -> Iterator[str]:
    """YAML-like lines that a person reads."""
    pad = "  " * depth
    items = data.items() if isinstance(data, Mapping) else ((None, v) for v in data)
    for key, value in items:
        head = f"{pad}{clean(str(key))}:" if key is not None else f"{pad}-"
        if isinstance(value, (Mapping, list, tuple)) and value:
            yield head
            yield from _lines(value, depth + 1)
        else:
            yield f"{head} {_scalar(value)}".rstrip()


def _scalar(value: Any) -> str:
    if value is None or isinstance(value, (bool, dict, list, tuple)):
        return json.dumps(value)
    return clean(str(value))


EXAMPLES = ("canary describe tests/solve.pyt", "canary describe 7316cd5")
