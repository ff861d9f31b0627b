"""RESOURCE_GROUPS: reading CTest's resource specification files, and who gets which slot.

A group is a list of `{"type", "slots"}`; a job's groups are a list of them. Pure functions of plain
data, but for `read_spec`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from canary.errors import ResourceError
from canary.resources import pack
from canary_ctest.names import COUNT

Groups = Sequence[Sequence[Mapping[str, Any]]]
Instances = dict[str, list[dict[str, Any]]]


def pieces(groups: Groups) -> dict[str, tuple[int, ...]]:
    """The requirements of more than a slot, and those beside them: `{type: sizes}`."""
    out: dict[str, list[int]] = {}
    for group in groups:
        for requirement in group:
            out.setdefault(requirement["type"], []).append(requirement["slots"])
    return {t: tuple(sorted(x, reverse=True)) for t, x in out.items() if max(x) > 1}


def groups_of(value: Any) -> list[list[dict[str, Any]]]:
    """The groups in the form of ctest's JSON, as plain lists."""
    return [
        [{"type": r[".type"], "slots": int(r["slots"])} for r in group["requirements"]]
        for group in value or ()
    ]


def totals(groups: Groups) -> dict[str, int]:
    """Slots of each type in all."""
    out: dict[str, int] = {}
    for group in groups:
        for requirement in group:
            out[requirement["type"]] = out.get(requirement["type"], 0) + requirement["slots"]
    return out


def read_spec(path: str) -> Instances:
    """`{type: [{"id", "slots"}]}` of a resource specification file; ResourceError if it is none."""
    try:
        with open(path, encoding="utf-8") as f:
            data = json.load(f)
    except OSError as e:
        raise ResourceError(f"cannot be read: {e.strerror}", file=path) from None
    except ValueError as e:
        line = getattr(e, "lineno", None)
        message = getattr(e, "msg", str(e))
        raise ResourceError(f"not JSON: {message}", file=path, line=line) from None
    try:
        local = data["local"]
        if isinstance(local, list):
            (local,) = local
        return {str(t): [_instance(i) for i in instances] for t, instances in local.items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ResourceError(
            "not a resource specification",
            hint='want {"version": {"major": 1, "minor": 0}, '
            '"local": [{TYPE: [{"id": ID, "slots": 1}]}]}',
            file=path,
        ) from None


def _instance(data: Mapping[str, Any]) -> dict[str, Any]:
    slots = data.get("slots", 1)
    if isinstance(slots, bool) or not isinstance(slots, int) or slots < 0:
        raise ValueError
    if not isinstance(data["id"], str):
        raise TypeError
    return {"id": data["id"], "slots": slots}


def variables(groups: Groups, given: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, str]:
    """The `CTEST_RESOURCE_GROUP_*` of a job that was given these instances, `{type: [{"id",
    "slots"}]}`; each requirement gets one of them.

    Empty if that cannot be: a test may ask whether the count is set, and take it that the rest is
    then.
    """
    wanted: dict[str, list[tuple[int, int, int]]] = {}
    for i, group in enumerate(groups):
        for j, requirement in enumerate(group):
            wanted.setdefault(requirement["type"], []).append((-requirement["slots"], i, j))
    shares: dict[tuple[int, int], str] = {}
    for type, places in wanted.items():
        places.sort()
        ids = pack([-n for n, _, _ in places], _merged(given.get(type, ())))
        if ids is None:
            return {}
        for id, (n, i, j) in zip(ids, places, strict=True):
            shares[i, j] = f"id:{id},slots:{-n}"
    out = {COUNT: str(len(groups))}
    for i, group in enumerate(groups):
        types = sorted({requirement["type"] for requirement in group})
        out[f"CTEST_RESOURCE_GROUP_{i}"] = ",".join(types)
        for type in types:
            parts = [shares[i, j] for j, r in enumerate(group) if r["type"] == type]
            out[f"CTEST_RESOURCE_GROUP_{i}_{type.upper()}"] = ";".join(parts)
    return out


def _merged(instances: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    out: dict[str, int] = {}
    for instance in instances:
        id = str(instance["id"])
        out[id] = out.get(id, 0) + int(instance["slots"])
    return out
