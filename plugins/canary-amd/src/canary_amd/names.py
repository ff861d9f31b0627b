"""What GPUs are called, if `amdsmi` is installed and answers. Nothing depends on it but names."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

from canary_amd import probe


def find(seconds: float) -> tuple[dict[str, str], str]:
    """`{place on the bus: name}`, and what went wrong."""
    if importlib.util.find_spec("amdsmi") is None:
        return {}, ""
    process = subprocess.Popen(
        [sys.executable, str(Path(probe.__file__))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for canary alone
    )
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        _abandon(process)
        return {}, f"amdsmi gave no answer in {seconds:g} s"
    try:
        answer = json.loads(output)
    except ValueError:
        return {}, f"amdsmi ended its process with code {process.returncode}"
    if "error" in answer:
        return {}, f"amdsmi: {answer['error']}"
    return dict(answer["names"]), ""


def _abandon(process: subprocess.Popen[bytes]) -> None:
    """Kill it; one that hangs in the kernel is not waited for."""
    process.kill()
    try:
        process.wait(1.0)
    except subprocess.TimeoutExpired:
        process.returncode = -9
    if process.stdout is not None:
        process.stdout.close()
