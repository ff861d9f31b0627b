# Writes a table that another test reads. A job has a directory of its own; files are left there.
from pathlib import Path

import canary

canary.directives.keywords("example", "fast")

if __name__ == "__main__":
    lines = [f"{i} {i * i}" for i in range(1, 11)]
    Path("squares.txt").write_text("\n".join(lines) + "\n")
    assert lines[-1] == "10 100"
