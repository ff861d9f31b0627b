"""The launcher `srun`: commands on the nodes of the allocation that this process is in.

A job on this very node is started as any local one. For another node, `srun` is started here in its
place and takes the command there; it passes on output, exit code and the request to end. Resources
are canary's to hand out: to Slurm, each step may use all of the node that the allocation has.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Final

from canary.launch import Launch
from canary.process import SubprocessLauncher

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


class SrunLauncher(SubprocessLauncher):
    """Starts commands where their resources are."""

    name: ClassVar[str] = "srun"

    def start(self, launches: Sequence[Launch]) -> None:
        """See `Launcher.start`."""
        super().start([on_node(launch, os.environ) for launch in launches])


def here(environ: Mapping[str, str]) -> str:
    """The name that Slurm has for the node this process is on."""
    return environ.get("SLURMD_NODENAME") or socket.gethostname().partition(".")[0]


def on_node(launch: Launch, environ: Mapping[str, str]) -> Launch:
    """The launch as it is to be started on this node; a job of several nodes starts on its
    first."""
    nodes = [str(entry["node"]) for entry in launch.resources.get("cpus", ())]
    if not nodes or here(environ) in nodes or "SLURM_JOB_ID" not in environ:
        return launch
    env = {k: v for k, v in launch.env.items() if k not in _SHAPES}
    words = (*_STEP, f"--nodelist={nodes[0]}", "--", *launch.argv)
    return replace(launch, argv=words, env=env)
