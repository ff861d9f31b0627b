"""What may stand in a file: the keys, their kinds, and the checks that need more than one of them.

`check` turns the data of a file into plain, complete tables for `canary_yaml.expand`, with all
errors of the file at once. `schema.json` says the same for editors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from canary.errors import CanaryError, CanaryErrors
from canary.expression import compile_condition
from canary_yaml import kinds
from canary_yaml.place import Place

FILE_KEYS: Final = ("description", "defaults", "tests")
ATTRIBUTE: Final = "canary_yaml"
MAX_JOBS: Final = 100_000
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_PARAMETER: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_OURS: Final = ("duration", "user", "system", "max_rss", "leaked")
# of these a test adds to what the defaults say
_MERGED: Final = ("environment", "attributes", "resources", "references")
_EXPECTED: Final = MappingProxyType({"pass": 0, "fail": -1, "diff": 64})


def check(data: Any, place: Place) -> dict[str, Any]:
    """`{"description"?, "tests": [table, …]}`; SpecError, or CanaryErrors if there are several."""
    top = kinds.known(data, place, FILE_KEYS)
    if not top.get("tests"):
        raise place.wrong("the file has no tests", "write them below the key tests")
    errors: list[CanaryError] = []
    out: dict[str, Any] = {"tests": []}
    if "description" in top:
        _collect(errors, out, top, place, {"description": kinds.text})
    defaults: dict[str, Any] = {}
    if "defaults" in top:
        defaults = _fields(top["defaults"], place.at("defaults"), errors)
    try:
        tests = kinds.mapping(top["tests"], place.at("tests"))
    except CanaryError as e:
        raise _all([*errors, e]) from None
    for name, value in tests.items():
        where = place.at("tests", name)
        if not _NAME.fullmatch(name):
            hint = "letters, digits and _ . + -, no dot, plus or minus first"
            errors.append(where.wrong("not a name for a test", hint))
        before = len(errors)
        table = _merged(defaults, _fields(value, where, errors))
        if "command" not in table and len(errors) == before:
            errors.append(where.wrong("the test has no command"))
        out["tests"].append({**table, "name": name, "line": where.line})
    if errors:
        raise _all(errors)
    return out


def _all(errors: Sequence[CanaryError]) -> CanaryError:
    return errors[0] if len(errors) == 1 else CanaryErrors(errors)


def _fields(value: Any, place: Place, errors: list[CanaryError]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    try:
        table = kinds.mapping(value, place)
    except CanaryError as e:
        errors.append(e)
        return out
    if not KEYS.keys() >= table.keys():
        for key in table:
            try:
                kinds.known({key: None}, place, KEYS)
            except CanaryError as e:
                errors.append(e)
    _collect(errors, out, table, place, KEYS)
    return out


def _collect(
    errors: list[CanaryError],
    out: dict[str, Any],
    table: Mapping[str, Any],
    place: Place,
    keys: Mapping[str, kinds.Kind],
) -> None:
    for key in keys:
        if key in table:
            try:
                out[key] = keys[key](table[key], place.at(key))
            except CanaryError as e:
                errors.append(e)


def _merged(defaults: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    if not defaults:
        return dict(own)
    out = {**defaults, **own}
    for key in _MERGED:
        if key in defaults and key in own:
            out[key] = {**defaults[key], **own[key]}
    return out


def _command(value: Any, place: Place) -> str | list[str]:
    if not isinstance(value, list):
        return kinds.text(value, place)
    if not value:
        raise place.wrong("an empty command")
    words = []
    for i, word in enumerate(value):
        if isinstance(word, bool) or not isinstance(word, (str, int, float)):
            raise place.at(i).wrong(f"expected a text, not {kinds.kind_of(word)}", "quote it")
        words.append(str(word))
    kinds.text(words[0], place.at(0))
    return words


def _parameters(value: Any, place: Place) -> list[dict[str, Any]]:
    """Groups of lists of equal length, to be combined: `[{"keys": […], "rows": [[…], …]}]`."""
    groups = []
    seen: set[str] = set()
    for name, entry in kinds.mapping(value, place).items():
        where = place.at(name)
        if name != "zip":
            groups.append(_group({name: entry}, place, seen))
        elif isinstance(entry, list):
            for i, item in enumerate(entry):
                groups.append(_group(kinds.mapping(item, where.at(i)), where.at(i), seen))
        else:
            groups.append(_group(kinds.mapping(entry, where), where, seen))
    total = 1
    for group in groups:
        total *= len(group["rows"])
    if total > MAX_JOBS:
        raise place.wrong(f"{total} combinations, more than {MAX_JOBS}")
    return groups


def _group(table: Mapping[str, Any], place: Place, seen: set[str]) -> dict[str, Any]:
    columns: list[list[Any]] = []
    for name, values in table.items():
        where = place.at(name)
        if not _PARAMETER.fullmatch(name):
            raise where.wrong("not a name for a parameter", "letters, digits and _")
        if name in seen:
            raise where.wrong("a parameter that is given twice")
        seen.add(name)
        column = kinds.listed(values, where, kinds.scalar)
        if not column:
            raise where.wrong("a parameter without values")
        if len(set(map(repr, column))) < len(column) and len(table) == 1:
            raise where.wrong("a value that is given twice")
        if columns and len(column) != len(columns[0]):
            first = next(iter(table))
            raise where.wrong(f"{len(column)} values, where {first} has {len(columns[0])}")
        columns.append(column)
    if not columns:
        raise place.wrong("a group without parameters")
    return {"keys": list(table), "rows": [list(row) for row in zip(*columns, strict=True)]}


def _resources(value: Any, place: Place) -> dict[str, Any]:
    return dict(kinds.mapped(value, place, kinds.count))


def _assets(value: Any, place: Place) -> list[list[Any]]:
    out: list[list[Any]] = []
    table = kinds.known(value, place, ("copy", "link"))
    for action, entries in table.items():

        def one(item: Any, where: Place, action: str = action) -> list[Any]:
            if not isinstance(item, dict):
                return [kinds.text(item, where), None, action]
            pair = _record(item, where, {"src": kinds.text, "dst": _plain_name}, ("src",))
            return [pair["src"], pair.get("dst"), action]

        out += kinds.listed(entries, place.at(action), one)
    return out


def _plain_name(value: Any, place: Place) -> str:
    name = kinds.text(value, place)
    if "/" in name or name in (".", ".."):
        raise place.wrong(f"{name!r} is not a plain name", "it is a file in the job's directory")
    return name


def _record(
    value: Any, place: Place, keys: Mapping[str, kinds.Kind], needed: Sequence[str]
) -> dict[str, Any]:
    table = kinds.known(value, place, keys)
    for key in needed:
        if key not in table:
            raise place.wrong(f"the key {key} is missing")
    return {key: keys[key](item, place.at(key)) for key, item in table.items()}


def _depends(value: Any, place: Place) -> list[dict[str, Any]]:
    def one(item: Any, where: Place) -> dict[str, Any]:
        if not isinstance(item, dict):
            return {"job": kinds.text(item, where), "line": where.line}
        shape = {"job": kinds.text, "when": _when, "expects": _expects}
        return {**_record(item, where, shape, ("job",)), "line": where.line}

    return kinds.listed(value, place, one)


def _when(value: Any, place: Place) -> str:
    condition = kinds.text(value, place)
    try:
        compile_condition(condition)
    except CanaryError as e:
        raise place.wrong(e.message, e.hint) from None
    return condition


def _expects(value: Any, place: Place) -> str | int:
    if value in ("+", "?", "*") or (type(value) is int and value >= 0):
        return value  # type: ignore[no-any-return]  # one of the two
    raise place.wrong(f"expected a number or one of + ? *, not {value!r}")


def _artifacts(value: Any, place: Place) -> list[list[str]]:
    def one(item: Any, where: Place) -> list[str]:
        if not isinstance(item, dict):
            return [_inside(item, where), "always"]
        pair = _record(item, where, {"pattern": _inside, "when": _keep}, ("pattern",))
        return [pair["pattern"], pair.get("when", "always")]

    return kinds.listed(value, place, one)


def _inside(value: Any, place: Place) -> str:
    path = kinds.text(value, place)
    if path.startswith("/") or ".." in path.split("/"):
        raise place.wrong(f"{path!r} leaves the job's directory")
    return path


def _keep(value: Any, place: Place) -> str:
    return kinds.choice(value, place, ("always", "success", "failure"))


def _baseline(value: Any, place: Place) -> list[list[str | None]]:
    def one(item: Any, where: Place) -> list[str | None]:
        if "flag" in kinds.mapping(item, where):
            flag = _record(item, where, {"flag": kinds.text}, ())
            return [None, None, flag["flag"]]
        pair = _record(item, where, {"src": _inside, "dst": _inside}, ("src", "dst"))
        return [pair["src"], pair["dst"], None]

    return kinds.listed(value, place, one)


def _launcher(value: Any, place: Place) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {"launcher": kinds.text(value, place)}
    if "name" not in kinds.mapping(value, place):
        raise place.wrong("the key name is missing")
    options = dict(kinds.mapped(value, place, kinds.plain))
    name = kinds.text(options.pop("name"), place.at("name"))
    return {**options, "launcher": name}


def _attributes(value: Any, place: Place) -> dict[str, Any]:
    if ATTRIBUTE in kinds.mapping(value, place):
        raise place.at(ATTRIBUTE).wrong("this name is taken")
    return dict(kinds.mapped(value, place, kinds.plain))


def _expect(value: Any, place: Place) -> int:
    if isinstance(value, str):
        return _EXPECTED[kinds.choice(value, place, tuple(_EXPECTED))]
    if isinstance(value, bool) or not isinstance(value, int):
        raise place.wrong(f"expected pass, fail, diff or an exit code, not {value!r}")
    return kinds.code(value, place)


def _skip_codes(value: Any, place: Place) -> list[int]:
    return kinds.listed(value, place, kinds.code)


def _expressions(value: Any, place: Place) -> list[str]:
    return kinds.listed(value, place, kinds.expression)


def _references(value: Any, place: Place) -> dict[str, Any]:
    return {
        name: _reference(name, item, place.at(name))
        for name, item in kinds.mapping(value, place).items()
    }


def _reference(name: str, value: Any, place: Place) -> dict[str, Any]:
    if name in _OURS or not name:
        raise place.wrong("canary measures that itself", "choose another name")
    shape: dict[str, Callable[[Any, Place], Any]] = {
        "pattern": kinds.expression,
        "value": kinds.number,
        "lower": kinds.bound,
        "upper": kinds.bound,
        "unit": kinds.text,
    }
    table = _record(value, place, shape, ("pattern",))
    table["line"] = place.line
    if "${" not in table["pattern"]:
        one_group(table["pattern"], place.at("pattern"))
    for key, sign in (("lower", -1), ("upper", 1)):
        if key not in table:
            continue
        if "value" not in table:
            raise place.at(key).wrong("a bound without a value", "give the reference value, too")
        if table[key][0] * sign < 0:
            hint = "it is a distance from the value, such as -5% or -0.1 below and 5% above"
            raise place.at(key).wrong(f"{key} is on the wrong side of the value", hint)
    return table


def one_group(source: str, place: Place) -> None:
    """Refuse an expression that does not say which part is the number."""
    groups = kinds.compiled(source, place).groups
    if groups != 1:
        hint = "put the number into ( ), and other groups into (?: )"
        raise place.wrong(f"the expression has {groups} groups and needs one", hint)


KEYS: Final[Mapping[str, kinds.Kind]] = {
    "command": _command,
    "description": kinds.text,
    "keywords": kinds.texts,
    "owners": kinds.texts,
    "parameters": _parameters,
    "resources": _resources,
    "environment": kinds.variables,
    "timeout": kinds.duration,
    "assets": _assets,
    "depends_on": _depends,
    "artifacts": _artifacts,
    "attributes": _attributes,
    "expect": _expect,
    "skip_codes": _skip_codes,
    "exclusive": kinds.boolean,
    "launcher": _launcher,
    "baseline": _baseline,
    "pass_regex": _expressions,
    "fail_regex": _expressions,
    "references": _references,
}
