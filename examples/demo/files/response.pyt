"""Files in, files out, and a reference to compare with.

`copy` and `link` put assets into the work directory before the test runs, if need be under another
name. `baseline` says which result becomes the new reference when `canary rebaseline` is told to
accept it. `artifact` says what to keep for a report.
"""

import csv
import json
import math
import sys
from pathlib import Path

import canary
from canary_pyt import directives

directives.keywords("regression", "physics")
directives.parameterize("damping", ["light", "heavy"])
directives.copy("input/{damping}.json")
directives.link(src="baseline/{damping}.csv", dst="reference.csv")
directives.baseline(src="response.csv", dst="baseline/{damping}.csv")
directives.artifact("response.csv", save_on="failure")


def amplitude(frequency, natural, ratio):
    """Of a driven, damped oscillator, as a multiple of its static deflection."""
    r = frequency / natural
    return 1 / math.sqrt((1 - r * r) ** 2 + (2 * ratio * r) ** 2)


def read(file):
    with open(file, newline="") as lines:
        return [(float(a), float(b)) for a, b in csv.reader(lines)]


def test():
    name = canary.get_instance().parameters.damping
    deck = json.loads(Path(f"{name}.json").read_text())
    frequencies = [deck["natural_hz"] * k / 10 for k in range(1, 21)]
    rows = [(f, amplitude(f, deck["natural_hz"], deck["damping_ratio"])) for f in frequencies]
    with open("response.csv", "w", newline="") as lines:
        csv.writer(lines).writerows((f"{f:.6g}", f"{a:.9g}") for f, a in rows)
    new, old = read("response.csv"), read("reference.csv")
    worst = max(abs(a / b - 1) for (_, a), (_, b) in zip(new, old))
    print(f"{len(new)} points, largest relative difference {worst:.2e}")
    if [f for f, _ in new] != [f for f, _ in old] or worst > 1e-6:
        raise canary.TestDiffed(f"differs from the reference by {worst:.2e}")
    return 0


if __name__ == "__main__":
    sys.exit(test())
