"""The XML that ctest writes for CDash: the element `Site` and what is in it, as text.

Element by element, attribute by attribute and in the same order as ctest 3.25. What XML cannot hold
is written as `canary.reporting.visible` writes it. No file is read here, and no job.
"""

from __future__ import annotations

import base64
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from canary.reporting import visible, xml_quote, xml_text

GENERATOR: Final = "canary"


def element(name: str, text: object, indent: int) -> str:
    """A line with an element that holds text."""
    tabs = "\t" * indent
    return f"{tabs}<{name}>{xml_text(visible(str(text)))}</{name}>\n"


@dataclass(frozen=True, slots=True)
class Site:
    """Whose results these are: all parts of a build on CDash have the same."""

    build: str
    stamp: str
    name: str
    compiler: str
    compiler_version: str
    facts: Mapping[str, str]
    subprojects: tuple[str, ...] = ()
    generator: str = GENERATOR

    def wrap(self, body: Iterable[str]) -> Iterator[str]:
        """A whole document."""
        values = {
            "BuildName": self.build,
            "BuildStamp": self.stamp,
            "Name": self.name,
            "Generator": self.generator,
            "CompilerName": self.compiler,
            "CompilerVersion": self.compiler_version,
            **self.facts,
        }
        yield '<?xml version="1.0" encoding="UTF-8"?>\n<Site '
        yield "\n\t".join(f"{name}={xml_quote(value)}" for name, value in values.items())
        yield "\n\t>\n"
        for label in self.subprojects:
            yield f"\t<Subproject name={xml_quote(label)}>\n"
            yield element("Label", label, 2)
            yield "\t</Subproject>\n"
        yield from body
        yield "</Site>\n"


@dataclass(frozen=True, slots=True)
class Span:
    """When something began and ended, in seconds since 1970."""

    start: float
    end: float

    def begin(self, what: str) -> str:
        """Its first two elements; `what` is in the name of the second."""
        return element("StartDateTime", _date(self.start), 2) + element(
            f"Start{what}Time", int(self.start), 2
        )

    def finish(self, what: str) -> str:
        """Its last three."""
        minutes = int((self.end - self.start) / 6) / 10
        return (
            element("EndDateTime", _date(self.end), 2)
            + element(f"End{what}Time", int(self.end), 2)
            + element("ElapsedMinutes", f"{minutes:g}", 2)
        )


def _date(at: float) -> str:
    return time.strftime("%b %d %H:%M %Z", time.localtime(at))


def configure(span: Span, command: str, log: str, status: int) -> Iterator[str]:
    """The element `Configure`."""
    yield "\t<Configure>\n" + span.begin("Configure")
    yield element("ConfigureCommand", command, 2) + element("Log", log, 2)
    yield element("ConfigureStatus", status, 2) + span.finish("Configure") + "\t</Configure>\n"


def build(span: Span, command: str, errors: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The element `Build`; `errors` are files and what is wrong with them."""
    yield "\t<Build>\n" + span.begin("Build") + element("BuildCommand", command, 2)
    for number, (file, text) in enumerate(errors, 1):
        yield "\t\t<Error>\n" + element("BuildLogLine", number, 3) + element("Text", text, 3)
        yield element("SourceFile", file, 3) + element("SourceLineNumber", 0, 3)
        yield element("PreContext", "", 3) + element("PostContext", "", 3)
        yield element("RepeatCount", 0, 3) + "\t\t</Error>\n"
    yield '\t\t<Log Encoding="base64" Compression="bin/gzip"/>\n'
    yield span.finish("Build") + "\t</Build>\n"


@dataclass(frozen=True, slots=True)
class Test:
    """A job as CDash knows tests. `status` is `passed`, `failed` or `notrun`; `failure` is how it
    failed and the value of its exit, `seconds` None if it did not run; `files` are the names and
    contents, base64 of `tar.gz`, of what is attached."""

    name: str
    path: str
    fullname: str
    command: str
    status: str
    completion: str
    output: str
    failure: tuple[str, str] | None = None
    seconds: float | None = None
    processors: int = 1
    environment: str = ""
    measurements: Mapping[str, Any] | None = None
    files: tuple[tuple[str, str], ...] = ()
    labels: tuple[str, ...] = ()

    def encode(self) -> Iterator[str]:
        """The element."""
        yield f"\t\t<Test Status={xml_quote(self.status)}>\n" + element("Name", self.name, 3)
        yield element("Path", self.path, 3) + element("FullName", self.fullname, 3)
        yield element("FullCommandLine", self.command, 3) + "\t\t\t<Results>\n"
        for name, value in (self.measurements or {}).items():
            yield measurement(name, value)
        if self.failure:
            yield measurement("Exit Code", self.failure[0])
            yield measurement("Exit Value", self.failure[1])
        if self.seconds is not None:
            yield measurement("Execution Time", round(self.seconds, 6))
        yield measurement("Processors", self.processors)
        yield measurement("Completion Status", self.completion)
        yield measurement("Command Line", self.command)
        yield measurement("Environment", self.environment)
        yield f"\t\t\t\t<Measurement>\n{_value(self.output)}\t\t\t\t</Measurement>\n"
        yield "\t\t\t</Results>\n"
        for name, data in self.files:
            yield '\t\t\t<NamedMeasurement name="Attached File" encoding="base64"'
            yield f' compression="tar/gzip" filename={xml_quote(name)} type="file">\n'
            yield f"\t\t\t\t<Value>{data}</Value>\n\t\t\t</NamedMeasurement>\n"
        if self.labels:
            yield "\t\t\t<Labels>\n"
            yield from (element("Label", label, 4) for label in self.labels)
            yield "\t\t\t</Labels>\n"
        yield "\t\t</Test>\n"


def measurement(name: str, value: Any) -> str:
    """The element `NamedMeasurement`: a number, or text."""
    kind = "numeric/double" if type(value) in (int, float) else "text/string"
    text = f"{value:.15g}" if isinstance(value, float) else value
    body = element("Value", text, 5)
    return f"\t\t\t\t<NamedMeasurement type={xml_quote(kind)} name={xml_quote(name)}>\n{body}" + (
        "\t\t\t\t</NamedMeasurement>\n"
    )


def _value(output: str) -> str:
    """`output` is `visible` already. What gets shorter is compressed, as ctest does; the mark says
    gzip, and both mean zlib."""
    data = output.encode()
    packed = zlib.compress(data)
    if len(packed) < len(data):
        mark = ' encoding="base64" compression="gzip"'
        return f"\t\t\t\t\t<Value{mark}>{base64.b64encode(packed).decode('ascii')}</Value>\n"
    return f"\t\t\t\t\t<Value>{xml_text(output)}</Value>\n"


def testing(span: Span, tests: Iterable[Test], names: Iterable[str]) -> Iterator[str]:
    """The element `Testing`; `names` are the full names of the tests."""
    yield "\t<Testing>\n" + span.begin("Test") + "\t\t<TestList>\n"
    yield from (element("Test", name, 3) for name in names)
    yield "\t\t</TestList>\n"
    for test in tests:
        yield from test.encode()
    yield span.finish("Test") + "\t</Testing>\n"
