"""From ctest's rows to `JobSpec`s: names, parameters, limits, and what is left for the hooks to do.

Pure: nothing is read but the rows. The attributes of a spec keep what hooks need while it runs.
"""

from __future__ import annotations

import glob
import json
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from canary.frozen import FrozenDict
from canary.spec import (
    UNMASKED,
    Artifact,
    ExpandContext,
    JobSpec,
    Mask,
    SpecFile,
    job_id,
    job_name,
)
from canary_ctest import measures, watch
from canary_ctest.depends import Fixtures
from canary_ctest.environment import variables
from canary_ctest.groups import groups_of, pieces, totals

NAME: Final = "ctest"
# what is given a COST starts before all that is not, however long that may take
DEARER: Final = 1e6
GENERATED_LOCK: Final = "ctest resources of "

_CPUS: Final = re.compile(r"-(?:n|np|c)=?(\d+)|--np=(\d+)")
_FLAGS: Final = frozenset({"-n", "-np", "-c", "--np"})
_NOT_FOUND: Final = "ctest finds no program to run for it: not built, or --ctest-config is missing"


@dataclass(frozen=True, slots=True)
class Test:
    """A row with its identity. `name` has all parameters, `parameters` only those that canary
    assigns."""

    row: Mapping[str, Any]
    id: str
    name: str
    parameters: Mapping[str, Any]
    cpus: int | None
    groups: Sequence[Sequence[Mapping[str, Any]]]

    @property
    def properties(self) -> Mapping[str, Any]:
        """Those of ctest."""
        properties: Mapping[str, Any] = self.row["properties"]
        return properties


def expand(
    file: SpecFile, rows: Sequence[Mapping[str, Any]], context: ExpandContext, limit: float | None
) -> list[JobSpec]:
    """All tests as specs, in ctest's order; `limit` is the timeout of those that set none."""
    generated = next(
        (g for row in rows if (g := row["properties"].get("GENERATED_RESOURCE_SPEC_FILE"))), None
    )
    repository = _remembered(context.repository)
    taken: set[str] = set()
    tests = [_test(row, repository, taken, generated) for row in rows]
    fixtures = Fixtures(rows)
    ids = [test.id for test in tests]
    maker = _Maker(file, context, limit, generated)
    return [maker.spec(test, fixtures.patterns(i, ids)) for i, test in enumerate(tests)]


def _remembered(repository: Callable[[str], str]) -> Callable[[str], str]:
    known: dict[str, str] = {}

    def ask(path: str) -> str:
        if path not in known:
            known[path] = repository(path)
        return known[path]

    return ask


def _test(
    row: Mapping[str, Any], repository: Callable[[str], str], taken: set[str], generated: str | None
) -> Test:
    properties = row["properties"]
    family = row["name"]
    groups = groups_of(properties.get("RESOURCE_GROUPS"))
    wanted = totals(groups)
    cpus = properties.get("PROCESSORS") or cpus_of(row["command"] or ())
    named: dict[str, Any] = dict(wanted)
    if cpus is not None:
        named["cpus"] = max(int(cpus), wanted.get("cpus", 0))
    path = repository(row["file"])
    id = job_id(family, path, named if "cpus" in named else {**named, "cpus": 1})
    number = 1
    while id in taken:
        # two tests of one name in one directory: ctest runs both
        number += 1
        id = job_id(family, f"{path}#{number}", named)
    taken.add(id)
    # what a job of the tree itself finds out is not canary's to assign
    ours = {k: v for k, v in named.items() if k == "cpus"} if generated else named
    return Test(row, id, job_name(family, named), ours, named.get("cpus"), groups)


def cpus_of(command: Sequence[str]) -> int | None:
    """The N of `-n N`, `-np N`, `-c N`, `-nN`, `-npN`, `--np N`, `--np=N` in a command, if any."""
    for i, word in enumerate(command):
        found = _CPUS.fullmatch(word)
        if found:
            return int(found[1] or found[2]) or None
        if word in _FLAGS and i + 1 < len(command) and command[i + 1].isdecimal():
            return int(command[i + 1]) or None
    return None


class _Maker:
    """Makes the specs of one tree."""

    def __init__(
        self, file: SpecFile, context: ExpandContext, limit: float | None, generated: str | None
    ) -> None:
        self.file = file
        self.context = context
        self.limit = limit
        self.generated = generated
        self.tree = os.path.dirname(file.file)

    def spec(self, test: Test, dependencies: tuple[Any, ...]) -> JobSpec:
        """One test as a spec."""
        row, properties = test.row, test.properties
        keywords = tuple(dict.fromkeys((NAME, *(properties.get("LABELS") or ()))))
        timeout = self._timeout(properties, keywords)
        command, outer = watched(row["command"] or (), properties, timeout)
        meta: dict[str, Any] = {"runtime": timeout}
        if test.cpus is None:
            meta["cpus"] = 1
        return JobSpec(
            file_root=self.file.root,
            file_path=row["file"][len(self.file.root.rstrip("/")) + 1 :],
            id=test.id,
            family=row["name"],
            name=test.name,
            command=tuple(command),
            generator=NAME,
            parameters=FrozenDict(test.parameters),
            meta_parameters=FrozenDict(meta),
            keywords=keywords,
            timeout=outer,
            timeout_explicit="TIMEOUT" in properties,
            exclusive=bool(properties.get("RUN_SERIAL")),
            dependencies=dependencies,
            artifacts=_artifacts(properties),
            attributes=FrozenDict(self._attributes(test)),
            environment=FrozenDict(variables(properties.get("ENVIRONMENT") or ())),
            stage_file=False,
            options=FrozenDict(affinity=True) if properties.get("PROCESSOR_AFFINITY") else _NONE,
            cwd=row["directory"],
            takes_args=False,
            locks=self._locks(test),
            pieces=self._pieces(test),
            weight=_weight(properties.get("COST")),
            renew="FIXTURES_SETUP" in properties,
            mask=_mask(row),
        )

    def _timeout(self, properties: Mapping[str, Any], keywords: Sequence[str]) -> float:
        if "TIMEOUT" in properties:
            return float(properties["TIMEOUT"])
        return self.limit if self.limit is not None else self.context.timeout_for(keywords)

    def _locks(self, test: Test) -> tuple[str, ...]:
        locks = list(test.properties.get("RESOURCE_LOCK") or ())
        if self.generated and test.groups:
            # the slots are known to a test of the tree and not to the pool: one user at a time
            locks.append(GENERATED_LOCK + self.generated)
        return tuple(dict.fromkeys(locks))

    def _pieces(self, test: Test) -> Mapping[str, tuple[int, ...]]:
        found = pieces(test.groups)
        return FrozenDict({t: x for t, x in found.items() if sum(x) == test.parameters.get(t)})

    def _attributes(self, test: Test) -> dict[str, Any]:
        row, properties = test.row, test.properties
        out: dict[str, Any] = {
            "will_fail": bool(properties.get("WILL_FAIL")),
            "ctestfile": row["file"],
            "ctest_working_directory": row["directory"],
            "binary_dir": os.path.dirname(row["file"]),
            "ctest_command": row["command"] or [],
            "ctest_exec_dir": row["directory"],
            "resource_groups": test.groups,
            "required_files": properties.get("REQUIRED_FILES") or [],
            "skip_return_code": properties.get("SKIP_RETURN_CODE"),
            "fixtures": {
                kind: properties.get(f"FIXTURES_{kind.upper()}") or []
                for kind in ("cleanup", "required", "setup")
            },
        }
        for kind in ("pass", "fail", "skip"):
            key = f"{kind}_regular_expression"
            out[key] = properties.get(key.upper())
        changes = properties.get("ENVIRONMENT_MODIFICATION")
        if changes:
            out["environment_modification"] = changes
        measured = properties.get("MEASUREMENT")
        if measured:
            out["measurement"] = {m["measurement"]: m["value"] for m in measured}
        attached = {
            when: files
            for when, files in (
                ("always", properties.get("ATTACHED_FILES")),
                ("on_failure", properties.get("ATTACHED_FILES_ON_FAIL")),
            )
            if files
        }
        if attached:
            out["attached_files"] = attached
        if self.generated and test.groups:
            out["resource_spec_file"] = os.path.join(self.tree, self.generated)
        if test.properties.keys() & _WATCHED:
            out["watched"] = True
        return out


_NONE: Final[FrozenDict[str, Any]] = FrozenDict()
_WATCHED: Final = frozenset({"TIMEOUT_AFTER_MATCH", "TIMEOUT_SIGNAL_NAME"})


def _mask(row: Mapping[str, Any]) -> Mask:
    if row["properties"].get("DISABLED"):
        return Mask(True, "its property DISABLED is set")
    return UNMASKED if row["command"] else Mask(True, _NOT_FOUND)


def _weight(cost: float | None) -> float | None:
    if not cost:
        return None
    return DEARER + cost if cost > 0 else float(cost)


def _artifacts(properties: Mapping[str, Any]) -> tuple[Artifact, ...]:
    always = properties.get("ATTACHED_FILES") or ()
    failed = properties.get("ATTACHED_FILES_ON_FAIL") or ()
    names = measures.names((*always, *failed))
    return tuple(
        Artifact(f"{measures.ATTACHED}/{glob.escape(names[path])}", when)
        for paths, when in ((always, "always"), (failed, "on_failure"))
        for path in paths
    )


def watched(
    command: Sequence[str], properties: Mapping[str, Any], timeout: float
) -> tuple[Sequence[str], float]:
    """The command, and canary's own limit in seconds, of a test.

    A limit that the output changes, or that comes with a signal, is watched by a program beside the
    test; canary's is then the longest that this may take.
    """
    if not command or not properties.keys() & _WATCHED:
        return command, timeout
    limits: dict[str, Any] = {"timeout": timeout if timeout > 0 else None}
    longest = max(timeout, 0.0)
    match = properties.get("TIMEOUT_AFTER_MATCH")
    if match:
        limits |= {"after": float(match["timeout"]), "match": match["regex"]}
        longest += limits["after"]
    name = properties.get("TIMEOUT_SIGNAL_NAME")
    if name:
        grace = properties.get("TIMEOUT_SIGNAL_GRACE_PERIOD")
        limits |= {"signal": name, "grace": 1.0 if grace is None else float(grace)}
        longest += limits["grace"]
    # a test that may take for ever before the match has no limit that is known beforehand
    outer = longest + 1.0 if limits["timeout"] else 0.0
    return (sys.executable, "-I", "-S", watch.__file__, json.dumps(limits), *command), outer
