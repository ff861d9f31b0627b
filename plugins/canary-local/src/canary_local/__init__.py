"""Jobs on this machine: kept in control groups, pinned to CPUs, Python scripts started warm."""
