"""MPI programs as tests of canary; see `canary_mpi.plugin`."""
