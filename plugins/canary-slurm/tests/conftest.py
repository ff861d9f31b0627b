"""A cluster for the session, canary on it, and what became of jobs."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from canary.testing.fixtures import start_canary, until

pytest_plugins = ["canary.testing.fixtures"]

SCRIPT = Path(__file__).parents[3] / "contrib" / "slurm-cluster" / "slurm_cluster.py"
LIMIT = 120.0  # seconds that anything on the cluster may take on a busy machine
NEEDED = ("sbatch", "srun", "slurmctld", "slurmd", "munged")


class Cluster:
    """The Slurm of contrib/slurm-cluster; `environment` is what makes clients find it."""

    def __init__(self, directory):
        self.directory = directory
        self.environment = {}
        self.books = False  # is there an accounting?

    def do(self, *words, limit=LIMIT):
        command = [sys.executable, str(SCRIPT), "--dir", str(self.directory), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def up(self, *words):
        self.do("up", *words)
        for line in self.do("env").splitlines():
            name, _, value = line.removeprefix("export ").partition("=")
            self.environment[name] = shlex.split(value)[0]

    def ask(self, *words):
        done = subprocess.run(
            words,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        return done.stdout

    def queued(self, name="%j"):
        """What is in the queue, ended jobs left out."""
        return self.ask("squeue", "-h", "-o", f"%i|{name}|%T|%r").split("\n")[:-1]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    missing = [name for name in NEEDED if shutil.which(name, path=path_of_root()) is None]
    if missing:
        pytest.skip(f"Slurm is not installed: no {', '.join(missing)}")
    if os.geteuid() != 0:
        pytest.skip("only root can start a Slurm")
    books = all(shutil.which(n, path=path_of_root()) for n in ("slurmdbd", "mariadbd"))
    made = Cluster(tmp_path_factory.mktemp("slurm") / "cluster")
    made.books = books
    options = ["--port", str(free_ports()), "--set", "MinJobAge=2", "--set", "SlurmdTimeout=6"]
    try:
        made.up(*options, *([] if books else ["--no-accounting"]))
        yield made
    finally:
        made.do("down")


def free_ports():
    """The first of the ports that a cluster takes, none of which anybody has."""
    first = os.getpid() % 20
    for block in (*range(first, 20), *range(first)):
        port = 20000 + block * 600
        with contextlib.ExitStack() as stack:
            try:
                for offset in (0, 1, 11, 12, 13, 14):
                    one = stack.enter_context(socket.socket())
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    one.bind(("127.0.0.1", port + offset))
            except OSError:
                continue
        return port
    raise AssertionError("twenty clusters are here already")


def path_of_root():
    return f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"


class Run:
    """A canary that runs on the cluster, in a directory of its own."""

    def __init__(self, cluster, home, environment, words):
        self.home = home
        self.cluster = cluster
        self.environment = {**environment, **cluster.environment}
        self.output = home / "output.txt"
        home.mkdir(parents=True, exist_ok=True)
        self.process = start_canary(*words, cwd=home, env=self.environment, output=self.output)

    def wait(self, limit=LIMIT):
        code = self.process.wait(limit)
        self.text = self.output.read_text()
        return code

    def locks(self):
        """Batches that are open: their directories and tickets."""
        found = {}
        for lock in self.home.glob(".canary/sessions/*/hpc.batches/*/batch.lock"):
            try:
                found[lock.parent] = json.loads(lock.read_text())["ticket"]
            except (OSError, ValueError):
                continue
        return found

    def tickets(self):
        return [t for t in self.locks().values() if t]

    def lines(self, kind):
        """Lines of that kind in the logs of batches."""
        out = []
        for log in self.home.glob(".canary/sessions/*/hpc.batches/*/events.jsonl"):
            whole = [line for line in log.read_text().splitlines(True) if line.endswith("\n")]
            out += [data for line in whole if (data := json.loads(line))["e"] == kind]
        return out

    def started(self, n=1):
        return until(lambda: len(self.lines("job_started")) >= n, f"the start of {n} jobs")

    def canary(self, *words):
        return subprocess.run(
            [sys.executable, "-m", "canary", *words],
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )

    def results(self):
        """`{name: outcome}` of all jobs, and of `reasons` what is said of each."""
        jobs = json.loads(self.canary("query", "jobs").stdout)
        self.reasons = {job["name"]: job["status"]["reason"] or "" for job in jobs}
        return {job["name"]: job["status"]["outcome"] for job in jobs}

    def is_clean(self):
        """No job of this run is in the queue, and no batch is open."""
        names = {d.name for d in self.home.glob(".canary/sessions/*/hpc.batches/*")}
        mine = [q for q in self.cluster.queued() if any(f"canary-{n}" in q for n in names)]
        alive = [q for q in mine if "|COMPLETING|" not in q]
        return alive == [] and self.locks() == {}


@pytest.fixture
def start(cluster, tmp_path, canary_environment):
    """`start(*words)`: canary on the cluster; what is still there at the end is killed."""
    runs = []

    def begin(*words, home="run", env=None):
        environment = {**canary_environment, **(env or {})}
        runs.append(Run(cluster, tmp_path / home, environment, words))
        return runs[-1]

    yield begin
    for run in runs:
        if run.process.poll() is None:
            run.process.kill()
            run.process.wait()
        if tickets := run.tickets():
            cluster.ask("scancel", *tickets)


def write_test(path, body="pass", *directives):
    """A test whose function has this body."""
    lines = [
        "import os, sys, time",
        "import canary",
        *(f"canary.directives.{d}" for d in directives),
    ]
    lines += ["def test():", *(f"    {line}" for line in body.split("\n"))]
    lines += ['if __name__ == "__main__":', "    sys.exit(test())"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def write_mixture(root, n, seed=3):
    """Tests of several widths that wait for each other, and pass, fail, differ, skip or hang."""
    draw = random.Random(seed)
    bodies = {
        "pass": "return 0",
        "fail": "return 3",
        "diff": "return 64",
        "skip": "return 80",
        "hang": "time.sleep(60)",
    }
    for i in range(n):
        width = draw.choices((1, 2, 4, 8), (60, 25, 10, 5))[0]
        kind = draw.choices(tuple(bodies), (82, 8, 4, 4, 1))[0]
        directives = [f'parameterize("cpus", [{width}])']
        parents = draw.sample(range(i), min(i, draw.choice((0, 0, 1, 2)))) if i % 2 else []
        directives += [f'depends_on("t{j:03d}.cpus=*")' for j in parents]
        if kind == "hang":
            directives.append("timeout(2.0)")
        body = f"assert len(os.environ['CANARY_CPU_IDS'].split(',')) == {width}\n{bodies[kind]}"
        write_test(root / f"t{i:03d}.pyt", body, *directives)


@pytest.fixture(scope="session")
def tools():
    """What of this file tests call by name: there is no package to import it from."""
    named = (Run, until, write_test, write_mixture)
    return SimpleNamespace(**{thing.__name__: thing for thing in named})
