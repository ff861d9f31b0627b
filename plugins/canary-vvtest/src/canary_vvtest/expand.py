"""From checked directives to jobs: families, rows of parameters, IDs, the composite base case.

Called for every file of every run. Nothing here reads a file or asks the machine. Names and IDs
show parameters as the file wrote them; the parameters themselves are numbers where it says so.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from canary.errors import SpecError
from canary.frozen import EMPTY, FrozenDict
from canary.scope import Entry, Scope
from canary.spec import DependencyPattern, ExpandContext, JobSpec, SpecFile, job_id
from canary_vvtest.attributes import base_case_fields, fields_of, fixed_resources
from canary_vvtest.digest import Data
from canary_vvtest.parameters import RESOURCES, Value


class Row(NamedTuple):
    """The parameters of a job: values, their texts in names and in IDs, and what it waits for."""

    values: Mapping[str, Value] = EMPTY
    texts: Mapping[str, str] = EMPTY
    identity: Mapping[str, str | float] = EMPTY
    patterns: tuple[str, ...] = ()


def expand(file: SpecFile, data: Data, context: ExpandContext) -> list[JobSpec]:
    """Make all jobs of a file; SpecError with file and line if that cannot be done."""
    families = data.get("testname")
    if families is None:
        base = file.path.rpartition("/")[2]
        stem, dot, _ = base.rpartition(".")
        families = ((0, stem if dot and stem else base),)
    repository = context.repository(file.file)
    specs: list[JobSpec] = []
    for _, family in families:
        specs += _family(Scope(file, data, context, family), repository)
    if len(specs) > 1 and len({spec.id for spec in specs}) < len(specs):
        raise _same_id(Scope(file, data, context, ""), specs)
    return specs


def _family(scope: Scope, repository: str) -> list[JobSpec]:
    data = scope.data
    groups = list(scope.active("parameterize")) if "parameterize" in data else []
    rows = _product(groups)
    fields = fixed = None
    if not data.get("dynamic"):
        fixed = fixed_resources(scope, rows[0].values)
        fields = fields_of(scope, fixed)
    specs = [_job(scope, repository, row, fields, fixed) for row in rows]
    if "composite" in data:
        base_scope = scope.of_base_case(tuple(rows[0].values))
        composite = base_scope.last("composite")
        if composite is not None:
            specs.append(_base_case(base_scope, repository, composite, groups, specs))
    return specs


def _product(groups: Sequence[Entry]) -> list[Row]:
    """All combinations, in the order of the file; the later value of a name counts."""
    if not groups:
        return [Row()]
    if len(groups) == 1:
        _, _, keys, table = groups[0]
        return [_row(keys, *parts) for parts in table]
    flat = itertools.chain.from_iterable
    keys = tuple(flat(entry[2] for entry in groups))
    combined = itertools.product(*(entry[3] for entry in groups))
    return [_row(keys, *map(tuple, map(flat, zip(*rows, strict=True)))) for rows in combined]


def _row(
    keys: tuple[str, ...],
    values: tuple[Value, ...],
    texts: tuple[str, ...],
    identity: tuple[str | float, ...],
    patterns: tuple[str, ...],
) -> Row:
    shown = dict(zip(keys, texts, strict=True))
    exact = shown if identity is texts else dict(zip(keys, identity, strict=True))
    return Row(FrozenDict(zip(keys, values, strict=True)), shown, exact, patterns)


def _job(
    scope: Scope,
    repository: str,
    row: Row,
    fields: Mapping[str, Any] | None,
    fixed: Mapping[str, int] | None,
) -> JobSpec:
    """One job; `fields` and `fixed` if they do not depend on its parameters."""
    own = scope
    if fields is None or fixed is None:
        own = scope.of(row.values, row.texts)
        fixed = fixed_resources(own, row.values)
        own.add({kind: str(count) for kind, count in fixed.items()})
        fields = fields_of(own, fixed)
    fields = dict(fields)
    wanted = {RESOURCES[k]: v for k, v in row.values.items() if k in RESOURCES}
    if wanted:
        wanted = {kind: v for kind, v in wanted.items() if kind not in row.values}
        fields["meta_parameters"] = FrozenDict({**fields["meta_parameters"], **wanted})
    if row.patterns:
        line = _first_line(scope)
        more = (DependencyPattern(pattern, line=line) for pattern in row.patterns)
        fields["dependencies"] = (*fields.get("dependencies", ()), *more)
    explicit = own.explicit_id() if "set_id" in scope.data else None
    return JobSpec(
        id=explicit or job_id(scope.family, repository, {**row.identity, **fixed}),
        name=".".join([scope.family, *(f"{k}={row.texts[k]}" for k in sorted(row.texts))]),
        parameters=row.values,
        **fields,
    )


def _first_line(scope: Scope) -> int:
    place = scope.data["parameterize"][0][1]
    return int(place[0] if isinstance(place, tuple) else place)


def _base_case(
    scope: Scope,
    repository: str,
    composite: Entry,
    groups: Sequence[Entry],
    specs: Sequence[JobSpec],
) -> JobSpec:
    """The job without parameters that waits for all others of the family."""
    _, place, flag, script, requires = composite
    if not groups:
        hint = "it runs after the jobs that parameterize makes"
        raise scope.wrong("a composite base case needs parameters", place, hint=hint)
    children = tuple(spec.id for spec in specs)
    line = place[0] if isinstance(place, tuple) else place
    pattern = children[0] if len(children) == 1 else f"{scope.family}.*"
    waits = DependencyPattern(pattern, requires, len(children), line, children)
    # as JSON keeps them: lists, not tuples
    paramsets = [{"keys": list(g[2]), "values": [list(row[0]) for row in g[3]]} for g in groups]
    fields = base_case_fields(scope, place, flag, script)
    fields["attributes"] = FrozenDict(
        {**fields["attributes"], "multicase": True, "paramsets": paramsets}
    )
    keys = tuple(key for group in groups for key in group[2])
    explicit = scope.of_base_case(keys, "").explicit_id() if "set_id" in scope.data else None
    id = explicit or job_id(scope.family, repository, EMPTY)
    return JobSpec(id=id, name=scope.family, dependencies=(waits,), **fields)


def _same_id(scope: Scope, specs: Sequence[JobSpec]) -> SpecError:
    seen: set[str] = set()
    twin = specs[-1]
    for spec in specs:
        if spec.id in seen:
            twin = spec
            break
        seen.add(spec.id)
    places = [entry[1] for entry in scope.data.get("set_id", ())]
    places += [place for place, _ in scope.data.get("testname", ())]
    again, keys = "", set[str]()
    for _, place, names, _ in scope.data.get("parameterize", ()):
        if keys.intersection(names):
            again = f": {', '.join(sorted(keys.intersection(names)))} is given twice"
            places.append(place)
        keys.update(names)
    hint = "names, parameters or set_id must tell them apart"
    return scope.wrong(
        f"two jobs {twin.name!r} with the same ID{again}", places[-1] if places else 1, hint=hint
    )
