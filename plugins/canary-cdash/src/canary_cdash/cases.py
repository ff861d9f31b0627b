"""From a job to a test of CDash: names, status, measurements, labels, and attached files."""

from __future__ import annotations

import base64
import gzip
import io
import os
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from canary import lockfile
from canary.errors import CanaryError
from canary.job import load_job_from_file
from canary.reporting import ENDS, output
from canary.table import say
from canary_cdash.xml import Test

if TYPE_CHECKING:
    from canary.plugins import PluginManager

Job = Mapping[str, Any]
# measured by canary of each job; ctest has no such elements but the first, `Execution Time`
_OWN: Final = frozenset({"duration", "user", "system", "max_rss", "expected"})
# given to all tests of a CTest tree, and no label of theirs
_NO_LABELS: Final = frozenset({"ctest"})
_SIGNALS: Final = MappingProxyType({11: "SEGFAULT", 4: "ILLEGAL", 2: "INTERRUPT", 8: "NUMERICAL"})
_MEASURED: Final = re.compile(r"<((?:CTest|Dart)Measurement(?:File)?)\s[^>]*>.*?</\1>", re.DOTALL)
# an attached file that is larger is left out: all of it goes into one document
MAX_FILE: Final = 16 << 20


class Maker:
    """Makes tests; `plugins` may add to them."""

    def __init__(
        self, *, plugins: PluginManager | None = None, long_names: bool = False, limit: int = ENDS
    ) -> None:
        self._plugins = plugins
        self._long = long_names
        self._limit = limit

    def fullname(self, job: Job) -> str:
        """As in the list of tests."""
        directory = job["fullname"].rpartition("/")[0]
        return f"./{directory}/{self._name(job)}" if directory else f"./{self._name(job)}"

    def _name(self, job: Job) -> str:
        if self._plugins is not None:
            named = self._plugins.first("canary_cdash_name", job=job)
            if named is not None:
                return str(named)
        return usual_name(job)

    def make(self, job: Job) -> Test:
        """One test."""
        status = status_of(job)
        path = self.fullname(job).rpartition("/")[0]
        return Test(
            name=job["fullname"] if self._long else self._name(job),
            path=path,
            fullname=self.fullname(job),
            command="" if job["started_at"] < 0 else command_line(job.get("command") or ()),
            status=status,
            completion="Completed" if status != "notrun" else _reason(job),
            output=self._output(job),
            failure=_failure(job) if status == "failed" else None,
            seconds=max(0.0, job["timings"].get("running", 0.0)) if status != "notrun" else None,
            processors=_processors(job),
            environment="\n".join(f"{k}={v}" for k, v in sorted(job["variables"].items())),
            measurements=dict(self._measurements(job)),
            files=tuple(self._files(job)),
            labels=tuple(self._labels(job)),
        )

    def _output(self, job: Job) -> str:
        text = output(job, self._limit) if job["started_at"] > 0 else ""
        # as ctest shows it: what is among the measurements is not said twice
        return _MEASURED.sub("", text) if _is_ctest(job) else text

    def _asked(self, hook: str, job: Job) -> Iterator[Any]:
        if self._plugins is not None:
            for _, answer in self._plugins.call(hook, lenient=True, job=job):
                yield answer

    def _measurements(self, job: Job) -> Iterator[tuple[str, Any]]:
        own = (job.get("attributes_set") or {}, job["measurements"])
        several = [*own, *self._asked("canary_cdash_measurements", job)]
        for name, value in (item for values in several for item in values.items()):
            if name not in _OWN and isinstance(value, (str, int, float)):
                yield name, str(value).lower() if isinstance(value, bool) else value

    def _labels(self, job: Job) -> Iterable[str]:
        asked = [label for labels in self._asked("canary_cdash_labels", job) for label in labels]
        keywords = [k for k in job.get("keywords") or () if k not in _NO_LABELS]
        return dict.fromkeys([*keywords, *asked])

    def _files(self, job: Job) -> Iterator[tuple[str, str]]:
        paths = [p for files in self._asked("canary_cdash_files", job) for p in files]
        for path in [*_artifacts(job), *paths]:
            packed = pack(Path(path))
            if packed is not None:
                yield Path(path).name, packed


def usual_name(job: Job) -> str:
    """The job's name; ctest's own for a test of its, and `family[k=v,...]` for a `.vvt` file's, as
    CDash knows them from before."""
    if _is_ctest(job):
        return str(job["family"])
    parameters = job.get("parameters")
    if parameters and job["file_path"].endswith(".vvt"):
        return f"{job['family']}[{','.join(f'{k}={v}' for k, v in parameters.items())}]"
    return str(job["name"])


def _is_ctest(job: Job) -> bool:
    return "ctestfile" in (job.get("attributes") or {})


def status_of(job: Job) -> str:
    """`passed`, `failed`, or `notrun`: whatever never started was not run, as ctest counts it."""
    category = job["status"]["category"]
    if category == "PASS":
        return "passed"
    if category in ("FAIL", "ABORTED") and job["started_at"] > 0:
        return "failed"
    return "notrun"


def command_line(words: Sequence[str]) -> str:
    """As ctest shows it: what is run, and its arguments in quotation marks."""
    return " ".join([*words[:1], *(f'"{word}"' for word in words[1:])])


def _reason(job: Job) -> str:
    return str(job["excluded"] or job["status"]["reason"] or job["status"]["outcome"])


def _failure(job: Job) -> tuple[str, str]:
    """How it failed, in ctest's words, and the value of its exit: 0 where it did not exit."""
    code = job["exit_code"] or 0
    outcome = job["status"]["outcome"]
    if outcome == "TIMEOUT":
        return "Timeout", "0"
    if outcome == "INTERRUPTED":
        return "INTERRUPT", "0"
    if code < 0:
        return _SIGNALS.get(-code, "OTHER_FAULT"), "0"
    return "Failed", str(code)


def _processors(job: Job) -> int:
    for values in (job.get("parameters") or {}, job.get("meta_parameters") or {}):
        cpus = values.get("cpus")
        if type(cpus) is int and cpus > 0:
            return cpus
    return 1


def _artifacts(job: Job) -> list[Path]:
    """The files of its directory that are worth keeping, but for those that canary put there."""
    directory = job["exec_dir"]
    if not directory or job["started_at"] < 0:
        return []
    try:
        found = load_job_from_file(directory).get_artifacts()
    except CanaryError:
        return []
    # `spec.artifacts` may ask for these: all is said of them already
    put = (*(job.get(name) for name in ("file", "stdout", "stderr")), lockfile.FILE_NAME)
    names = {os.path.basename(path) for path in put if path}  # noqa: PTH119 - texts
    return [Path(directory, path) for path in found if str(path) not in names]


def pack(path: Path) -> str | None:
    """A file as base64 of a `tar.gz`; None for what is no file, cannot be read, or is too large."""
    try:
        if not path.is_file() or path.stat().st_size > MAX_FILE:
            raise OSError(0, "no file, or too large")
        data = path.read_bytes()
    except OSError as e:
        say("warning", f"{path} is not attached: {e.strerror}")
        return None
    info = tarfile.TarInfo(os.fsencode(path.name).decode("utf-8", "replace"))
    info.size = len(data)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.addfile(info, io.BytesIO(data))
    return base64.b64encode(gzip.compress(archive.getvalue(), mtime=0)).decode("ascii")
