"""`canary.get_instance()`: a test's view of itself and of the jobs that it depends on.

Everything is read from `testcase.lock` files: the test's own, and, only when it asks for a
dependency, that dependency's. Nothing is written but remarks (`canary_pyt.remarks`).
"""

from __future__ import annotations

import os

from canary_pyt import remarks
from canary_pyt.parameters import MultiParameters, Parameters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from functools import cached_property
    from typing import Any, NoReturn

    from canary.job import JobState
    from canary.status import Status

# Nearly every test comes here, so `typing`, `functools` and `json` are not imported: together with
# what they bring along they cost half as much as starting Python.
else:

    class cached_property:
        """A property that is asked once."""

        def __init__(self, function):  # noqa: ANN001, ANN204 - typed above
            self.function = function
            self.__doc__ = function.__doc__

        def __get__(self, instance, owner=None):  # noqa: ANN001, ANN204 - typed above
            value = instance.__dict__[self.function.__name__] = self.function(instance)
            return value


class MissingTestInstanceError(RuntimeError):
    """Something was asked of a test that does not run as a job."""


class MissingTestInstance:
    """What `get_instance` gives outside of a job: false, and every attribute is an error."""

    __test__ = False

    _file: str | None

    def __init__(self, file: str | None = None) -> None:
        self._file = file

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return f"MissingTestInstance(file={self._file!r})"

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        where = self._file or "this directory"
        raise MissingTestInstanceError(
            f"no {name!r}: there is no job in {where} (no {remarks.LOCK})"
        )


class TestInstance:
    """One job as its lock describes it; attributes are read once, when they are first asked for."""

    __test__ = False

    def __init__(self, lock: Mapping[str, Any], directory: str) -> None:
        self._lock = lock
        self._spec: Mapping[str, Any] = lock["spec"]
        self._directory = directory

    @property
    def file_root(self) -> str:
        """The scan root."""
        return str(self._spec["file_root"])

    @property
    def file_path(self) -> str:
        """The test file relative to the scan root."""
        return str(self._spec["file_path"])

    @property
    def file(self) -> str:
        """The test file."""
        return os.path.join(self.file_root, self.file_path)  # noqa: PTH118 - a text, by contract

    @property
    def name(self) -> str:
        """`family.k=v…`."""
        return str(self._spec["name"])

    @property
    def family(self) -> str:
        """The name without parameters."""
        return str(self._spec["family"])

    @property
    def id(self) -> str:
        """The identity of the job."""
        return str(self._spec["id"])

    @cached_property
    def keywords(self) -> list[str]:
        """The keywords of the file."""
        return list(self._spec.get("keywords", ()))

    @cached_property
    def parameters(self) -> Parameters:
        """Parameters, and what `cpus`, `gpus` and `nodes` asked for."""
        return Parameters(self._parameters())

    def _parameters(self) -> dict[str, Any]:
        fixed = dict(self._spec.get("meta_parameters", {}))
        fixed.pop("runtime", None)
        return {**self._varied(), **fixed}

    def _varied(self) -> dict[str, Any]:
        """The parameters of the name; null is a NaN, which JSON has no number for."""
        given = self._spec.get("parameters", {})
        return {k: float("nan") if v is None else v for k, v in given.items()}

    @property
    def timeout(self) -> float:
        """Seconds."""
        return float(self._spec.get("timeout", -1.0))

    def _assigned(self, kind: str) -> list[str]:
        return [str(x["id"]) for x in self._lock["allocation"]["resources"].get(kind, ())]

    @property
    def cpu_ids(self) -> list[str]:
        """CPUs assigned."""
        return self._assigned("cpus")

    @property
    def gpu_ids(self) -> list[str]:
        """GPUs assigned."""
        return self._assigned("gpus")

    @property
    def cpus(self) -> int:
        """How many CPUs are assigned."""
        return len(self.cpu_ids)

    @property
    def gpus(self) -> int:
        """How many GPUs are assigned."""
        return len(self.gpu_ids)

    @property
    def processors(self) -> int:
        """See `cpus`."""
        return self.cpus

    @cached_property
    def baseline(self) -> list[dict[str, Any]]:
        """How to rebaseline."""
        return [dict(row) for row in self._spec.get("baseline", ())]

    @cached_property
    def sources(self) -> dict[str, list[tuple[str, str | None]]]:
        """`{action: [(source, name in the directory or None)]}`, patterns expanded."""
        out: dict[str, list[tuple[str, str | None]]] = {}
        where = os.path.dirname(self.file)  # noqa: PTH120 - texts, by contract
        for asset in self._spec.get("assets", ()):
            source = os.path.normpath(os.path.join(where, asset["src"]))  # noqa: PTH118 - no pathlib, see above
            found = [source]
            if not os.path.lexists(source):
                from glob import glob

                found = sorted(glob(source)) or found  # noqa: PTH207 - absolute patterns
            dst = asset["dst"] if len(found) == 1 else None
            out.setdefault(asset["action"], []).extend((f, dst) for f in found)
        return out

    @property
    def work_tree(self) -> str:
        """The job's directory."""
        return self._directory

    @property
    def working_directory(self) -> str:
        """The job's directory."""
        return self._directory

    @cached_property
    def state(self) -> JobState:
        """The phase as the lock has it."""
        from canary.job import JobState

        return JobState(self._lock["state"]["phase"])

    @cached_property
    def status(self) -> Status:
        """The result as the lock has it: none yet of the test itself."""
        from canary.status import Status

        return Status.fromdict(self._lock["status"])

    @property
    def start(self) -> float:
        """Epoch seconds, -1 if unknown."""
        return float(self._lock["timekeeper"]["started"])

    @property
    def stop(self) -> float:
        """Epoch seconds, -1 if unknown."""
        return float(self._lock["timekeeper"]["stopped"])

    @cached_property
    def returncode(self) -> int:
        """The exit code, -1 if there is none yet."""
        return int(self._lock["status"]["code"])

    @cached_property
    def variables(self) -> dict[str, str | None]:
        """What was added to the environment; None for what was taken out."""
        return dict(self._lock["variables"])

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """The attributes of the file, and those set since."""
        return dict(self._spec.get("attributes", {}))

    @cached_property
    def dependencies(self) -> list[TestInstance]:
        """The jobs depended on, in the order in which the file names them."""
        root = self._lock["workspace"]["root"]
        return [
            _read(os.path.normpath(os.path.join(root, str(row["path"]))), row.get("record"))  # noqa: PTH118 - no pathlib, see above
            for row in self._lock["dependencies"]
            if row["path"] is not None
        ]

    @property
    def ofile(self) -> str:
        """Name of the output file."""
        return str(self._spec["stdout"])

    @property
    def efile(self) -> str | None:
        """Name of the error file; None: it goes to the output."""
        name: str | None = self._spec["stderr"]
        return name

    @property
    def lockfile(self) -> str:
        """Its lock."""
        return f"{self._directory}/{remarks.LOCK}"

    @property
    def analyze(self) -> bool:
        """Is this a composite base case?"""
        return self.multicase

    @property
    def multicase(self) -> bool:
        """Is this a composite base case?"""
        return False

    def logfile(self, stage: str = "run") -> str:  # noqa: ARG002 - there is one file for all stages
        """Path of the output."""
        return f"{self._directory}/{self.ofile}"

    def output(self) -> str:
        """Text of the output so far."""
        try:
            with open(self.logfile(), encoding="utf-8", errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def get_dependency(self, **params: Any) -> TestInstance | None:
        """The dependency with exactly these parameters, or None.

        What `cpus`, `gpus` and `nodes` ask for may be left out.
        """
        for dependency in self.dependencies:
            if params in (
                dependency.parameters.asdict(),
                dependency._varied(),
            ):
                return dependency
        return None

    def set_attribute(self, **kwargs: Any) -> None:
        """Set attributes of the job; they are kept with its result."""
        self.attributes.update(kwargs)
        remarks.set_attributes(kwargs, self._directory)

    def set_attributes(self, **kwargs: Any) -> None:
        """See `set_attribute`."""
        self.set_attribute(**kwargs)

    def add_measurement(self, name: str, value: Any) -> None:
        """Record a measurement of the job; it is kept with its result."""
        remarks.add("measurements", {name: value}, self._directory)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TestInstance) and (self.id, self._directory) == (
            other.id,
            other._directory,
        )

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        shown = ("name", "id", "file", "parameters", "working_directory")
        return f"{type(self).__name__}({', '.join(f'{n}={getattr(self, n)!r}' for n in shown)})"


class TestMultiInstance(TestInstance):
    """A composite base case: its parameters are those of its children."""

    @property
    def multicase(self) -> bool:
        """Is this a composite base case?"""
        return True

    @cached_property
    def parameters(self) -> MultiParameters:
        """For each name the values of all children."""
        return MultiParameters.of(d._parameters() for d in self.dependencies)


def get_instance(
    arg_path: str | os.PathLike[str] | None = None,
) -> TestInstance | MissingTestInstance:
    """The job of a directory or lock file (default: the one that runs here); false without one.

    A lock that cannot be read is a RecordError.
    """
    given = os.fspath(arg_path) if arg_path is not None else None
    directory = given if given is not None else remarks.job_directory()
    if directory is not None and not os.path.isdir(directory):  # noqa: PTH112 - no pathlib, see above
        directory = os.path.dirname(directory) if os.path.isfile(directory) else None  # noqa: PTH113, PTH120
    if directory is None or not os.path.isfile(os.path.join(directory, remarks.LOCK)):  # noqa: PTH113, PTH118
        return MissingTestInstance(given)
    return _read(os.path.abspath(directory))  # noqa: PTH100 - no pathlib, see above


def _read(directory: str, record: Mapping[str, Any] | None = None) -> TestInstance:
    """The job of a directory; one that was never staged has none, but its dependent a record."""
    file = f"{directory}/{remarks.LOCK}"
    try:
        if record is not None:
            return _instance(record, directory)
        with open(file, encoding="utf-8", errors="surrogatepass") as f:
            return _instance(_parse(f.read()), directory)
    except (OSError, ValueError, TypeError, KeyError, StopIteration, ImportError):
        from canary import lockfile

        return _instance(lockfile.read(directory), directory)  # or says what is wrong


def _instance(lock: Mapping[str, Any], directory: str) -> TestInstance:
    if lock["schema"] != 1:
        raise ValueError
    attributes = lock["spec"].get("attributes", {})
    return (TestMultiInstance if attributes.get("multicase") else TestInstance)(lock, directory)


class _Json:
    """What the scanner of `json` asks of its decoder."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float


def _parse(text: str) -> dict[str, Any]:
    from _json import make_scanner

    lock: dict[str, Any] = make_scanner(_Json)(text, 0)[0]  # type: ignore[arg-type]  # any such object
    return lock


class _Here:
    """`canary.test.instance`: the running job, looked up when it is first asked for."""

    @cached_property
    def instance(self) -> TestInstance | MissingTestInstance:
        return get_instance()


test = _Here()
