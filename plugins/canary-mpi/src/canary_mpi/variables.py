"""Variables by which any `mpiexec` behaves where many jobs share a machine."""

from __future__ import annotations

from typing import Final

# What makes an `mpiexec` that a test calls by itself behave among other jobs. Each MPI reads its
# own and leaves those of the others alone.
VARIABLES: Final = (
    ("OMPI_MCA_rmaps_base_oversubscribe", "1"),
    ("OMPI_MCA_hwloc_base_binding_policy", "none"),
    ("PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe"),
    ("PRTE_MCA_hwloc_default_binding_policy", "none"),
    ("I_MPI_PIN", "0"),
)
ROOT_VARIABLES: Final = (
    ("OMPI_ALLOW_RUN_AS_ROOT", "1"),
    ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"),
)
