"""The fields of a job other than its name, ID and parameters, in the scope of that job."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from canary.frozen import EMPTY, FrozenDict
from canary.scope import Scope
from canary.spec import OUTPUT_FILE, UNMASKED, Artifact, Asset, Baseline, DependencyPattern, Mask

# runs a test that has `setup` or `teardown` functions: a path, so that launchers see a script
WRAPPER: Final = os.path.join(os.path.dirname(os.path.abspath(__file__)), "run.py")  # noqa: PTH100, PTH118, PTH120 - made for every job
_KEPT: Final = (Artifact("testcase.lock"), Artifact(OUTPUT_FILE))


def fixed_resources(scope: Scope, parameters: Collection[str]) -> dict[str, int]:
    """What `cpus`, `gpus` and `nodes` ask for."""
    fixed: dict[str, int] = {}
    for _, line, kind, count in scope.active("meta"):
        if kind in parameters:
            hint = f"drop {kind}({count}) or give one of them a condition"
            raise scope.wrong(f"{kind} is a parameter already", line, hint=hint)
        fixed[kind] = count
    return fixed


def fields_of(scope: Scope, fixed: dict[str, int]) -> dict[str, Any]:
    """Everything of a `JobSpec` but `id`, `name` and `parameters`."""
    data = scope.data
    fields = _shared(scope, fixed)
    fields["command"] = _script(scope)
    if "baseline" in data:
        fields["baseline"] = _baseline(scope)
    if "depends_on" in data:
        fields["dependencies"] = tuple(
            DependencyPattern(scope.text(pattern, line) or pattern, when, expects, line)
            for _, line, pattern, when, expects in scope.active("depends_on")
        )
    return fields


def base_case_fields(
    scope: Scope, line: int, flag: str | None, script: str | None
) -> dict[str, Any]:
    """The same for the composite base case: it inherits no resources, baseline or dependencies."""
    fields = _shared(scope, {})
    fields.setdefault("attributes", EMPTY)
    fields["command"] = _script(scope)
    if flag is not None:
        fields["command"] += (scope.text(flag, line) or flag,)
    elif script is not None:
        script = scope.text(script, line) or script
        where = os.path.dirname(scope.file.file)  # noqa: PTH120 - made for every job
        # its own path, so that what is not there or cannot be executed is said of it
        fields["command"] = (os.path.join(where, script),)  # noqa: PTH118 - made for every job
        fields["assets"] = (*fields.get("assets", ()), Asset(script))
    return fields


def _script(scope: Scope) -> tuple[str, ...]:
    """The command that runs the test file."""
    data = scope.data
    base = scope.file.path.rpartition("/")[2]
    if base.startswith("-"):
        base = f"./{base}"  # it is no option of Python's
    if "setup" in data or "teardown" in data:
        own = ("--exit-codes",) if "exit_codes" in data else ()
        return (sys.executable, WRAPPER, "--around", *own, base)
    if "exit_codes" in data:
        return (sys.executable, WRAPPER, "--exit-codes", base)
    return (sys.executable, base)


def _shared(scope: Scope, fixed: dict[str, int]) -> dict[str, Any]:
    data, file = scope.data, scope.file
    keywords = _keywords(scope) if "keywords" in data else ()
    limit = scope.last("timeout") if "timeout" in data else None
    explicit = limit is not None and limit[2] >= 0
    timeout = limit[2] if explicit and limit is not None else scope.context.timeout_for(keywords)
    fields: dict[str, Any] = {
        "file_root": file.root,
        "file_path": file.path,
        "family": scope.family,
        "generator": file.generator,
        "meta_parameters": FrozenDict({**fixed, "runtime": timeout}),
        "keywords": keywords,
        "timeout": timeout,
        "timeout_explicit": explicit,
        "artifacts": _artifacts(scope),
    }
    for key in data:
        if key in _FIELDS:
            name, make = _FIELDS[key]
            fields[name] = make(scope)
    if "skipif" in data or "enable" in data:
        fields["mask"] = _mask(scope)

    for kind in ("setup", "teardown"):
        if kind in data:
            fields["attributes"] = {**fields.get("attributes", {}), f"__{kind}_fn__": data[kind]}
    return fields


def _keywords(scope: Scope) -> tuple[str, ...]:
    words: dict[str, None] = {}
    for _, _, entry in scope.active("keywords"):
        words.update(dict.fromkeys(entry))
    return tuple(words)


def _artifacts(scope: Scope) -> tuple[Artifact, ...]:
    own = []
    for _, line, pattern, save_on in scope.active("artifact"):
        text = scope.text(pattern, line)
        if text is not None:
            own.append(Artifact(text, save_on))
    return (*own, *_KEPT, Artifact(scope.file.path.rpartition("/")[2]))


def _owners(scope: Scope) -> tuple[str, ...]:
    return tuple(scope.data["owners"])


def _assets(scope: Scope) -> tuple[Asset, ...]:
    out = []
    for _, line, action, src, dst in scope.active("assets"):
        source = scope.text(src, line)
        target = dst if dst is None else scope.text(dst, line)
        if source is not None and (dst is None) == (target is None):
            out.append(Asset(source, target, action))
    return tuple(out)


def _baseline(scope: Scope) -> tuple[Baseline, ...]:
    out = []
    for _, line, src, dst, flag in scope.active("baseline"):
        if flag is not None:
            out.append(Baseline(flag=flag))
        else:
            out.append(Baseline(scope.text(src, line), scope.text(dst, line)))
    return tuple(out)


def _xstatus(scope: Scope) -> int:
    entry = scope.last("xstatus")
    return 0 if entry is None else int(entry[2])


def _exclusive(scope: Scope) -> bool:
    return any(True for _ in scope.active("exclusive"))


def _options(scope: Scope) -> FrozenDict[str, Any]:
    entry = scope.last("launcher")
    return EMPTY if entry is None else FrozenDict(entry[2])


def _attributes(scope: Scope) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for _, _, values in scope.active("attributes"):
        merged.update(values)
    return merged


def _execution_path(scope: Scope) -> str:
    entry = scope.last("execution_path")
    if entry is None:
        return ""
    _, line, path = entry
    text = scope.text(path, line)
    if text is not None and (text.startswith("/") or ".." in text.split("/")):
        raise scope.wrong(f"{path!r} becomes {text!r}, which leaves the session's directory", line)
    # the composite base case has no parameters to tell its directory from the others'
    path = os.path.normpath(text or "")
    return "" if path == "." else path


def _id_line(scope: Scope) -> int:
    entry = scope.last("set_id")
    return 0 if entry is None else int(entry[1])


def _modules(scope: Scope) -> tuple[tuple[str, str | None], ...]:
    return tuple((name, use) for _, _, name, use in scope.active("modules"))


def _rcfiles(scope: Scope) -> tuple[str, ...]:
    where = os.path.dirname(scope.file.file)  # noqa: PTH120 - made for every job
    return tuple(os.path.join(where, name) for _, _, name in scope.active("rcfiles"))  # noqa: PTH118 - made for every job


def _preload(scope: Scope) -> str | None:
    entry = scope.last("preload")
    return None if entry is None else str(entry[2])


def _mask(scope: Scope) -> Mask:
    reason = scope.data.get("skipif")
    if reason is not None:
        return Mask(True, reason)
    for entry in scope.data.get("enable", ()):
        verdict = scope.verdict(entry)
        if entry[2] and not verdict:
            return Mask(True, f"not enabled: {verdict.reason}")
        if not entry[2] and verdict:
            return Mask(True, "disabled by enable(False)")
    return UNMASKED


_FIELDS: Final[Mapping[str, tuple[str, Callable[[Scope], Any]]]] = FrozenDict(
    {
        "owners": ("owners", _owners),
        "assets": ("assets", _assets),
        "xstatus": ("xstatus", _xstatus),
        "exclusive": ("exclusive", _exclusive),
        "launcher": ("options", _options),
        "attributes": ("attributes", _attributes),
        "execution_path": ("exec_path", _execution_path),
        "modules": ("modules", _modules),
        "set_id": ("id_line", _id_line),
        "rcfiles": ("rcfiles", _rcfiles),
        "preload": ("preload", _preload),
    }
)
