"""What a test says of itself while it runs, in a file of its job's directory.

The runner writes the job's lock after the test has ended, so what a test writes into it is lost; it
adds lines to `.canary-remarks.jsonl` instead, and `canary_pyt.plugin` takes them over at the end.
Each line is one JSON object with one of the keys of `KINDS`. Attributes go into the lock as well,
for those who read it while the test runs.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

FILE_NAME = ".canary-remarks.jsonl"
LOCK = "testcase.lock"
# broken: reason; end: {"code", "reason"}; status: as `Status.asdict`; the others: {name: value}
KINDS = ("broken", "end", "status", "measurements", "attributes", "variables")
# the exit code of a test whose verdict is among them
STATED = 67
# what a test wrote in good faith is smaller
MAX_BYTES = 16 << 20


def job_directory() -> str | None:
    """The directory of the job that this process belongs to, wherever it has gone since."""
    try:
        here = os.getcwd()  # noqa: PTH109 - pathlib is not imported: tests pay for it
    except OSError:
        here = ""
    # the runner puts the job's directory first in both
    first = [os.environ.get(name, "").partition(os.pathsep)[0] for name in ("PATH", "PYTHONPATH")]
    for directory in (here, *first):
        if directory and _exists(f"{directory}/{LOCK}"):
            return directory
    return None


def _exists(path: str) -> bool:
    try:
        os.stat(path)  # noqa: PTH116 - see job_directory
    except OSError:
        return False
    return True


def add(kind: str, value: Any, directory: str | None = None) -> bool:
    """Add a line; false if this is no job or its directory cannot be written."""
    import json

    directory = directory or job_directory()
    if directory is None:
        return False
    text = json.dumps({kind: value}, default=str) + "\n"
    try:
        fd = os.open(
            f"{directory}/{FILE_NAME}", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666
        )
        try:
            os.write(fd, text.encode("utf-8", "backslashreplace"))
        finally:
            os.close(fd)
    except OSError:
        return False
    return True


def add_measurement(name: str, value: Any) -> None:
    """Record a measurement of the job that runs; nothing outside one."""
    add("measurements", {name: value})


def set_attribute(**values: Any) -> None:
    """Set attributes of the job that runs; nothing outside one."""
    set_attributes(values)


def set_attributes(values: Mapping[str, Any], directory: str | None = None) -> None:
    """Add attributes, and show them in the lock of a job that is not over.

    Several processes that do so at once may hide each other's from the lock, until the job ends.
    """
    directory = directory or job_directory()
    if directory is None or not add("attributes", values, directory):
        return
    from canary import lockfile
    from canary.errors import RecordError

    try:
        lock = lockfile.read(directory)
        if lock["state"]["phase"] == "DONE":
            return
        spec = lock.pop("spec")
        spec["attributes"] = {**spec["attributes"], **values}
        del lock["schema"]
        lockfile.write(directory, lock, lockfile.dump({"spec": spec}))
    except (OSError, RecordError, KeyError, TypeError):
        pass  # it is damaged or cannot be replaced; the line is what counts


def read(directory: str) -> Mapping[str, Any]:
    """All that was said, by kind: the first `broken`, the last `end` and `status`, others merged.

    Damaged lines are left out.
    """
    import json

    try:
        # a test can put anything there, and the runner must not wait for a pipe
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with open(os.open(f"{directory}/{FILE_NAME}", flags), "rb") as f:
            raw = f.read(MAX_BYTES) or b""
    except OSError:
        return {}
    found: dict[str, Any] = {}
    for line in raw.splitlines():
        try:
            ((kind, value),) = json.loads(line).items()
        except (ValueError, AttributeError, RecursionError):
            continue
        if kind == "broken":
            found.setdefault(kind, str(value))
        elif kind in KINDS and isinstance(value, dict):
            known = {} if kind in ("end", "status") else found.get(kind, {})
            found[kind] = {**known, **value}
    return found
