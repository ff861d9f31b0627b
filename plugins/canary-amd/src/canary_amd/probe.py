"""Asks `amdsmi` what GPUs are called and prints it as JSON; run as a process of its own, by its
path.

The library belongs to the driver: it may hang or crash, and where it is missing the binding fails
in ways of its own. So it is never loaded into canary. This module knows nothing of canary.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from typing import Any


def names() -> dict[str, str]:
    """`{place on the bus: name}`."""
    amdsmi = importlib.import_module("amdsmi")  # it may not be there
    found = {}
    amdsmi.amdsmi_init()
    try:
        for handle in amdsmi.amdsmi_get_processor_handles():
            place = amdsmi.amdsmi_get_gpu_device_bdf(handle)
            found[place.lower()] = amdsmi.amdsmi_get_gpu_asic_info(handle)["market_name"]
    finally:
        amdsmi.amdsmi_shut_down()
    return found


def main() -> None:
    """Print the answer; an error is one too."""
    answer: dict[str, Any]
    with contextlib.redirect_stdout(sys.stderr):  # the binding prints
        try:
            answer = {"names": names()}
        except Exception as e:  # noqa: BLE001 - KeyError, AttributeError, …: the binding raises what it likes
            answer = {"error": f"{type(e).__name__}: {e}"}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
