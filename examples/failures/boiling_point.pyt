"""DIFFED: the program runs and gives a number, which is not that of the reference.

The reference is for sea level; somebody has changed the altitude in the input. Whether that is a
mistake, or the reference is out of date, a person has to say: `canary rebaseline` accepts it.
"""

import json
import math
import sys
from pathlib import Path

import canary
from canary_pyt import directives

directives.keywords("thermodynamics", "regression")
directives.copy("input.json", "reference.json")
directives.baseline(src="result.json", dst="reference.json")


def boiling_celsius(altitude):
    """Barometric formula and Clausius-Clapeyron for water."""
    gas, molar_mass, gravity, heat = 8.314, 0.02896, 9.81, 40660.0
    log_ratio = -molar_mass * gravity * altitude / (gas * 288.15)
    return 1 / (1 / 373.124 - gas * log_ratio / heat) - 273.15


def test():
    altitude = json.loads(Path("input.json").read_text())["altitude_m"]
    result = {"boiling_celsius": round(boiling_celsius(altitude), 2)}
    Path("result.json").write_text(json.dumps(result))
    reference = json.loads(Path("reference.json").read_text())
    here, there = result["boiling_celsius"], reference["boiling_celsius"]
    print(f"water boils at {here} C at {altitude} m, the reference has {there} C")
    if not math.isclose(here, there, abs_tol=0.05):
        raise canary.TestDiffed(f"{here} C, the reference has {there} C")
    return 0


if __name__ == "__main__":
    sys.exit(test())
