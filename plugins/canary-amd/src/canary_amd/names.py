"""What GPUs are called, if `amdsmi` is installed and answers. Nothing depends on it but names."""

from __future__ import annotations

import importlib.util

from canary.process import ask_script
from canary_amd import probe


def find(seconds: float) -> tuple[dict[str, str], str]:
    """`{place on the bus: name}`, and what went wrong."""
    if importlib.util.find_spec("amdsmi") is None:
        return {}, ""
    answer = ask_script(probe.__file__, seconds)
    problem = answer.get("error", "")
    return dict(answer.get("names", {})), problem and f"amdsmi: {problem}"
