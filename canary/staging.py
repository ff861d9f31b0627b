"""What goes into a job's directory and environment before it runs, and what is worth keeping of it
after.

Pure functions of a spec and a directory: which files to link or copy where, which variables to set,
how many slots of which resource to ask for, which artifacts match. Links and copies land in the
directory itself under plain names; a destination cannot point out of it.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from canary import fsio
from canary.names import encode_name
from canary.resources import Capacity
from canary.spec import Artifact, JobSpec
from canary.status import Category


class MissingSourceError(Exception):
    """An asset to copy or link does not exist."""


class InvalidTypeError(Exception):
    """A resource parameter (`cpus`, `gpus`, `nodes`, any pool type) is not an int."""

    def __init__(self, name: str, value: object) -> None:
        kind = type(value).__name__
        super().__init__(f"{name}={value!r} is a {kind}: expected type({name})=int")
        self.name = name
        self.value = value


# where their names are public
MissingSourceError.__module__ = InvalidTypeError.__module__ = "canary.job"


def is_light(spec: JobSpec) -> bool:
    """True if staging makes a few links only: no copies, no shell to source files in."""
    return not (spec.rcfiles or spec.modules or any(a.action == "copy" for a in spec.assets))


def stage(spec: JobSpec, directory: str, *, copy_all: bool = False) -> None:
    """Put the test file and the assets into `directory`; MissingSourceError if one is not there."""
    if spec.stage_file:
        source = spec.file
        if not os.path.exists(source):
            raise MissingSourceError(f"{source}: the test file is gone")
        fsio.copy_or_link(source, f"{directory}/{_base(spec.file_path)}", link=not copy_all)
    for asset in spec.assets:
        if asset.action == "none":
            continue
        link = asset.action == "link" and not copy_all
        for source, name in _expand(asset.src, asset.dst, spec):
            _place(source, f"{directory}/{encode_name(name)}", link=link)


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _expand(src: str, dst: str | None, spec: JobSpec) -> Iterator[tuple[str, str]]:
    here = os.path.dirname(spec.file)
    source = os.path.join(here, src)
    if os.path.lexists(source):
        if not os.path.exists(source):
            raise MissingSourceError(f"{src}: a link to nothing")
        yield source, _base(dst) if dst else _base(source.rstrip("/"))
    elif any(c in src for c in "*?["):
        for found in sorted(glob.glob(os.path.join(glob.escape(here), src))):
            yield found, _base(found)
    else:
        raise MissingSourceError(f"{src}: no such file, named by {spec.file}")


def _place(source: str, target: str, *, link: bool) -> None:
    if os.path.islink(target) or os.path.isfile(target):
        os.unlink(target)
    if not os.path.lexists(target):
        fsio.copy_or_link(os.path.realpath(source) if link else source, target, link=link)


def search_paths(
    directory: str, environment: Mapping[str, str | None], base: Mapping[str, str]
) -> dict[str, str]:
    """`PATH` and `PYTHONPATH` with the job's directory first.

    In a list of directories none can have the separator in its name; the empty name stands for
    where a process is, which is where the job begins.
    """
    first, alone = ("", os.pathsep) if os.pathsep in directory else (directory, directory)
    out = {}
    for name in ("PATH", "PYTHONPATH"):
        old = environment[name] if name in environment else base.get(name)
        out[name] = f"{first}{os.pathsep}{old}" if old else alone
    return out


def resource_needs(spec: JobSpec, capacity: Capacity) -> dict[str, int]:
    """How many slots of each type, and `nodes`; InvalidTypeError for a value that is not an int.

    Nodes given and cpus or gpus not: as many as that many nodes have. Nodes not given: enough for
    cpus and gpus.
    """
    types = {*capacity.per_node, "cpus", "gpus", "nodes"}
    parameters = {**spec.meta_parameters, **spec.parameters}
    given = {name: value for name, value in parameters.items() if name in types}
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int):
            raise InvalidTypeError(name, value)
    usual = {"cpus": 1, "gpus": 0}
    nodes = given.pop("nodes", None)
    if nodes is not None:
        usual = {t: nodes * capacity.per_node.get(t, n) for t, n in usual.items()}
    needs = {**usual, **given}
    if nodes is None:
        nodes = capacity.nodes_for({t: needs[t] for t in usual})
    return {**needs, "nodes": nodes}


def artifacts(wanted: Iterable[Artifact], directory: str, category: Category) -> list[Path]:
    """Paths relative to `directory` of the files that match an artifact whose condition holds, each
    once."""
    found: dict[str, None] = {}
    ends = {"never": None, "success": Category.PASS, "failure": Category.FAIL}
    for artifact in wanted:
        if ends.get(artifact.when.removeprefix("on_"), category) is not category:
            continue
        # unlike the functions of `glob`, this enters no links, which may lead back or far away
        for path in sorted(Path(directory).glob(f"**/{artifact.pattern}")):
            relative = os.path.relpath(path, directory)
            if not relative.startswith(".."):
                found[relative] = None
    return [Path(p) for p in found]


def rebaseline(spec: JobSpec, directory: str) -> list[Path]:
    """Copy the sources of the spec's baseline over their references beside the test file; return
    what was written.

    Both names stay inside their directories; MissingSourceError if the run did not make a source.
    """
    tree = os.path.dirname(spec.file)
    written = []
    for action in spec.baseline:
        if action.src is None or action.dst is None:
            continue
        source = _inside(directory, action.src)
        target = _inside(tree, action.dst)
        if not os.path.isfile(source):
            text = f"{action.src}: not in {directory}, so there is no new baseline"
            raise MissingSourceError(text)
        fsio.write_atomic(target, Path(source).read_bytes())
        written.append(Path(target))
    return written


def _inside(directory: str, name: str) -> str:
    path = os.path.normpath(os.path.join(directory, name))
    if not path.startswith(os.path.normpath(directory) + os.sep):
        raise MissingSourceError(f"{name}: leaves {directory}")
    real = os.path.realpath(directory)
    if not f"{os.path.realpath(os.path.dirname(path))}/".startswith(real + os.sep):
        raise MissingSourceError(f"{name}: a link on the way leaves {directory}")
    return path
