# Runs after the test that it depends on, and reads what that has left.
from pathlib import Path

import canary

canary.directives.keywords("example", "fast")
canary.directives.depends_on("squares")

if __name__ == "__main__":
    before = canary.get_instance().dependencies[0]
    table = Path(before.working_directory, "squares.txt").read_text()
    total = sum(int(line.split()[1]) for line in table.splitlines())
    print(f"the squares of 1 to 10 add up to {total}")
    assert total == 385
