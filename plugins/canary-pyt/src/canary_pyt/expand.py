"""From checked directives to jobs: families, rows of parameters, IDs, the composite base case.

Called for every file of every run, so the usual file (nothing depends on parameters) decides
everything once and then only names its rows. Nothing here reads a file or asks the machine.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from canary.errors import SpecError
from canary.frozen import EMPTY, FrozenDict
from canary.scope import Entry, Scope
from canary.spec import (
    DependencyPattern,
    ExpandContext,
    JobSpec,
    SpecFile,
    job_id,
    job_name,
    maker,
    parameter_text,
)
from canary_pyt.attributes import base_case_fields, fields_of, fixed_resources
from canary_pyt.digest import Data
from canary_pyt.spaces import Row, Value

# what a job can ask for at least
LEAST: Final[Mapping[str, int]] = MappingProxyType({"cpus": 1, "gpus": 0, "nodes": 1})


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
    if len({spec.id for spec in specs}) < len(specs):
        raise _same_id(file, data, specs)
    return specs


def _family(scope: Scope, repository: str) -> list[JobSpec]:
    data = scope.data
    groups = list(scope.active("parameterize")) if "parameterize" in data else []
    keys, rows = _product(groups)
    for key in keys:
        if key in LEAST:
            _check_counts(scope, key, groups)
    if data.get("dynamic"):
        specs = [_one(scope, FrozenDict(zip(keys, row, strict=True)), repository) for row in rows]
    else:
        fixed = fixed_resources(scope, keys)
        make = maker(fields_of(scope, fixed))
        specs = _rows(make, f"{scope.family}{repository}", scope.family, keys, rows, fixed)
    if "composite" in data:
        base_scope = scope.of_base_case(keys)
        composite = base_scope.last("composite")
        if composite is not None:
            specs.append(_base_case(base_scope, repository, composite, groups, keys, specs))
    return specs


def _product(groups: Sequence[Entry]) -> tuple[tuple[str, ...], Sequence[Row]]:
    """All combinations, in call order; a name that is given twice has its later value.

    A group without rows leaves nothing to combine, which makes one job without parameters.
    """
    if not groups:
        return (), ((),)
    tables = [entry[3] for entry in groups]
    if not all(tables):
        return (), ((),)
    if len(groups) == 1:
        return groups[0][2], tables[0]
    keys = tuple(itertools.chain.from_iterable(entry[2] for entry in groups))
    rows = [tuple(itertools.chain.from_iterable(rows)) for rows in itertools.product(*tables)]
    if len(set(keys)) == len(keys):
        return keys, rows
    merged = [dict(zip(keys, row, strict=True)) for row in rows]
    return tuple(merged[0]), [tuple(m.values()) for m in merged]


def _check_counts(scope: Scope, key: str, groups: Sequence[Entry]) -> None:
    for _, line, keys, rows in groups:
        if key in keys:
            i = keys.index(key)
            for row in rows:
                value = row[i]
                least = LEAST[key]
                if isinstance(value, bool) or not isinstance(value, int) or value < least:
                    hint = f"it says how many {key} the job wants"
                    text = f"{key}={value!r} is no whole number from {least}"
                    raise scope.wrong(text, line, hint=hint)


def _rows(
    make: Callable[..., JobSpec],
    base: str,
    family: str,
    keys: tuple[str, ...],
    rows: Sequence[Row],
    fixed: Mapping[str, Value],
) -> list[JobSpec]:
    """A job for each row: the name of `job_name` and the ID of `job_id` at a third of their cost.

    `base` is what the ID begins with.
    """
    seed = hashlib.sha256(base.encode(errors="surrogateescape"))
    specs: list[JobSpec] = []
    if len(keys) == 1 and not fixed:
        (key,) = keys
        head = f"{family}.{key}="
        for (value,) in rows:
            shown, exact = _texts(value)
            digest = seed.copy()
            digest.update(f"{key}={exact}".encode(errors="surrogateescape"))
            specs.append(make(digest.hexdigest(), head + shown, FrozenDict({key: value})))
        return specs
    # by name: the position in the row of each parameter, or the text of a fixed resource
    places = [(k, i, "") for i, k in enumerate(keys)]
    places = sorted(places + [(k, -1, f"{k}={v}") for k, v in fixed.items()])
    for row in rows:
        name, identity = family, ""
        for key, i, text in places:
            if i < 0:
                identity += text
            else:
                shown, exact = _texts(row[i])
                name += f".{key}={shown}"
                identity += f"{key}={exact}"
        digest = seed.copy()
        digest.update(identity.encode(errors="surrogateescape"))
        params = FrozenDict(zip(keys, row, strict=True)) if keys else EMPTY
        specs.append(make(digest.hexdigest(), name, params))
    return specs


def _texts(value: Value) -> tuple[str, str]:
    """A value as names show it, and as IDs count it."""
    kind = type(value)
    if kind is str:
        return value, value  # type: ignore[return-value]  # it is a str
    if kind is float:
        return f"{value:g}", f"{value:.16e}"
    text = str(int(value))
    return text, text


def _one(family: Scope, parameters: Mapping[str, Value], repository: str) -> JobSpec:
    """A job for which something depends on its parameters."""
    scope = family.of(parameters, _shown(parameters))
    fixed = fixed_resources(scope, parameters)
    scope.add(_shown(fixed))
    id = scope.explicit_id() or job_id(scope.family, repository, {**parameters, **fixed})
    name = job_name(scope.family, parameters)
    return JobSpec(id=id, name=name, parameters=parameters, **fields_of(scope, fixed))


def _shown(values: Mapping[str, Value]) -> dict[str, str]:
    return {key: parameter_text(value) for key, value in values.items()}


def _base_case(
    scope: Scope,
    repository: str,
    composite: Entry,
    groups: Sequence[Entry],
    keys: tuple[str, ...],
    specs: Sequence[JobSpec],
) -> JobSpec:
    """The job without parameters that waits for all others of the family."""
    _, line, flag, script, requires = composite
    if not keys:
        hint = "it runs after the jobs that parameterize makes"
        raise scope.wrong("a composite base case needs parameters", line, hint=hint)
    children = tuple(spec.id for spec in specs)
    pattern = " ".join(children) if len(children) == 1 else f"{scope.family}.*"
    waits = DependencyPattern(pattern, requires, len(children), line, children)
    # as JSON keeps them: lists, not tuples
    paramsets = [{"keys": list(g[2]), "values": [list(row) for row in g[3]]} for g in groups]
    fields = base_case_fields(scope, line, flag, script)
    fields["attributes"] = {**fields["attributes"], "multicase": True, "paramsets": paramsets}
    id = scope.of_base_case(keys, "").explicit_id() or job_id(scope.family, repository, {})
    return JobSpec(id=id, name=scope.family, dependencies=(waits,), **fields)


def _same_id(file: SpecFile, data: Data, specs: Sequence[JobSpec]) -> SpecError:
    seen: set[str] = set()
    twin = next(s for s in specs if s.id in seen or seen.add(s.id))  # type: ignore[func-returns-value]  # None, false
    keys: set[str] = set()
    again: set[str] = set()
    line = 1
    for entry in data.get("parameterize", ()):
        again.update(keys.intersection(entry[2]))
        keys.update(entry[2])
        line = entry[1] if again else line
    hint = "give the two parameterize conditions that exclude each other"
    if not again:
        lines = [row[0] for row in data.get("testname", ())]
        lines += [entry[1] for entry in data.get("set_id", ())]
        line = max(lines, default=1)
        hint = "names, parameters or set_id must tell them apart"
    what = f": {', '.join(sorted(again))} is given twice" if again else ""
    text = f"two jobs {twin.name!r} with the same ID{what}"
    return SpecError(text, hint=hint, file=file.file, line=line)
