"""The command line with which each MPI starts ranks for one of many jobs.

That many jobs share the machine is what differs from a shell: ranks may be more than the CPUs that
MPI counts, they must not all be bound to the first ones, and root may be who runs the tests. Pure
functions; nothing is looked up here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from canary_mpi.flavour import INTEL, MPICH, OPENMPI, SRUN, Starter

# Gives each rank one of the GPUs that the job has, whichever MPI started it.
ONE_GPU: Final = r"""
local=${OMPI_COMM_WORLD_LOCAL_RANK:-${MPI_LOCALRANKID:-${SLURM_LOCALID:-0}}}
pick() { shift $(($1 % ($# - 1) + 1)); printf %s "$1"; }
for name in CUDA_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES ZE_AFFINITY_MASK; do
  eval "all=\${$name-}"
  [ -n "$all" ] || continue
  IFS=,; one=$(pick "$local" $all); unset IFS
  export "$name=$one"
  [ "$name" != ROCR_VISIBLE_DEVICES ] || export HIP_VISIBLE_DEVICES=0
done
unset -v all one name local
exec "$@"
"""


class Plan(NamedTuple):
    """How a program is to be started.

    `hosts` are `(name, ranks)`, empty for this host alone; `bind` is `none` or what the MPI takes
    (`core`, `socket`, …); `way` is for `srun --mpi=`.
    """

    ranks: int
    hosts: tuple[tuple[str, int], ...] = ()
    bind: str = "none"
    flags: tuple[str, ...] = ()
    one_gpu: bool = False
    is_root: bool = False
    way: str = ""


def command(starter: Starter, plan: Plan, program: Sequence[str]) -> list[str]:
    """The words that start `program`."""
    words = [starter.path, "-n", str(plan.ranks)]
    if starter.kind == OPENMPI:
        words += _openmpi(plan)
    elif starter.kind in (MPICH, INTEL):
        words += _hydra(starter.kind, plan)
    elif starter.kind == SRUN:
        words += _srun(plan)
    front = ["/bin/sh", "-c", ONE_GPU, "sh"] if plan.one_gpu else []
    return [*words, *plan.flags, *front, *program]


def _openmpi(plan: Plan) -> list[str]:
    words = ["--oversubscribe", "--bind-to", plan.bind]
    if plan.is_root:
        words.append("--allow-run-as-root")
    if plan.hosts:
        words += ["--host", ",".join(f"{name}:{n}" for name, n in plan.hosts)]
    return words


def _hydra(kind: str, plan: Plan) -> list[str]:
    words = []
    if kind == INTEL and plan.bind == "none":
        words += ["-genv", "I_MPI_PIN", "0"]
    elif kind == MPICH and plan.bind != "none":
        words += ["-bind-to", plan.bind]
    if plan.hosts and kind == MPICH:
        words += ["-hosts", ",".join(f"{name}:{n}" for name, n in plan.hosts)]
    elif plan.hosts:
        most = max(n for _, n in plan.hosts)
        words += ["-hosts", ",".join(name for name, _ in plan.hosts), "-ppn", str(most)]
    return words


def _srun(plan: Plan) -> list[str]:
    # the step may share CPUs with others of the allocation: which job has what, canary says
    words = ["--kill-on-bad-exit=1", "--overlap", "--overcommit"]
    if plan.way:
        words.append(f"--mpi={plan.way}")
    if plan.bind == "none":
        words.append("--cpu-bind=none")
    if plan.hosts:
        names = ",".join(name for name, _ in plan.hosts)
        words += ["--nodes", str(len(plan.hosts)), "--nodelist", names]
    return words
