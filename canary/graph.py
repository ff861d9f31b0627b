"""Who depends on whom: patterns become edges, every fault is found at once, and order follows.

Everything is iterative and linear but for glob patterns, which are compared once per distinct
pattern. A graph knows specs and edges, not jobs or results.
"""

from __future__ import annotations

import re
import shlex
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import translate
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

from canary.errors import CanaryError, GraphError
from canary.frozen import shared
from canary.names import above
from canary.spec import DependencyPattern, JobSpec


class Edge(NamedTuple):
    """A dependency: the ID of the job depended on, and the condition on its end."""

    id: str
    when: str | None


@dataclass(frozen=True)
class SpecGraph:
    """Specs by ID in collection order, the edges of those that have any, and why some are not
    sound."""

    specs: Mapping[str, JobSpec]
    edges: Mapping[str, tuple[Edge, ...]]
    invalid: Mapping[str, str] = shared()

    def upstream(self, id: str) -> tuple[Edge, ...]:
        """What a job depends on."""
        return self.edges.get(id, ())

    def children(self, *, if_run: bool = True) -> dict[str, list[str]]:
        """Who depends on each job, in collection order; without `if_run` those that need it run."""
        out: dict[str, list[str]] = {}
        for id, edges in self.edges.items():
            for edge in edges:
                if if_run or edge.when != "if_run":
                    out.setdefault(edge.id, []).append(id)
        return out

    def descendants(self, roots: Iterable[str], *, if_run: bool = True) -> set[str]:
        """The roots and everything that depends on them, directly or not; see `children`."""
        children = self.children(if_run=if_run)
        seen = set(roots)
        todo = deque(seen)
        while todo:
            new = [child for child in children.get(todo.popleft(), ()) if child not in seen]
            seen.update(new)
            todo.extend(new)
        return seen

    def order(self) -> list[str]:
        """All IDs, each after what it depends on; collection order otherwise."""
        return _sorted(self.specs, self.edges) if self.edges else list(self.specs)


def _sorted(specs: Iterable[str], edges: Mapping[str, Sequence[Edge]]) -> list[str]:
    """Each ID after those it depends on, else as given; CycleError if that cannot be."""
    sorter = TopologicalSorter(dict.fromkeys(specs, ()))
    for id, needed in edges.items():
        sorter.add(id, *(edge.id for edge in needed))
    return list(sorter.static_order())


def build(specs: Sequence[JobSpec]) -> tuple[SpecGraph, list[CanaryError]]:
    """Resolve all dependencies; the graph holds what is sound, the errors name file, line and
    pattern."""
    faults: list[tuple[str, CanaryError]] = []
    unique: dict[str, JobSpec] = {}
    for spec in specs:
        first = unique.setdefault(spec.id, spec)
        if first is not spec and not _same(first, spec):
            faults.append((spec.id, _twin_error(first, spec)))
    edges: dict[str, tuple[Edge, ...]] = {}
    _resolve(unique, edges, faults)
    _add_fixtures(unique, edges)
    faults += _cycles(unique, edges)
    errors = list(dict.fromkeys(error for _, error in faults))
    texts = {error: str(error) for error in errors}  # one text for all jobs of a cycle
    invalid = {id: texts[error] for id, error in reversed(faults)}
    return SpecGraph(placed(unique), edges, invalid), errors


def _same(a: JobSpec, b: JobSpec) -> bool:
    """The same file found twice, through overlapping paths with the same root."""
    return a.file == b.file and a.name == b.name and a.file_root == b.file_root


def _twin_error(first: JobSpec, spec: JobSpec) -> GraphError:
    if first.file == spec.file and first.file_root != spec.file_root:
        text = f"the file is found from {first.file_root} and from {spec.file_root}"
        return GraphError(text, hint="give one of these paths", file=spec.file)
    where = f"{first.file}:{first.id_line}" if first.id_line else first.file
    text = f"{spec.name!r} has the same ID as {first.name!r} of {where}"
    hint = "names, parameters or set_id must tell them apart"
    return GraphError(text, hint=hint, file=spec.file, line=spec.id_line or None)


def _resolve(
    unique: Mapping[str, JobSpec],
    edges: dict[str, tuple[Edge, ...]],
    faults: list[tuple[str, CanaryError]],
) -> None:
    index: _Index | None = None
    for id, spec in unique.items():
        if not spec.dependencies:
            continue
        found: dict[str, Edge] = {}
        for dependency in spec.dependencies:
            if dependency.ids:
                matches: list[str] = [i for i in dependency.ids if i in unique]
            else:
                index = index or _Index(unique)
                try:
                    matches = index.match(dependency.pattern)
                except ValueError as e:
                    faults.append((id, _pattern_error(spec, dependency, f"cannot be read: {e}")))
                    continue
            matches = [m for m in matches if m != id]
            fault = _unexpected(dependency, len(matches))
            if fault:
                faults.append((id, _pattern_error(spec, dependency, fault)))
            for match in matches:
                found.setdefault(match, Edge(match, dependency.when))
        if found:
            edges[id] = tuple(found.values())


def _pattern_error(spec: JobSpec, dependency: DependencyPattern, text: str) -> GraphError:
    return GraphError(
        f"{spec.name} depends on {dependency.pattern!r}, which {text}",
        hint="it is matched with ID, name, family, full name and path of all tests found",
        file=spec.file,
        line=dependency.line,
    )


def _unexpected(dependency: DependencyPattern, n: int) -> str | None:
    expects = dependency.expects
    if expects == "*" or (expects == "+" and n >= 1) or (expects == "?" and n <= 1) or expects == n:
        return None
    bounds = {"+": "at least 1 job", "?": "at most 1 job"}
    want = bounds.get(str(expects), f"exactly {expects} job(s)")
    return f"matches {n} job(s), expected {want}"


class _Index:
    """Finds specs by exact text first, by glob else; answers are remembered per pattern."""

    def __init__(self, specs: Mapping[str, JobSpec]) -> None:
        self._exact: dict[str, list[str]] = {}
        self._answers: dict[str, list[str]] = {}
        for id, spec in specs.items():
            for key in {id, spec.name, spec.family, spec.fullname, spec.file_path, spec.file}:
                self._exact.setdefault(key, []).append(id)

    def match(self, pattern: str) -> list[str]:
        if pattern not in self._answers:
            found: dict[str, None] = {}
            for word in shlex.split(pattern):
                found.update(dict.fromkeys(self._word(word)))
            self._answers[pattern] = list(found)
        return self._answers[pattern]

    def _word(self, word: str) -> Iterable[str]:
        exact = self._exact.get(word, [])
        if not any(c in word for c in "*?["):
            return exact
        regex = re.compile(translate(word)).match
        globbed = (id for key, ids in self._exact.items() if regex(key) for id in ids)
        return dict.fromkeys([*exact, *globbed])


def _add_fixtures(unique: Mapping[str, JobSpec], edges: dict[str, tuple[Edge, ...]]) -> None:
    """A setup job comes before all others at or below its directory, a teardown job after them,
    whatever became of them; neither waits for one of its kind beside it."""
    places: dict[tuple[str, str], list[JobSpec]] = {}
    for spec in unique.values():
        if spec.fixture:
            places.setdefault((spec.file_root, spec.file_path.rpartition("/")[0]), []).append(spec)
    if not places:
        return
    after: dict[str, list[Edge]] = {}
    for spec in unique.values():
        beside = True
        for directory in (*above(spec.file_path), ""):
            for fixture in places.get((spec.file_root, directory), ()):
                if fixture.fixture == "teardown":
                    if not (beside and spec.fixture == "teardown"):
                        after.setdefault(fixture.id, []).append(Edge(spec.id, "always"))
                elif not (beside and spec.fixture):
                    _add(edges, spec.id, [Edge(fixture.id, "on_success")])
            beside = False
    for id, new in after.items():
        _add(edges, id, new)


def _add(edges: dict[str, tuple[Edge, ...]], id: str, new: Sequence[Edge]) -> None:
    known = edges.get(id, ())
    ids = {edge.id for edge in known}
    edges[id] = (*known, *(edge for edge in new if edge.id not in ids))


def _shortened(names: Sequence[str], most: int = 12) -> Sequence[str]:
    """Names as people can read them: of very many, the first and the last."""
    if len(names) <= most:
        return names
    half = most // 2
    return [*names[:half], f"... {len(names) - most} more ...", *names[-half:]]


def _cycles(
    unique: Mapping[str, JobSpec], edges: dict[str, tuple[Edge, ...]]
) -> list[tuple[str, CanaryError]]:
    """One error for each cycle, as a path of names; its edges are taken out of the graph."""
    faults: list[tuple[str, CanaryError]] = []
    order = {id: n for n, id in enumerate(unique)}
    while edges:
        try:
            _sorted(unique, edges)
            break
        except CycleError as e:
            path = e.args[1][:0:-1]  # each waits for the next; the first is again at the end
            start = path.index(min(path, key=order.__getitem__))
            cycle = [*path[start:], *path[:start]]
            names = " -> ".join(_shortened([unique[id].name for id in [*cycle, cycle[0]]]))
            first = unique[cycle[0]]
            line = next((d.line for d in first.dependencies if d.line), None)
            text = f"these jobs wait for each other: {names}"
            error = GraphError(text, file=first.file, line=line)
            for id in cycle:
                faults.append((id, error))
                edges[id] = tuple(e for e in edges[id] if e.id not in cycle)
    return faults


def placed(specs: Mapping[str, JobSpec]) -> dict[str, JobSpec]:
    """Give each job a work directory and a view path of its own, none inside another.

    Only a job whose path is taken already, or is a directory on the way to another's, gets `~ID` at
    its end.
    """
    unique = dict(specs)
    asked = {id: spec.work_path for id, spec in unique.items()}
    shown = {
        id: asked[id] if spec.view_path == spec.exec_path else spec.result_path
        for id, spec in unique.items()
    }
    work = apart(asked)
    view = work if shown == asked else apart(shown)
    for id, path in work.items():
        unique[id] = replace(unique[id], exec_path=path)
    for id, path in view.items():
        unique[id] = replace(unique[id], view_path=path)
    return unique


def apart(paths: Mapping[str, str]) -> dict[str, str]:
    """Other paths for the IDs whose path an earlier one has, or which is a directory above
    another's."""
    nearest = {path.rpartition("/")[0] for path in paths.values()} - {""}
    taken = nearest.union(directory for path in nearest for directory in above(path))
    used = taken.union(paths.values())
    out = {}
    for id, path in paths.items():
        if path in taken:
            other = f"{path}~{id[:7]}"
            out[id] = other if other not in used else f"{path}~{id}"
            used.add(out[id])
        taken.add(path)
    return out
