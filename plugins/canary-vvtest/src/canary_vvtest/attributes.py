"""The fields of a job other than its name, ID and parameters, in the scope of that job."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from canary.frozen import EMPTY, FrozenDict
from canary.scope import Scope
from canary.spec import UNMASKED, Artifact, Asset, Baseline, DependencyPattern, Mask

OUTPUT: Final = "execute.log"
# what a test of vvtest exits with to say that it skips, and what one of canary does
SKIP_CODES: Final = (80, 63)
# in the attributes of a job: what `vvtest_util` needs besides the job
ATTRIBUTE: Final = "vvtest"
_UNKNOWN: Final = "UNKNOWN@UNKNOWN"


def fixed_resources(scope: Scope, parameters: Collection[str]) -> dict[str, int]:
    """What the directives `cpus`, `gpus` and `nodes` ask for."""
    fixed: dict[str, int] = {}
    for _, place, kind, count in scope.active("meta"):
        if kind in parameters:
            hint = f"drop '{kind} : {count}' or give one of them a condition"
            raise scope.wrong(f"{kind} is a parameter already", place, hint=hint)
        fixed[kind] = count
    return fixed


def command(scope: Scope) -> tuple[str, ...]:
    """How the file is run: by this Python, or by the other program that its `#!` line names."""
    words: tuple[str, ...] = tuple(scope.data.get("interpreter", (sys.executable,)))
    base = scope.file.path.rpartition("/")[2]
    # a name that looks like an option would be taken for one
    return (*words, f"./{base}" if base.startswith("-") else base)


def fields_of(scope: Scope, fixed: Mapping[str, int]) -> dict[str, Any]:
    """Everything of a `JobSpec` but `id`, `name` and `parameters`."""
    fields = _shared(scope, fixed)
    fields["command"] = command(scope)
    if "baseline" in scope.data:
        fields["baseline"] = _baseline(scope)
    if "depends_on" in scope.data:
        fields["dependencies"] = tuple(
            DependencyPattern(scope.text(pattern, place) or pattern, when, expects, _line(place))
            for _, place, pattern, when, expects in scope.active("depends_on")
        )
    return fields


def base_case_fields(
    scope: Scope,
    place: Any,
    flag: str | None,
    script: str | None,
) -> dict[str, Any]:
    """The same for the composite base case: it inherits no resources, baseline or dependencies."""
    fields = _shared(scope, EMPTY)
    fields["command"] = command(scope)
    if flag is not None:
        fields["command"] += (scope.text(flag, place) or flag,)
    elif script is not None:
        script = scope.text(script, place) or script
        # its own path, so that what is not there or cannot be executed is said of it
        where = scope.file.file.rpartition("/")[0]
        fields["command"] = (script if script.startswith("/") else f"{where}/{script}",)
        fields["assets"] = (*fields.get("assets", ()), Asset(script))
    return fields


def _line(place: Any) -> int:
    return int(place[0] if isinstance(place, tuple) else place)


def _shared(scope: Scope, fixed: Mapping[str, int]) -> dict[str, Any]:
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
        "attributes": _attributes(scope),
        "stdout": OUTPUT,
        "skip_codes": SKIP_CODES,
    }
    for key in data:
        if key in _FIELDS:
            name, make = _FIELDS[key]
            fields[name] = make(scope)
    if "skipif" in data or "enable" in data:
        fields["mask"] = _mask(scope)
    return fields


def _keywords(scope: Scope) -> tuple[str, ...]:
    words: dict[str, None] = {}
    for _, _, entry in scope.active("keywords"):
        words.update(dict.fromkeys(entry))
    return tuple(words)


def _artifacts(scope: Scope) -> tuple[Artifact, ...]:
    own = []
    for _, place, pattern, save_on in scope.active("artifact"):
        text = scope.text(pattern, place)
        if text is not None:
            own.append(Artifact(text, save_on))
    kept = ("testcase.lock", OUTPUT, scope.file.path.rpartition("/")[2])
    return (*own, *map(Artifact, kept))


def _attributes(scope: Scope) -> Mapping[str, Any]:
    """Those that the file sets, and under one name of ours what `vvtest_util` is to say."""
    merged: dict[str, Any] = {}
    if "attributes" in scope.data:
        for _, _, values in scope.active("attributes"):
            merged.update(values)
    own: dict[str, Any] = {}
    if scope.context.options:
        own["options"] = sorted(scope.context.options)
    compiler = _compiler(scope.context.config)
    if compiler != _UNKNOWN:
        own["compiler"] = compiler
    if own:
        merged[ATTRIBUTE] = own
    return FrozenDict(merged) if merged else EMPTY


def _compiler(config: Mapping[str, Any]) -> str:
    """`vendor@version` from the configuration, if some plugin keeps that there."""
    section = config.get("cmake")
    compiler = section.get("compiler") if isinstance(section, Mapping) else None
    if not isinstance(compiler, Mapping) or not compiler.get("vendor"):
        return _UNKNOWN
    return f"{compiler['vendor']}@{compiler.get('version') or 'UNKNOWN'}"


def _assets(scope: Scope) -> tuple[Asset, ...]:
    out = []
    for _, place, action, src, dst in scope.active("assets"):
        source = scope.text(src, place)
        target = dst if dst is None else scope.text(dst, place)
        if source is not None and (dst is None) == (target is None):
            out.append(Asset(source, target, action))
    return tuple(out)


def _baseline(scope: Scope) -> tuple[Baseline, ...]:
    out = []
    for _, place, src, dst, flag in scope.active("baseline"):
        if flag is not None:
            out.append(Baseline(flag=flag))
        else:
            out.append(Baseline(scope.text(src, place), scope.text(dst, place)))
    return tuple(out)


def _xstatus(scope: Scope) -> int:
    entry = scope.last("xstatus")
    return 0 if entry is None else int(entry[2])


def _exclusive(scope: Scope) -> bool:
    return any(True for _ in scope.active("exclusive"))


def _execution_path(scope: Scope) -> str:
    entry = scope.last("execution_path")
    if entry is None:
        return ""
    _, place, path = entry
    text = scope.text(path, place)
    if text is not None and (text.startswith("/") or ".." in text.split("/")):
        raise scope.wrong(f"{path!r} becomes {text!r}, which leaves the session's directory", place)
    # the composite base case has no parameters to tell its directory from the others'
    path = os.path.normpath(text or "")
    return "" if path == "." else path


def _modules(scope: Scope) -> tuple[tuple[str, str | None], ...]:
    return tuple((name, use) for _, _, name, use in scope.active("modules"))


def _rcfiles(scope: Scope) -> tuple[str, ...]:
    where = scope.file.file.rpartition("/")[0]
    return tuple(
        name if name.startswith("/") else f"{where}/{name}"
        for _, _, name in scope.active("rcfiles")
    )


def _preload(scope: Scope) -> str | None:
    entry = scope.last("preload")
    return None if entry is None else str(entry[2])


def _mask(scope: Scope) -> Mask:
    for entry in scope.active("skipif"):
        return Mask(True, entry[2])
    for entry in scope.data.get("enable", ()):
        verdict = scope.verdict(entry)
        if entry[2] and not verdict:
            return Mask(True, f"not enabled: {verdict.reason}")
        if not entry[2] and verdict:
            return Mask(True, "disabled by 'enable : false'")
    return UNMASKED


_FIELDS: Final[Mapping[str, tuple[str, Callable[[Scope], Any]]]] = FrozenDict(
    {
        "owners": ("owners", lambda scope: tuple(scope.data["owners"])),
        "assets": ("assets", _assets),
        "xstatus": ("xstatus", _xstatus),
        "exclusive": ("exclusive", _exclusive),
        "execution_path": ("exec_path", _execution_path),
        "modules": ("modules", _modules),
        "rcfiles": ("rcfiles", _rcfiles),
        "preload": ("preload", _preload),
    }
)
