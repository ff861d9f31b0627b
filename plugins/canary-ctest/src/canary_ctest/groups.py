"""RESOURCE_GROUPS: reading CTest's resource specification files, and who gets which slot.

A group is a list of `{"type", "slots"}`; a job's groups are a list of them. Pure functions of plain
data, but for `read_spec`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from canary.errors import ResourceError

Groups = Sequence[Sequence[Mapping[str, Any]]]
Instances = dict[str, list[dict[str, Any]]]


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
    "slots"}]}`.

    Empty if they are too few: a test may ask whether the count is set, and take it that the rest
    is then. A requirement gets one instance where one has enough; the largest choose first.
    """
    free = {t: _merged(instances) for t, instances in given.items()}
    wanted = [
        (requirement["slots"], i, j, requirement["type"])
        for i, group in enumerate(groups)
        for j, requirement in enumerate(group)
    ]
    wanted.sort(key=lambda w: (-w[0], w[1], w[2]))
    shares: dict[tuple[int, int], list[str]] = {}
    for slots, i, j, type in wanted:
        taken = _take(free.get(type, {}), slots)
        if taken is None:
            return {}
        shares[i, j] = [f"id:{id},slots:{n}" for id, n in taken]
    out = {"CTEST_RESOURCE_GROUP_COUNT": str(len(groups))}
    for i, group in enumerate(groups):
        types = sorted({requirement["type"] for requirement in group})
        out[f"CTEST_RESOURCE_GROUP_{i}"] = ",".join(types)
        for type in types:
            parts = [s for j, r in enumerate(group) if r["type"] == type for s in shares[i, j]]
            out[f"CTEST_RESOURCE_GROUP_{i}_{type.upper()}"] = ";".join(parts)
    return out


def _merged(instances: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    out: dict[str, int] = {}
    for instance in instances:
        id = str(instance["id"])
        out[id] = out.get(id, 0) + int(instance["slots"])
    return out


def _take(free: dict[str, int], slots: int) -> list[tuple[str, int]] | None:
    """Slots of the instance that they fill best; of several only if none has enough."""
    fitting = [(n, id) for id, n in free.items() if n >= slots]
    if fitting:
        _, id = min(fitting, key=lambda f: f[0])
        free[id] -= slots
        return [(id, slots)]
    if sum(free.values()) < slots:
        return None
    out = []
    for id, n in sorted(free.items(), key=lambda f: -f[1]):
        taken = min(n, slots)
        if taken:
            free[id] -= taken
            slots -= taken
            out.append((id, taken))
    return out
