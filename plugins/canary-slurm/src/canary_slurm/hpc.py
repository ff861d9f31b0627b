"""`canary hpc`: what there is, what was made of it, and a run by another name."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from canary import fsio, lockfile
from canary.again import program
from canary.declare import Command
from canary.errors import UsageError
from canary.journal import LOG
from canary.parser import Parser
from canary.table import table
from canary_slurm import detach, machine
from canary_slurm.batch import DIRECTORY, MANIFEST, OPEN, OUTPUT, Tail, read_json
from canary_slurm.grouping import slurm_of
from canary_slurm.options import BACKENDS, batching_of

if TYPE_CHECKING:
    from canary.config import Config

HELP: Final = """\
canary hpc run WORDS       canary run -b backend=slurm WORDS
canary hpc exec FILE       run the jobs of a batch's manifest here, as a batch does, --workers=N
                           at once; FILE may be its directory, also given as --workspace=DIR
canary hpc info [BACKEND]  the nodes that batches can be given
canary hpc status          batches of the last session
canary hpc log [BATCH]     what a batch printed; without BATCH, all of the last session
canary hpc attach          follow the session that runs
canary hpc cancel          end it
canary hpc help            this

canary run -b KEY=VALUE (repeatable):
  backend=slurm|local      where batches run (scheduler=, type=)
  spec=SPEC,...            how jobs are packed
    count:N|max            so many batches a level of dependencies; max: one for each job
    duration:T             batches of that length, by a simulated schedule (default 30m)
    nodes:same|any         may a batch hold jobs of different numbers of nodes (default same)
    by:PARAMETER           one batch for each value of a parameter
    atomic                 what is connected by dependencies goes into one batch
    layout:flat|atomic|allocation
                           allocation: one batch of all jobs, on nodes:N
  workers=N                jobs at once in a batch, at most
  option=A,B,...           further words for sbatch (options=, args=, with=)
  array=true               submit batches that ask for the same as a job array
  queue_timeout=T          give a batch up that waits longer (also --timeout queue=T)
  exec=COMMAND             what runs a batch on its node, in place of this Python's canary
  allow_hyperthreading     count logical CPUs
"""


def _run(words: Sequence[str], config: Config) -> int:
    named = any(w.startswith(("backend=", "scheduler=", "type=")) for w in words)
    own = () if named else ("-b", "backend=slurm")
    return _again("run", words, config, "run", *own, *words)


def _exec(words: Sequence[str], config: Config) -> int:
    parser = Parser(prog="canary hpc exec")
    parser.add_argument(
        "manifest", nargs="?", metavar="FILE", help="a manifest, or the directory of a batch"
    )
    parser.add_argument("--workspace", metavar="DIR", help="where FILE is; alone: the batch's")
    parser.add_argument("--workers", metavar="N", type=_positive, help="jobs at once, at most")
    parser.add_argument("--backend", help=argparse.SUPPRESS)
    args = parser.parse(words)
    if args.manifest is None and args.workspace is None:
        raise UsageError("which batch?", hint="canary hpc exec FILE")
    path = Path(config.cwd, args.workspace or "", args.manifest or "")
    path = path / MANIFEST if path.is_dir() else path
    if args.workers is not None:
        path = _with_workers(path, args.workers)
    return _again("exec", words, config, "exec", "--manifest", str(path))


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1")
    return int(text)


def _with_workers(path: Path, workers: int) -> Path:
    """A copy of a manifest, beside it as its log is found there, with so many jobs at once."""
    data = read_json(path)
    if not isinstance(data, dict) or not isinstance(data.get("policy"), dict):
        raise UsageError(f"{path} is not the manifest of a batch", hint="canary hpc status")
    copy = path.with_name(f"{path.stem}-{workers}{path.suffix}")
    changed = {**data, "policy": {**data["policy"], "workers": workers}}
    fsio.write_atomic(copy, lockfile.dump(changed).encode())
    return copy


def _again(action: str, rest: Sequence[str], config: Config, *words: str) -> int:
    """Be another command, with the main options that stood before this one."""
    sys.stdout.flush()
    given = sys.argv[1 : len(sys.argv) - len(rest)]
    names = (COMMAND.name, *COMMAND.aliases)
    plain = len(given) > 1 and given[-2] in names and given[-1] == action
    main = given[:-2] if plain else ["-C", str(config.cwd)]
    os.execv(sys.executable, [*program(), *main, *words])


def _info(words: Sequence[str], config: Config) -> int:
    parser = Parser(prog="canary hpc info")
    parser.add_argument("backend", nargs="?", choices=BACKENDS, default="slurm")
    if parser.parse(words).backend == "local":
        sys.stdout.write("local: batches are processes of this machine\n")
        return 0
    batching = batching_of(config)
    partition = batching.ask.partition if batching is not None else None
    cluster = machine.cluster(slurm_of(config))
    nodes = [p.node for p in cluster.offered(partition)] if partition else cluster.nodes
    rows = [[n.id, *(str(len(n.resources[t])) for t in ("cpus", "gpus"))] for n in nodes]
    _show(("Node", "CPUs", "GPUs"), rows)
    return 0


def _show(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in table(head, rows)))


def _status(words: Sequence[str], config: Config) -> int:
    Parser(prog="canary hpc status").parse(words)
    rows = []
    for directory in _batches(config):
        lines = Tail(directory / LOG).read()
        over = {line["id"] for line in lines if line["e"] == "job_finished" and not line["retry"]}
        jobs = (read_json(directory / MANIFEST) or {}).get("jobs", ())
        lock = read_json(directory / OPEN)
        ticket = str(lock.get("ticket") or "") if isinstance(lock, dict) else ""
        state = "open" if lock else "over"
        rows.append([directory.name, ticket, state, f"{len(over)}/{len(jobs)}"])
    _show(("Batch", "Job", "State", "Tests"), rows)
    return 0


def _log(words: Sequence[str], config: Config) -> int:
    parser = Parser(prog="canary hpc log")
    parser.add_argument("batch", nargs="?", default="")
    name = parser.parse(words).batch[:7]
    found = [d for d in _batches(config) if d.name.startswith(name)]
    if not found:
        raise UsageError(f"no batch {name!r} in the last session", hint="canary hpc status")
    for directory in found:
        path = directory / OUTPUT
        sys.stdout.write(f"{path}\n")
        if path.exists():
            sys.stdout.write(fsio.read_text(str(path)))
    return 0


def _batches(config: Config) -> list[Path]:
    workspace, session = detach.latest(config)
    return sorted(
        p.parent for p in (workspace.sessions / session).glob(f"{DIRECTORY}/*/{MANIFEST}")
    )


def _attach(words: Sequence[str], config: Config) -> int:
    Parser(prog="canary hpc attach").parse(words)
    return detach.attach(config)


def _cancel(words: Sequence[str], config: Config) -> int:
    Parser(prog="canary hpc cancel").parse(words)
    return detach.cancel(config, slurm_of(config))


def _help(_: Sequence[str], __: Config) -> int:
    sys.stdout.write(HELP)
    return 0


ACTIONS: Final[Sequence[tuple[str, Callable[[Sequence[str], Config], int]]]] = (
    ("run", _run),
    ("exec", _exec),
    ("info", _info),
    ("status", _status),
    ("log", _log),
    ("attach", _attach),
    ("cancel", _cancel),
    ("help", _help),
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary hpc`: a word, and what belongs to it."""
    names = tuple(name for name, _ in ACTIONS)
    parser.add_argument("action", choices=names, help="see canary hpc help")
    parser.add_argument("words", nargs=argparse.REMAINDER, help="what belongs to it")


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    return dict(ACTIONS)[args.action](args.words, config)


COMMAND: Final = Command(
    name="hpc",
    help="run in batches on a cluster, and look after them",
    run=run,
    arguments=arguments,
    aliases=("batch",),
    examples=("canary hpc info", "canary hpc run path/to/tests", "canary hpc help"),
)
