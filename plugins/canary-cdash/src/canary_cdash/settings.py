"""Where results go, and as whose."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from canary.declare import Settings


def _doc(text: str) -> dict[str, Any]:
    return {"help": text, "flag": None}


@dataclass(frozen=True, slots=True)
class CDashSettings(Settings):
    """Defaults of the options of `canary report cdash`."""

    section: ClassVar[str] = "cdash"
    commands: ClassVar[tuple[str, ...]] = ()
    url: str | None = field(default=None, metadata=_doc("address of CDash, without the project"))
    project: str | None = field(default=None, metadata=_doc("the project on CDash"))
    site: str | None = field(default=None, metadata=_doc("name of this machine on CDash"))
    build: str | None = field(default=None, metadata=_doc("name of the build on CDash"))
    track: str | None = field(default=None, metadata=_doc("group of builds on CDash"))
    subprojects: tuple[str, ...] = field(
        default=(), metadata=_doc("labels that are subprojects on CDash")
    )
