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

from canary.frozen import EMPTY, FrozenDict
from canary.spec import Artifact, ExpandContext, JobSpec, Mask, SpecFile, job_id, job_name, maker
from canary_ctest import expressions, measures, watch
from canary_ctest.depends import Fixtures
from canary_ctest.environment import variables
from canary_ctest.groups import groups_of, pieces, totals
from canary_ctest.names import NAME

# what is given a COST starts before all that is not, however long that may take
DEARER: Final = 1e6
GENERATED_LOCK: Final = "ctest resources of "

_CPUS: Final = re.compile(r"-(?:n|np|c)=?(\d+)|--np=(\d+)")
_FLAGS: Final = frozenset({"-n", "-np", "-c", "--np"})


@dataclass(frozen=True, slots=True)
class Test:
    """A row with its identity. `name` has all parameters, `parameters` only those that canary
    assigns."""

    row: Mapping[str, Any]
    kind: _Kind
    id: str
    name: str
    parameters: Mapping[str, Any]
    cpus: int | None


def expand(
    file: SpecFile, rows: Sequence[Mapping[str, Any]], context: ExpandContext, limit: float | None
) -> list[JobSpec]:
    """All tests as specs, in ctest's order; `limit` is the timeout of those that set none."""
    generated = next(
        (g for row in rows if (g := row["properties"].get("GENERATED_RESOURCE_SPEC_FILE"))), None
    )
    tree = _Tree(file, context, limit, generated)
    tests = [tree.test(row) for row in rows]
    fixtures = Fixtures(rows)
    ids = [test.id for test in tests]
    return [tree.spec(test, fixtures.patterns(i, ids)) for i, test in enumerate(tests)]


def cpus_of(command: Sequence[str]) -> int | None:
    """The N of `-n N`, `-np N`, `-c N`, `-nN`, `-npN`, `--np N`, `--np=N` in a command, if any."""
    for i, word in enumerate(command):
        found = _CPUS.fullmatch(word)
        if found:
            return int(found[1] or found[2]) or None
        if word in _FLAGS and i + 1 < len(command) and command[i + 1].isdecimal():
            return int(command[i + 1]) or None
    return None


class _Kind:
    """What the properties of a test say, whichever test has them."""

    def __init__(
        self,
        properties: Mapping[str, Any],
        context: ExpandContext,
        limit: float | None,
        generated: str | None,
    ) -> None:
        self.properties = properties
        self.groups = groups_of(properties.get("RESOURCE_GROUPS"))
        self.totals = totals(self.groups)
        self.keywords = tuple(dict.fromkeys((NAME, *(properties.get("LABELS") or ()))))
        if "TIMEOUT" in properties:
            self.timeout = float(properties["TIMEOUT"])
        else:
            self.timeout = context.timeout_for(self.keywords) if limit is None else limit
        self.meta = FrozenDict(runtime=self.timeout)
        self.meta_of_one = FrozenDict(runtime=self.timeout, cpus=1)
        self.disabled = bool(properties.get("DISABLED"))
        self.watched = bool(properties.keys() & _WATCHED)
        # the slots are known to a test of the tree and not to the pool: one user at a time
        self.generated = generated if self.groups else None

    def fields(self) -> dict[str, Any]:
        """Those of a spec that are the same for all tests of the kind."""
        properties = self.properties
        locks = list(properties.get("RESOURCE_LOCK") or ())
        if self.generated:
            locks.append(GENERATED_LOCK + self.generated)
        return {
            "generator": NAME,
            "keywords": self.keywords,
            "timeout": self.timeout,
            "timeout_explicit": "TIMEOUT" in properties,
            "exclusive": bool(properties.get("RUN_SERIAL")),
            "artifacts": _artifacts(properties),
            "environment": FrozenDict(variables(properties.get("ENVIRONMENT") or ())),
            "stage_file": False,
            "options": _BOUND if properties.get("PROCESSOR_AFFINITY") else EMPTY,
            "takes_args": False,
            "locks": tuple(dict.fromkeys(locks)),
            "weight": _weight(properties.get("COST")),
            "renew": "FIXTURES_SETUP" in properties,
        }

    def attributes(self) -> dict[str, Any]:
        """What hooks need while the test runs; that of a single test is still None."""
        properties = self.properties
        out: dict[str, Any] = {
            "will_fail": bool(properties.get("WILL_FAIL")),
            "ctestfile": None,
            "ctest_working_directory": None,
            "binary_dir": None,
            "ctest_command": None,
            "ctest_exec_dir": None,
            "resource_groups": self.groups,
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
        fault = expressions.fault(properties)
        if fault:
            out["fault"] = fault
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
        return out


class _Tree:
    """Makes the specs of one tree."""

    def __init__(
        self, file: SpecFile, context: ExpandContext, limit: float | None, generated: str | None
    ) -> None:
        self.file = file
        self.context = context
        self.limit = limit
        self.generated = generated
        self.root = os.path.dirname(file.file)
        self.taken: set[str] = set()
        # by the identity of the properties, which tests may share
        self._kinds: dict[int, _Kind] = {}
        self._makers: dict[int, tuple[Callable[..., JobSpec], dict[str, Any]]] = {}
        self._files: dict[str, tuple[str, str, str]] = {}

    def test(self, row: Mapping[str, Any]) -> Test:
        """A test with the identity that the older tool gave it."""
        properties = row["properties"]
        kind = self._kinds.get(id(properties))
        if kind is None:
            kind = _Kind(properties, self.context, self.limit, self.generated)
            self._kinds[id(properties)] = kind
        family = row["name"]
        wanted = kind.totals
        cpus = properties.get("PROCESSORS") or cpus_of(row["command"] or ())
        named: dict[str, Any] = dict(wanted)
        if cpus is not None:
            named["cpus"] = max(int(cpus), wanted.get("cpus", 0))
        path, _, _ = self._places(row["file"])
        identity = job_id(family, path, named if "cpus" in named else {**named, "cpus": 1})
        number = 1
        while identity in self.taken:
            # two tests of one name in one directory: ctest runs both
            number += 1
            identity = job_id(family, f"{path}#{number}", named)
        self.taken.add(identity)
        if not named:
            return Test(row, kind, identity, family, EMPTY, None)
        # what a job of the tree itself finds out is not canary's to assign
        ours = {k: v for k, v in named.items() if k == "cpus"} if self.generated else named
        name = job_name(family, named)
        return Test(row, kind, identity, name, FrozenDict(ours), named.get("cpus"))

    def _places(self, file: str) -> tuple[str, str, str]:
        """Of a test file: its path in the repository, that from the root, its directory."""
        found = self._files.get(file)
        if found is None:
            below = file[len(self.file.root.rstrip("/")) + 1 :]
            found = self.context.repository(file), below, os.path.dirname(file)
            self._files[file] = found
        return found

    def spec(self, test: Test, dependencies: tuple[Any, ...]) -> JobSpec:
        """One test as a spec."""
        row, kind = test.row, test.kind
        known = self._makers.get(id(kind))
        if known is None:
            common = {**kind.fields(), "file_root": self.file.root}
            known = self._makers[id(kind)] = maker(common), kind.attributes()
        make, shared = known
        command = row["command"] or []
        _, below, directory = self._places(row["file"])
        attributes = {
            **shared,
            "ctestfile": row["file"],
            "ctest_working_directory": row["directory"],
            "binary_dir": directory,
            "ctest_command": command,
            "ctest_exec_dir": row["directory"],
        }
        others: dict[str, Any] = {}
        if kind.generated:
            attributes["resource_spec_file"] = os.path.join(self.root, kind.generated)
        if kind.watched and "fault" not in shared:
            attributes["watched"] = True
            command, others["timeout"] = watched(command, kind.properties, kind.timeout)
        if kind.groups:
            others["pieces"] = _pieces(test)
        if kind.disabled:
            others["mask"] = _DISABLED
        return make(
            test.id,
            test.name,
            test.parameters,
            file_path=below,
            family=row["name"],
            command=tuple(command),
            meta_parameters=kind.meta_of_one if test.cpus is None else kind.meta,
            dependencies=dependencies,
            attributes=FrozenDict(attributes),
            cwd=row["directory"],
            **others,
        )


def _pieces(test: Test) -> Mapping[str, tuple[int, ...]]:
    found = pieces(test.kind.groups)
    return FrozenDict({t: x for t, x in found.items() if sum(x) == test.parameters.get(t)})


_BOUND: Final[FrozenDict[str, Any]] = FrozenDict(affinity=True)
_WATCHED: Final = frozenset({"TIMEOUT_AFTER_MATCH", "TIMEOUT_SIGNAL_NAME"})
_DISABLED: Final = Mask(True, "its property DISABLED is set")


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
        texts = [expressions.translated(text) for text in match["regex"]]
        limits |= {"after": float(match["timeout"]), "match": texts}
        longest += limits["after"]
    name = properties.get("TIMEOUT_SIGNAL_NAME")
    if name:
        grace = properties.get("TIMEOUT_SIGNAL_GRACE_PERIOD")
        limits |= {"signal": name, "grace": 1.0 if grace is None else float(grace)}
        longest += limits["grace"]
    # a test that may take for ever before the match has no limit that is known beforehand
    outer = longest + 1.0 if limits["timeout"] else 0.0
    return (sys.executable, "-I", "-S", watch.__file__, json.dumps(limits), *command), outer
