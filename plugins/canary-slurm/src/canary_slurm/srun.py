"""The launcher `srun`: commands on the nodes of the allocation that this process is in.

A job on this very node is started as any local one. For another node, `srun` is started here in its
place and takes the command there; it passes on output, exit code and the request to end. Resources
are canary's to hand out: to Slurm, each step may use all of the node that the allocation has.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final

from canary.launch import Launch
from canary.process import SubprocessLauncher
from canary_slurm.machine import here

# what an allocation says of its tasks would be taken for options of the step
_SHAPES: Final = (
    "SLURM_CPUS_PER_TASK",
    "SLURM_MEM_PER_CPU",
    "SLURM_MEM_PER_NODE",
    "SLURM_NTASKS",
    "SLURM_NTASKS_PER_NODE",
    "SLURM_NPROCS",
    "SLURM_NNODES",
)
_STEP: Final = (
    "srun",
    "--overlap",
    "--nodes=1",
    "--ntasks=1",
    "--mem=0",
    "--mpi=none",
    "--kill-on-bad-exit=1",
    "-QQ",
    "--input=none",
)


# with which Slurm says what GPUs a job has
_VISIBLE: Final = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK")
# what GPUs of another node are called, Slurm says there: of these, in its order, those that are
# the job's, whose numbers come as $0
_ONLY: Final = f"""\
for name in {" ".join(_VISIBLE)}; do
  eval "all=\\${{$name-}}"; n=0; mine=; IFS=,
  for word in $all; do
    case ",$0," in *",$n,"*) mine="$mine${{mine:+,}}$word";; esac
    n=$((n + 1))
  done
  unset IFS
  [ -z "$mine" ] || export "$name=$mine"
done
exec "$@"
"""


class SrunLauncher(SubprocessLauncher):
    """Starts commands where their resources are."""

    name: ClassVar[str] = "srun"

    def start(self, launches: Sequence[Launch]) -> None:
        """See `Launcher.start`."""
        super().start([on_node(launch, os.environ) for launch in launches])


def own_gpus(
    entries: Sequence[Mapping[str, Any]], environ: Mapping[str, str]
) -> dict[str, str] | None:
    """The variables with which a job on this node sees those GPUs, in Slurm's order, that it was
    given; None where Slurm has said of none, or they are on another node."""
    numbers = [str(entry["id"]) for entry in entries]
    nodes = {str(entry.get("node", "")) for entry in entries}
    if nodes != {here(environ)} or not all(number.isdecimal() for number in numbers):
        return None
    out = {}
    for name in _VISIBLE:
        given = environ.get(name, "").split(",")
        if environ.get(name) and all(int(number) < len(given) for number in numbers):
            out[name] = ",".join(given[int(number)] for number in numbers)
    return out or None


def on_node(launch: Launch, environ: Mapping[str, str]) -> Launch:
    """The launch as it is to be started on this node; a job of several nodes starts on its
    first."""
    nodes = [str(entry["node"]) for entry in launch.resources.get("cpus", ())]
    if not nodes or here(environ) in nodes or "SLURM_JOB_ID" not in environ:
        return launch
    env = {k: v for k, v in launch.env.items() if k not in _SHAPES}
    gpus = [str(entry["id"]) for entry in launch.resources.get("gpus", ())]
    only = () if not gpus or launch.nodes > 1 else ("sh", "-c", _ONLY, ",".join(gpus))
    words = (*_STEP, f"--nodelist={nodes[0]}", "--", *only, *launch.argv)
    return replace(launch, argv=words, env=env)
