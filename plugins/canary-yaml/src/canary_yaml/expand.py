"""From checked tables to jobs: combinations of parameters, and texts with their values in them.

Called for every file of every run. Nothing here reads a file or asks the machine.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from canary.expression import substitute
from canary.frozen import EMPTY, FrozenDict
from canary.options import closest
from canary.spec import (
    Artifact,
    Asset,
    Baseline,
    DependencyPattern,
    ExpandContext,
    JobSpec,
    SpecFile,
    job_id,
    job_name,
    maker,
    parameter_text,
)
from canary_yaml import kinds
from canary_yaml.place import KnownLines, Place
from canary_yaml.schema import ATTRIBUTE, one_group

_OTHER_DOLLARS: Final = re.compile(r"\$(?!\{)")
_NAMES: Final = re.compile(r"\$\{(\w+)\}")
# names that are no number
_OURS: Final = ("family", "name", "source_dir")


def expand(file: SpecFile, data: Mapping[str, Any], context: ExpandContext) -> list[JobSpec]:
    """Make all jobs of a file; SpecError with file and line if that cannot be done."""
    repository = context.repository(file.file)
    specs: list[JobSpec] = []
    for test in data["tests"]:
        known: set[str] = set()
        # the values of parameters can be in nothing but its texts, all of which `str` shows
        alike = "${" not in str(test)
        make = None
        for parameters in _combinations(test.get("parameters", ())):
            if make is None or not alike:
                job = _Job(file, test, parameters)
                make = maker(job.fields(context))
            id = job_id(test["name"], repository, parameters)
            name = job_name(test["name"], parameters)
            if id in known or name in known:
                hint = "names show six digits, and true as 1: write such values as texts"
                raise job.place("parameters").wrong(f"two jobs {name!r}", hint)
            known.update((id, name))
            specs.append(make(id, name, FrozenDict(parameters)))
    return specs


def _combinations(groups: Any) -> Iterator[dict[str, Any]]:
    keys = [key for group in groups for key in group["keys"]]
    for rows in itertools.product(*(group["rows"] for group in groups)):
        yield dict(zip(keys, itertools.chain.from_iterable(rows), strict=True))


class _Job:
    """One test with one set of parameters."""

    def __init__(
        self, file: SpecFile, test: Mapping[str, Any], parameters: Mapping[str, Any]
    ) -> None:
        self.file, self.test, self.parameters = file, test, parameters
        self.names = {
            "family": test["name"],
            "name": job_name(test["name"], parameters),
            "source_dir": file.file.rpartition("/")[0],
        }
        self.names.update((k, parameter_text(v)) for k, v in parameters.items())
        self.resources = self._resources()
        self.names.update((k, str(v)) for k, v in self.resources.items())

    def place(self, *path: str | int, line: int | None = None) -> Place:
        """A part of the test; the test's own line, if no other is known."""
        where = ("tests", self.test["name"], *path)
        return Place(self.file.file, KnownLines({where[:2]: line or self.test["line"]}), where)

    def text(self, text: str) -> str:
        """A text with `${name}` replaced; any other dollar sign stays, it may be the shell's."""
        if "${" not in text:
            return text
        return substitute(_OTHER_DOLLARS.sub("$$", text), self.names)

    def _known(self, text: str, place: Place) -> str:
        """A text that is to become a number, with `${name}` replaced; every name must be known."""
        for name in _NAMES.findall(text):
            if name not in self.names:
                known = [n for n in self.names if n not in _OURS]
                there = f"there are {', '.join(known)}" if known else "the test has none"
                raise place.wrong(f"no parameter {name}", closest(name, known) or there)
        return self.text(text)

    def _resources(self) -> dict[str, int]:
        out = {}
        for kind, wanted in self.test.get("resources", EMPTY).items():
            place = self.place("resources", kind)
            if kind in self.parameters:
                raise place.wrong(f"{kind} is a parameter, too", "say it once")
            if isinstance(wanted, str):
                number = self._known(wanted, place)
                if not number.isdecimal():
                    raise place.wrong(f"{wanted!r} becomes {number!r}, which is no whole number")
                wanted = int(number)
            out[kind] = wanted
        return out

    def fields(self, context: ExpandContext) -> dict[str, Any]:
        """All of the job but ID, name and parameters."""
        test, text = self.test, self.text
        keywords = tuple(map(text, test.get("keywords", ())))
        timeout = test.get("timeout")
        limit = context.timeout_for(keywords) if timeout is None else timeout
        command = test["command"]
        shell = isinstance(command, str)
        words = ("/bin/sh", "-ec", command) if shell else command
        environment = {
            k: v if v is None else text(v) for k, v in test.get("environment", EMPTY).items()
        }
        return {
            "file_root": self.file.root,
            "file_path": self.file.path,
            "family": test["name"],
            "command": tuple(map(text, words)),
            "generator": self.file.generator,
            "meta_parameters": FrozenDict({**self.resources, "runtime": limit}),
            "keywords": tuple(dict.fromkeys(keywords)),
            "owners": tuple(test.get("owners", ())),
            "timeout": limit,
            "timeout_explicit": timeout is not None,
            "xstatus": test.get("expect", 0),
            "exclusive": test.get("exclusive", False),
            "dependencies": self._dependencies(),
            "assets": tuple(
                Asset(text(src), dst if dst is None else text(dst), action)
                for src, dst, action in test.get("assets", ())
            ),
            "artifacts": tuple(Artifact(text(p), when) for p, when in test.get("artifacts", ())),
            "baseline": tuple(
                Baseline(flag=flag) if flag else Baseline(text(src), text(dst))
                for src, dst, flag in test.get("baseline", ())
            ),
            "attributes": self._attributes(),
            "environment": FrozenDict(environment),
            "options": FrozenDict(test["launcher"]) if "launcher" in test else EMPTY,
            "skip_codes": tuple(test.get("skip_codes", (80,))),
            "stage_file": False,
            "takes_args": not shell,
        }

    def _dependencies(self) -> tuple[DependencyPattern, ...]:
        return tuple(
            DependencyPattern(
                self.text(d["job"]), d.get("when", "on_success"), d.get("expects", "+"), d["line"]
            )
            for d in self.test.get("depends_on", ())
        )

    def _attributes(self) -> Mapping[str, Any]:
        out = dict(self.test.get("attributes", EMPTY))
        ours: dict[str, Any] = {}
        for key in ("pass_regex", "fail_regex"):
            if key in self.test:
                ours[key] = [self._expression(key, e) for e in self.test[key]]
        if self.test.get("references"):
            ours["references"] = {
                name: self._reference(name, ref) for name, ref in self.test["references"].items()
            }
        return FrozenDict({**out, ATTRIBUTE: ours} if ours else out)

    def _expression(self, key: str, source: str) -> str:
        found = self.text(source)
        if found is not source:
            kinds.compiled(found, self.place(key))
        return found

    def _reference(self, name: str, ref: Mapping[str, Any]) -> dict[str, Any]:
        place = self.place("references", name, line=ref["line"])
        out: dict[str, Any] = {"pattern": self._expression("references", ref["pattern"])}
        one_group(out["pattern"], place.at("pattern"))
        if "unit" in ref:
            out["unit"] = ref["unit"]
        if "value" in ref:
            value = ref["value"]
            if isinstance(value, str):
                value = self._value(value, place.at("value"))
            out["value"] = value
            for key in ("lower", "upper"):
                if key in ref:
                    distance, relative = ref[key]
                    out[key] = value + distance * (abs(value) if relative else 1)
            if "lower" not in out and "upper" not in out:
                out["lower"] = out["upper"] = value
        return out

    def _value(self, source: str, place: Place) -> float:
        found = self._known(source, place)
        try:
            value = float(found)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise place.wrong(f"{source!r} becomes {found!r}, which is no number")
        return value
