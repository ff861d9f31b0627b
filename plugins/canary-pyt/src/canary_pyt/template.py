"""Many jobs that differ in ID, name and parameters only, at a sixth of the constructor's price.

The constructor of a frozen dataclass sets each field through `object.__setattr__`. Here the fields
of a twin with the same slots are set in the ordinary way, and the twin then becomes a `JobSpec`,
which is as frozen as any other. Python allows that because both have the same slots and bases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final

from canary.frozen import EMPTY
from canary.spec import JobSpec

Maker = Callable[[str, str, Mapping[str, Any]], JobSpec]


def _twin() -> Any:
    varied = {"id": "id", "name": "name", "parameters": "parameters"}
    names = [f.name for f in fields(JobSpec)]
    lines = [f"        self.{n} = {varied.get(n, f'sample.{n}')}" for n in names]
    text = "\n".join(
        (
            "class Twin:",
            f"    __slots__ = {tuple(names)!r}",
            "    def __init__(self, sample, id, name, parameters):",
            *lines,
        )
    )
    namespace: dict[str, Any] = {}
    exec(text, namespace)
    return namespace["Twin"]


_Twin: Final = _twin()
_DEFAULT: Final = JobSpec(file_root="", file_path="", id="", family="", name="", command=())


def maker(common: Mapping[str, Any]) -> Maker:
    """A function of ID, name and parameters that makes specs; `common` are their other fields."""
    sample = _Twin(_DEFAULT, "", "", EMPTY)
    for key, value in common.items():
        setattr(sample, key, value)

    def make(id: str, name: str, parameters: Mapping[str, Any]) -> JobSpec:
        spec = _Twin(sample, id, name, parameters)
        spec.__class__ = JobSpec
        return spec  # type: ignore[no-any-return]  # it is one now

    return make
