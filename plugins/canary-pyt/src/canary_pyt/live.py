"""`canary.get_job()`: the running job as the runner knows it, whose changes outlive the test."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from canary.job import Measurements, load_job_from_file
from canary_pyt import remarks

if TYPE_CHECKING:
    from canary.job import Job


class _Kept(Measurements):
    """Measurements that are also written down for the runner."""

    def __init__(self, data: dict[str, Any], directory: str) -> None:
        super().__init__(data)
        self._directory = directory

    def add_measurement(self, name: str, value: Any) -> None:
        """See `Measurements.add_measurement`."""
        super().add_measurement(name, value)
        remarks.add("measurements", {name: value}, self._directory)

    def update(self, arg: dict[str, Any] | Measurements) -> None:
        """See `Measurements.update`."""
        super().update(arg)
        remarks.add(
            "measurements", arg.data if isinstance(arg, Measurements) else arg, self._directory
        )


class _KeptAttributes(dict[str, Any]):
    """Attributes that are also written down for the runner."""

    def __init__(self, data: Mapping[str, Any], directory: str) -> None:
        super().__init__(data)
        self._directory = directory

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        remarks.set_attributes({key: value}, self._directory)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """As `dict.update`."""
        new = dict(*args, **kwargs)
        super().update(new)
        remarks.set_attributes(new, self._directory)


def get_job(arg_path: str | os.PathLike[str] | None = None) -> Job | None:
    """The job of a directory or lock file (default: the one that runs here); None if there is none.

    Measurements and attributes set on it are kept with the job's result.
    """
    directory = os.fspath(arg_path) if arg_path is not None else remarks.job_directory()
    if directory is None or not os.path.exists(directory):  # noqa: PTH110 - texts
        return None
    return load(directory)


def load(place: str) -> Job:
    """The job of a directory or lock file, with what was measured so far; RecordError if there is
    none."""
    job = load_job_from_file(place)
    where = job.workspace.text
    measured = {**job.measurements.data, **remarks.read(where).get("measurements", {})}
    job.measurements = _Kept(measured, where)
    job._attributes = _KeptAttributes(job.attributes, where)
    return job
