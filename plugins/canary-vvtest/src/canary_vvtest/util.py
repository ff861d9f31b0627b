"""`vvtest_util.py`, the module that a test of vvtest imports to learn about itself.

It is written into the job's directory before the job runs, from the job alone. A test in a shell
gets `vvtest_util.sh`, which says the same as far as a shell can. Names in here are users' names.
"""

from __future__ import annotations

import keyword
import math
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from canary import fsio
from canary.status import DIFF_EXIT_CODE
from canary_vvtest.attributes import ATTRIBUTE
from canary_vvtest.scan import program

if TYPE_CHECKING:
    from canary.job import Job

SKIP_EXIT_CODE: Final = 63
_SHELLS: Final = frozenset({"sh", "bash", "dash", "ksh", "zsh"})
_SECTIONS: Final = "'--execute-analysis-sections' in sys.argv[1:]"


def write(job: Job, *, baseline: bool = False) -> None:
    """Write the module into the job's directory; `baseline`: its references are renewed."""
    values = variables(job, baseline=baseline)
    directory = job.workspace.text
    lines = ["import os", "import sys"]
    for name, value in values.items():
        lines.append(f"{name} = {literal(value)}")
        if name == "skip_exit_status":
            # asked when the test runs: it is an argument of the test
            lines += [f"opt_analyze = {_SECTIONS}", f"is_analysis_only = {_SECTIONS}"]
    _store(f"{directory}/vvtest_util.py", lines)
    if program(_started(job.spec.command)) in _SHELLS:
        _store(f"{directory}/vvtest_util.sh", [f"{k}={_shell(v)}" for k, v in values.items()])


def _started(command: Sequence[str]) -> Sequence[str]:
    """What runs the command: its first words, or for a script alone those of its own `#!` line."""
    if len(command) > 1:
        return command[:2]
    try:
        with open(command[0], "rb") as f:
            first = f.readline(1024)
    except OSError:
        return command
    return os.fsdecode(first[2:]).split() if first.startswith(b"#!") else command


def _store(path: str, lines: Sequence[str]) -> None:
    # a link of that name is replaced, not followed: it may lead to the user's own file
    fsio.write_atomic(path, ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape"))


def variables(job: Job, *, baseline: bool = False) -> dict[str, Any]:
    """Everything that the module says, by name."""
    spec, own = job.spec, job.spec.attributes.get(ATTRIBUTE, {})
    multicase = bool(spec.attributes.get("multicase"))
    directory = spec.file.rpartition("/")[0]
    upstreams = job.upstreams
    values: dict[str, Any] = {
        "JOBID": spec.id,
        "CASEID": spec.id,
        "NAME": spec.family,
        "TESTID": spec.fullname,
        "PLATFORM": sys.platform.lower(),
        "COMPILER": own.get("compiler", "UNKNOWN@UNKNOWN"),
        "TESTROOT": str(job.workspace.root),
        "VVTESTSRC": "",
        "PROJECT": "",
        "OPTIONS": list(own.get("options", ())),
        "OPTIONS_OFF": [],
        "SRCDIR": directory,
        "TIMEOUT": spec.timeout,
        "KEYWORDS": list(spec.keywords),
        "diff_exit_status": int(DIFF_EXIT_CODE),
        "skip_exit_status": SKIP_EXIT_CODE,
        "is_analyze": multicase,
        "is_baseline": baseline,
        "PARAM_DICT": dict(spec.parameters),
    }
    values.update((k, v) for k, v in spec.parameters.items() if _is_name(k))
    if multicase:
        values.update(_tables(spec.attributes.get("paramsets", ())))
    values.update(
        DEPDIRS=[up.workspace.text for up in upstreams],
        DEPDIRMAP={up.name: up.workspace.text for up in upstreams},
        exec_dir=job.workspace.text,
        exec_root=str(job.workspace.root),
        exec_path=str(job.workspace.path),
        file_root=spec.file_root,
        file_dir=directory,
        file_path=spec.file_path,
        RESOURCE_np=len(job.cpu_ids) or job.cpus,
        RESOURCE_IDS_np=_ids(job.cpu_ids),
        RESOURCE_ndevice=len(job.gpu_ids) or job.gpus,
        RESOURCE_IDS_ndevice=_ids(job.gpu_ids),
    )
    return values


def _is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)


def _tables(paramsets: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One table for each `parameterize`: a list, or for several names a list of lists."""
    tables: dict[str, Any] = {}
    for group in paramsets:
        keys, rows = group["keys"], group["values"]
        name = "_".join(["PARAM", *keys])
        if _is_name(name):
            tables[name] = [row[0] for row in rows] if len(keys) == 1 else rows
    return tables


def _ids(ids: Sequence[str]) -> list[int | str]:
    return [int(id) if id.isdecimal() else id for id in ids]


def literal(value: Any) -> str:
    """A value as Python source; what JSON cannot say (`nan`, `inf`) is right, too."""
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{literal(k)}: {literal(v)}' for k, v in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(literal, value))}]"
    return repr(value)


def _shell(value: Any) -> str:
    """A value as a shell's word: a flag is 1 or nothing, a list has blanks between its entries."""
    if isinstance(value, bool):
        return "1" if value else ""
    if isinstance(value, Mapping):
        value = [f"{k}={v}" for k, v in value.items()]
    if isinstance(value, (list, tuple)):
        return shlex.quote(" ".join(map(str, value)))
    return shlex.quote("" if value is None else str(value))
