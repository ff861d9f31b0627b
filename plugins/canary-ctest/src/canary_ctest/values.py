"""Values of properties as ctest shows them, from the texts of `set_tests_properties`.

Each takes a text and returns plain data, None if ctest would not show the property, or UNKNOWN for
what releases of ctest may take in more than one way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

UNKNOWN: Final = object()

_ON: Final = frozenset({"1", "ON", "YES", "TRUE", "Y"})
_OFF: Final = frozenset({"0", "OFF", "NO", "FALSE", "N"})
_NUMBER: Final = re.compile(r"\d{1,9}(?:\.\d{1,6})?", re.ASCII)
_WHOLE: Final = re.compile(r"\d{1,6}", re.ASCII)


def listed(text: str) -> Any:
    """A list, as CMake takes `a;b` apart."""
    if ";" not in text:
        return [text] if text else None
    if any(c in text for c in "[]\\"):
        return UNKNOWN  # semicolons between brackets do not part
    return [word for word in text.split(";") if word] or None


def sorted_set(text: str) -> Any:
    """A list in the order of its bytes, each once."""
    words = listed(text)
    return sorted(set(words)) if isinstance(words, list) else words


def truth(text: str) -> Any:
    """True, or nothing."""
    word = text.upper()
    return True if word in _ON else None if word in _OFF else UNKNOWN


def seconds(text: str) -> Any:
    """A number that is there even if it is 0."""
    return float(text) if _NUMBER.fullmatch(text) else UNKNOWN


def cost(text: str) -> Any:
    """A number of single precision, of which whole ones are exact."""
    return (float(text) or None) if _WHOLE.fullmatch(text) else UNKNOWN


def processors(text: str) -> Any:
    """How many; one is nothing to show."""
    if not _WHOLE.fullmatch(text):
        return UNKNOWN
    return int(text) if int(text) > 1 else None


def code(text: str) -> Any:
    """An exit code."""
    return int(text) if _WHOLE.fullmatch(text) and int(text) <= 255 else UNKNOWN


def measurement(text: str) -> Any:
    """`NAME=VALUE`."""
    name, sign, value = text.partition("=")
    return [{"measurement": name, "value": value}] if sign and name else UNKNOWN


VALUES: Final[Mapping[str, Callable[[str], Any]]] = {
    **dict.fromkeys(
        (
            *("ATTACHED_FILES", "ATTACHED_FILES_ON_FAIL", "DEPENDS", "REQUIRED_FILES"),
            *("ENVIRONMENT", "ENVIRONMENT_MODIFICATION"),
            *(f"{kind}_REGULAR_EXPRESSION" for kind in ("FAIL", "PASS", "SKIP")),
        ),
        listed,
    ),
    **dict.fromkeys(
        (*(f"FIXTURES_{kind}" for kind in ("CLEANUP", "REQUIRED", "SETUP")), "LABELS"), sorted_set
    ),
    "RESOURCE_LOCK": sorted_set,
    **dict.fromkeys(("DISABLED", "PROCESSOR_AFFINITY", "RUN_SERIAL", "WILL_FAIL"), truth),
    "COST": cost,
    "MEASUREMENT": measurement,
    "PROCESSORS": processors,
    "SKIP_RETURN_CODE": code,
    "TIMEOUT": seconds,
}
