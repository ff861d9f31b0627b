"""The JUnit dialect: how a job becomes a test case, and test cases a suite.

Text is made here, not a tree: ten thousand jobs must be neither slow nor large. Nothing is a CDATA
section, so nothing can end one. What XML cannot hold is written as `canary.reporting.visible`
writes it. No file is read or written here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from types import MappingProxyType
from typing import Any, Final

from canary.reporting import xml_quote

HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
# outcome or category: the element below the test case, and the count it adds to
_ELEMENT: Final = MappingProxyType(
    {
        "PASS": "",
        "NOTRUN": "skipped",
        "FAIL": "failure",
        "ABORTED": "error",
        "NONE": "error",
        "ERROR": "error",
        "BROKEN": "error",
        "INVALID": "error",
    }
)


@dataclass(slots=True)
class Counts:
    """What the attributes of suites count."""

    tests: int = 0
    failure: int = 0
    error: int = 0
    skipped: int = 0
    time: float = 0.0

    def add(self, kind: str, seconds: float) -> None:
        """One test case of that kind."""
        self.tests += 1
        self.time += seconds
        if kind:
            setattr(self, kind, getattr(self, kind) + 1)

    def attributes(self, skipped: bool = True) -> str:
        """As XML; the outermost element counts no skipped ones."""
        text = f'tests="{self.tests}" failures="{self.failure}" errors="{self.error}"'
        return text + (f' skipped="{self.skipped}"' if skipped else "") + f' time="{self.time:.3f}"'


@dataclass(slots=True)
class Case:
    """A test case whose output is still in its files: what stands before it, and the files."""

    before: str
    files: tuple[str, ...] = ()


@dataclass(slots=True)
class Suite:
    """The test cases of one directory."""

    name: str
    counts: Counts = field(default_factory=Counts)
    properties: list[str] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    started: float = -1.0

    def add(self, job: Mapping[str, Any], retries: Iterable[Mapping[str, Any]], full: bool) -> None:
        """Take a job, with what its earlier attempts came to."""
        status = job["status"]
        kind = _ELEMENT.get(status["outcome"], _ELEMENT[status["category"]])
        seconds = max(0.0, job["timings"].get("running", 0.0))
        self.counts.add(kind, seconds)
        if job["started_at"] > 0 and not 0 < self.started <= job["started_at"]:
            self.started = job["started_at"]
        file = job["file_path"]
        extra = f" file={xml_quote(file)}" if full else ""
        lines = [
            f"    <testcase name={xml_quote(job['name'])} classname={xml_quote(self.name)}"
            f' time="{seconds:.3f}"{extra}>\n'
        ]
        values = _properties(job)
        if full:
            inner = "".join(f"        {_property(k, v)}" for k, v in values)
            lines.append(f"      <properties>\n{inner}      </properties>\n")
        else:
            named = [("file", file), *values]
            self.properties += [_property(f"{job['name']}: {k}", v) for k, v in named]
        if kind:
            lines.append(f"      <{kind}{_result(status)}/>\n")
        lines += [_retry(r, passed=not kind) for r in retries]
        shown = kind in ("failure", "error")
        files = tuple(job[n] for n in ("stdout", "stderr") if job.get(n)) if shown else ()
        self.cases.append(Case("".join(lines), files))

    def start(self, stamp: float) -> str:
        """The beginning of the element."""
        at = self.started if self.started > 0 else stamp
        text = f"  <testsuite name={xml_quote(self.name)} {self.counts.attributes()}"
        text += f' timestamp="{_iso(at)}">\n' if at > 0 else ">\n"
        if self.properties:
            inner = "".join(f"      {p}" for p in self.properties)
            text += f"    <properties>\n{inner}    </properties>\n"
        return text


def totals(suites: Iterable[Suite]) -> Counts:
    """The sum of the suites."""
    total = Counts()
    for c in (suite.counts for suite in suites):
        total.tests += c.tests
        total.failure += c.failure
        total.error += c.error
        total.skipped += c.skipped
        total.time += c.time
    return total


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")


def _result(status: Mapping[str, Any]) -> str:
    reason = status.get("reason") or status["outcome"]
    return f" message={xml_quote(reason)} type={xml_quote(status['outcome'])}"


def _retry(status: Mapping[str, Any], *, passed: bool) -> str:
    """An earlier attempt, as Surefire writes it."""
    kind = "Error" if _ELEMENT.get(status["outcome"]) == "error" else "Failure"
    return f"      <{'flaky' if passed else 'rerun'}{kind}{_result(status)}/>\n"


def _properties(job: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What people look for: parameters, keywords, owners, measurements, attributes that the test
    set, identity, attempts."""
    yield "id", job["id"]
    for name, value in (job.get("parameters") or {}).items():
        yield f"parameter {name}", _value(value)
    for name in ("keywords", "owners"):
        if job.get(name):
            yield name, " ".join(job[name])
    for name, value in (job.get("measurements") or {}).items():
        yield f"measurement {name}", _value(value)
    for name, value in (job.get("attributes_set") or {}).items():
        yield f"attribute {name}", _value(value)
    if job["attempt"] > 1:
        yield "attempts", str(job["attempt"])


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _property(name: str, value: str) -> str:
    return f"<property name={xml_quote(name)} value={xml_quote(value)}/>\n"
