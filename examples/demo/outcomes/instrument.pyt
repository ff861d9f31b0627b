"""A test that finds out only when it runs that it cannot run here: SKIPPED, with the reason."""

import sys
from pathlib import Path

import canary
from canary_pyt import directives

directives.keywords("laboratory")


def test():
    device = Path("/dev/spectrometer0")
    if not device.exists():
        raise canary.TestSkipped(f"there is no {device} on this machine")
    return 0


if __name__ == "__main__":
    sys.exit(test())
