"""ranks.py [raise | CODE]: rank 1 ends so, the others wait for it."""

import sys

from mpi4py import MPI

world = MPI.COMM_WORLD
print(f"rank {world.rank} of {world.size}", flush=True)
if world.rank == 1 and len(sys.argv) > 1:
    if sys.argv[1] == "raise":
        raise RuntimeError("rank 1 has had enough")
    sys.exit(int(sys.argv[1]))
world.barrier()
