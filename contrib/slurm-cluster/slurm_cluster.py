#!/usr/bin/env python3
"""A real Slurm on one machine that pretends to be several nodes, for tests.

    slurm_cluster.py up [options]     configure, start, wait until all nodes are idle
    slurm_cluster.py down             end all jobs, stop what `up` started, remove its directory
    slurm_cluster.py status           what runs (exit 0: all of it, 3: some, 4: nothing)
    slurm_cluster.py env              print `export ...` for eval "$(slurm_cluster.py env)"
    slurm_cluster.py node-stop NODE   kill a node's daemon and all it runs, as if it lost power
    slurm_cluster.py node-start NODE  let it come back
    slurm_cluster.py kill DAEMON      kill slurmctld, slurmdbd, mariadbd or munged
    slurm_cluster.py stop DAEMON      end it in good order, so that it saves what it knows
    slurm_cluster.py start DAEMON     start it again

It needs root, and Debian's slurmctld, slurmd, slurm-client and munge; slurmdbd,
slurm-wlm-mysql-plugin and mariadb-server for accounting. Everything lies in one directory; the
system's own configuration is not touched, as clients find the cluster through SLURM_CONF alone.
All daemons listen on 127.0.0.1 or on unix sockets.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

MARK = "CANARY_SLURM_CLUSTER"
DEFAULT = "/tmp/canary-slurm-cluster"
CORE = ("munged", "mariadbd", "slurmdbd", "slurmctld")
HOSTS = Path("/etc/hosts")
HOSTS_MARK = "# canary-slurm-cluster"
OWN = ("SLURM_", "SBATCH_", "SQUEUE_", "SRUN_", "SINFO_", "SACCT_", "SCANCEL_", "SALLOC_")


class Trouble(Exception):
    """Said in one line; the program then ends."""


# processes: a number and the time of its start, so that a number used again is nobody of ours


def stamp(pid):
    """When a living process began, in ticks; None for one that is gone or only to be buried."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rsplit(b")", 1)[1].split()
    except (OSError, IndexError):
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def everybody():
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def below(roots):
    """The roots and all their descendants."""
    children = {}
    for pid in everybody():
        with contextlib.suppress(OSError, IndexError):
            text = Path(f"/proc/{pid}/stat").read_bytes().rsplit(b")", 1)[1].split()
            children.setdefault(int(text[1]), []).append(pid)
    found, todo = set(), list(roots)
    while todo:
        pid = todo.pop()
        if pid not in found:
            found.add(pid)
            todo += children.get(pid, ())
    return found


def end(processes, number, seconds):
    """Signal `(pid, stamp)` pairs and wait; return those that are still there."""
    for pid, began in processes:
        if stamp(pid) == began:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
    deadline = time.monotonic() + seconds
    left = processes
    while left and time.monotonic() < deadline:
        left = [(pid, began) for pid, began in left if stamp(pid) == began]
        time.sleep(0.02 if left else 0)
    return left


def stop(processes, seconds=10.0):
    end(end(processes, signal.SIGTERM, seconds), signal.SIGKILL, 3.0)


# the cluster


class Cluster:
    def __init__(self, directory):
        self.root = Path(directory).absolute()
        self.conf = self.root / "etc" / "slurm.conf"
        self.file = self.root / "cluster.json"
        self.settings = None
        with contextlib.suppress(OSError, ValueError):
            self.settings = json.loads(self.file.read_text())

    def variables(self):
        return {"SLURM_CONF": str(self.conf), MARK: str(self.root)}

    def environment(self):
        # nothing of an allocation around us is for daemons of ours
        env = {k: v for k, v in os.environ.items() if not k.startswith(OWN)}
        path = env.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
        return {**env, **self.variables(), "PATH": path, "MYSQL_UNIX_PORT": f"{self.root}/run/db"}

    def program(self, name):
        found = shutil.which(name, path=self.environment()["PATH"])
        if found is None:
            raise Trouble(f"{name} is not installed")
        return found

    def ask(self, *words, timeout=20.0):
        """Run a program to its end; the answer is `(exit code, output)`."""
        try:
            done = subprocess.run(
                words,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return 124, ""
        return done.returncode, done.stdout

    def check(self, *words):
        code, text = self.ask(*words, timeout=120.0)
        if code:
            raise Trouble(f"{shlex.join(words)}: exit code {code}")
        return text

    # names and files

    def nodes(self):
        return [f"n{i + 1}" for i in range(self.settings["nodes"])]

    def daemons(self):
        books = ("mariadbd", "slurmdbd") if not self.settings["accounting"] else ()
        return [name for name in CORE if name not in books] + self.nodes()

    def process(self, name):
        """`(pid, stamp)` of a daemon that runs, else None."""
        try:
            pid, began = json.loads((self.root / "pids" / name).read_text())
        except (OSError, ValueError):
            return None
        return (pid, began) if began is not None and stamp(pid) == began else None

    def recorded(self):
        with contextlib.suppress(OSError):
            return sorted(os.listdir(self.root / "pids"))
        return []

    def write(self, name, text, mode=0o644):
        path = self.root / name
        path.write_text(text)
        path.chmod(mode)

    # starting

    def spawn(self, name, *words):
        if self.process(name):
            return
        with open(self.root / "log" / f"{name}.out", "ab") as out:
            child = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self.root,
                env={**self.environment(), "CANARY_SLURM_NODE": name},
                start_new_session=True,
            )
        (self.root / "pids" / name).write_text(json.dumps([child.pid, stamp(child.pid)]))

    def until(self, what, check, seconds=60.0):
        deadline = time.monotonic() + seconds
        while not check():
            if time.monotonic() > deadline:
                raise Trouble(f"{what}: not ready after {seconds:g} s, see {self.root}/log")
            time.sleep(0.1)

    def start(self, name):
        run = self.root / "run"
        if name == "munged":
            files = {
                "key-file": "munge/key",
                "socket": "run/munge",
                "pid-file": "run/munge.pid",
                "log-file": "log/munged.log",
                "seed-file": "munge/seed",
            }
            words = [f"--{option}={self.root / file}" for option, file in files.items()]
            self.spawn(name, self.program(name), "--foreground", "--force", *words)
            self.until(name, lambda: self.ask("munge", "-n", f"--socket={run}/munge")[0] == 0)
        elif name == "mariadbd":
            self.start_database()
        elif name == "slurmdbd":
            self.spawn(name, self.program(name), "-D")
            self.until(name, lambda: self.ask("sacctmgr", "-n", "list", "cluster")[0] == 0)
            if "canary" not in self.check("sacctmgr", "-nP", "list", "cluster").split("|"):
                self.check("sacctmgr", "-i", "add", "cluster", "canary")
                self.ask("sacctmgr", "-i", "add", "account", "tests", "description=t")
                self.ask("sacctmgr", "-i", "add", "user", "root", "account=tests")
        elif name == "slurmctld":
            self.spawn(name, self.program(name), "-D")
            self.until(name, lambda: "is UP" in self.ask("scontrol", "ping", timeout=5)[1])
        else:
            (self.root / "spool" / name).mkdir(parents=True, exist_ok=True)
            (self.root / "tmp" / name).mkdir(parents=True, exist_ok=True)
            self.spawn(name, self.program("slurmd"), "-D", "-N", name)

    def start_database(self):
        options = f"--defaults-file={self.root}/etc/my.cnf"
        if not (self.root / "db" / "mysql").is_dir():
            own = ("--auth-root-authentication-method=socket", "--auth-root-socket-user=root")
            make = self.program("mariadb-install-db")
            self.check(make, options, "--user=root", "--skip-test-db", *own)
        self.spawn("mariadbd", self.program("mariadbd"), options)
        sql = ("mariadb", options, "-uroot", "-e", "create database if not exists slurm_acct")
        self.until("mariadbd", lambda: self.ask(*sql)[0] == 0)

    def states(self):
        text = self.ask("sinfo", "-h", "-N", "-o", "%N %T", timeout=5)[1]
        return dict(line.split()[:2] for line in text.splitlines() if " " in line)

    def wait_for_nodes(self, names):
        good = ("idle", "mixed", "allocated", "completing")

        def ready():
            states = self.states()
            return all(states.get(name) in good for name in names)

        self.until("nodes", ready)

    # ending

    def steps(self):
        """The daemons of steps on our nodes, and all below them."""
        wanted = f"{MARK}={self.root}".encode()
        roots = set()
        for pid in everybody():
            with contextlib.suppress(OSError):
                name = Path(f"/proc/{pid}/comm").read_text()
                given = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                if name.startswith("slurmstepd") and wanted in given:
                    roots.add(pid)
        return roots

    def node_of(self, pid):
        with contextlib.suppress(OSError):
            for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                if entry.startswith(b"CANARY_SLURM_NODE="):
                    return entry.partition(b"=")[2].decode()
        return None

    def node_stop(self, name):
        roots = {pid for pid in self.steps() if self.node_of(pid) == name}
        own = self.process(name)
        victims = [(pid, stamp(pid)) for pid in below(roots)] + ([own] if own else [])
        end([v for v in victims if v[1] is not None], signal.SIGKILL, 3.0)

    def cancel_all(self):
        """So that an srun or a waiting sbatch elsewhere ends rather than waits for ever."""
        jobs = self.ask("squeue", "-h", "-o", "%A", timeout=3)[1].split()
        for first in range(0, len(jobs), 500):
            self.ask("scancel", *jobs[first : first + 500], timeout=5)
        deadline = time.monotonic() + 5.0
        while jobs and time.monotonic() < deadline:
            jobs = self.ask("squeue", "-h", "-o", "%A", timeout=3)[1].split()
            time.sleep(0.1 if jobs else 0)


# configuration


def configure(cluster):
    settings, root = cluster.settings, cluster.root
    for name in ("etc", "run", "log", "pids", "ctld", "spool", "dev", "db", "munge", "tmp"):
        (root / name).mkdir(parents=True, exist_ok=True)
    root.chmod(0o755)
    (root / "munge").chmod(0o700)
    if not (root / "munge" / "key").exists():
        (root / "munge" / "key").write_bytes(os.urandom(128))
        (root / "munge" / "key").chmod(0o400)
    for i in range(settings["gpus"]):
        device = root / "dev" / f"gpu{i}"
        if not device.exists():
            os.mknod(device, 0o20666, Path("/dev/null").stat().st_rdev)
    host = socket.gethostname().split(".")[0]
    lines = [f"{key}={value}" for key, value in controller(root, settings, host).items()]
    lines += node_lines(settings, host)
    cluster.write("etc/slurm.conf", "\n".join(lines) + "\n")
    cluster.write("etc/gres.conf", gres(root, settings))
    if settings["accounting"]:
        database = database_options(root)
        cluster.write("etc/my.cnf", "[mysqld]\n" + database + f"[client]\nsocket={root}/run/db\n")
        cluster.write("etc/slurmdbd.conf", bookkeeper(root, settings), 0o600)


def controller(root, settings, host):
    """What `slurm.conf` says, nodes and partitions apart."""
    port = settings["port"]
    lines = {
        "ClusterName": "canary",
        "SlurmctldHost": f"{host}(127.0.0.1)",
        "SlurmUser": "root",
        "SlurmdUser": "root",
        "AuthType": "auth/munge",
        "CredType": "cred/munge",
        "AuthInfo": f"socket={root}/run/munge",
        "CommunicationParameters": "NoCtldInAddrAny,NoInAddrAny",
        "SlurmctldPort": port,
        "SrunPortRange": f"{port + 100}-{port + 499}",
        "StateSaveLocation": f"{root}/ctld",
        "SlurmdSpoolDir": f"{root}/spool/%n",
        # one for each node, or two nodes of one step meet in it
        "TmpFS": f"{root}/tmp/%n",
        "SlurmctldPidFile": f"{root}/run/slurmctld.pid",
        "SlurmdPidFile": f"{root}/run/%n.pid",
        "SlurmctldLogFile": f"{root}/log/slurmctld.log",
        "SlurmdLogFile": f"{root}/log/%n.log",
        # one host plays nodes that are larger than itself: nothing is bound or caged
        "SlurmdParameters": "config_overrides",
        "ProctrackType": "proctrack/linuxproc",
        "TaskPlugin": "task/none",
        "JobAcctGatherType": "jobacct_gather/linux",
        "JobAcctGatherFrequency": "task=1",
        "PropagateResourceLimits": "NONE",
        "SwitchType": "switch/none",
        "MpiDefault": "none",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_Core_Memory",
        "DefMemPerCPU": 64,
        "GresTypes": "gpu",
        # tests want quick reactions
        "SchedulerParameters": "bf_interval=2,sched_interval=5,batch_sched_delay=0,"
        "sched_min_interval=0",
        "PreemptType": "preempt/partition_prio",
        "PreemptMode": "REQUEUE",
        "SlurmdTimeout": 10,
        "SlurmctldTimeout": 10,
        "MessageTimeout": 10,
        "KillWait": 2,
        "CompleteWait": 0,
        "InactiveLimit": 0,
        "Waittime": 0,
        "ReturnToService": 2,
        "JobRequeue": 1,
        "MinJobAge": 300,
        "MaxArraySize": 2001,
    }
    if settings["accounting"]:
        lines |= {
            "AccountingStorageType": "accounting_storage/slurmdbd",
            "AccountingStorageHost": "127.0.0.1",
            "AccountingStoragePort": port + 1,
            # else sacctmgr looks for the system's own munge
            "AccountingStoragePass": f"{root}/run/munge",
        }
    for text in settings["set"]:
        key, _, value = text.partition("=")
        lines[key] = value
    return {key: value for key, value in lines.items() if value != ""}


def node_lines(settings, host):
    """Nodes and partitions: `debug`, `short` (one minute), `low` (may be preempted), `gpu`."""
    cpus, gpus = settings["cpus"], settings["gpus"]
    lines = []
    for i in range(settings["nodes"]):
        has = f" Gres=gpu:fake:{gpus}" if gpus and i < settings["gpu_nodes"] else ""
        lines.append(
            f"NodeName=n{i + 1} NodeHostname={host} NodeAddr=127.0.0.1"
            f" Port={settings['port'] + 11 + i} CPUs={cpus} Boards=1 SocketsPerBoard=1"
            f" CoresPerSocket={cpus} ThreadsPerCore=1 RealMemory={settings['memory']}{has}"
        )
    every = f"n[1-{settings['nodes']}]"
    usual = f"Nodes={every} DefaultTime=10 State=UP"
    lines.append(f"PartitionName=debug {usual} Default=YES PriorityTier=10 PreemptMode=OFF")
    lines.append(f"PartitionName=short {usual.replace('10', '1')} MaxTime=1 PreemptMode=OFF")
    lines.append(f"PartitionName=low {usual} PriorityTier=1 PreemptMode=REQUEUE")
    if gpus:
        lines.append(f"PartitionName=gpu Nodes=n[1-{settings['gpu_nodes']}] State=UP")
    return lines


def gres(root, settings):
    gpus = settings["gpus"]
    if not gpus:
        return "AutoDetect=off\n"
    nodes = f"NodeName=n[1-{settings['gpu_nodes']}]"
    return f"AutoDetect=off\n{nodes} Name=gpu Type=fake File={root}/dev/gpu[0-{gpus - 1}]\n"


def bookkeeper(root, settings):
    lines = {
        "AuthType": "auth/munge",
        "AuthInfo": f"socket={root}/run/munge",
        "DbdHost": "localhost",
        "DbdAddr": "127.0.0.1",
        "DbdPort": settings["port"] + 1,
        "SlurmUser": "root",
        "PidFile": f"{root}/run/slurmdbd.pid",
        "LogFile": f"{root}/log/slurmdbd.log",
        "StorageType": "accounting_storage/mysql",
        "StorageHost": "localhost",
        "StorageUser": "root",
        "StorageLoc": "slurm_acct",
        "CommunicationParameters": "NoInAddrAny",
    }
    return "".join(f"{key}={value}\n" for key, value in lines.items())


def database_options(root):
    lines = {
        "datadir": f"{root}/db",
        "socket": f"{root}/run/db",
        "pid-file": f"{root}/run/mariadb.pid",
        "log-error": f"{root}/log/mariadb.log",
        "user": "root",
        "skip-networking": 1,
        "skip-name-resolve": 1,
        "innodb_buffer_pool_size": "64M",
        "innodb_flush_log_at_trx_commit": 0,
        "innodb_lock_wait_timeout": 900,
        "performance_schema": 0,
    }
    return "".join(f"{key}={value}\n" for key, value in lines.items())


def name_host():
    """Slurm binds to the address of the host's name: let that be this machine's own."""
    host = socket.gethostname()
    with contextlib.suppress(OSError):
        if socket.gethostbyname(host).startswith("127."):
            return
    names = " ".join(dict.fromkeys((host, host.split(".")[0])))
    HOSTS.write_text(f"127.0.0.1 {names} {HOSTS_MARK}\n{HOSTS.read_text()}")


def unname_host():
    lines = HOSTS.read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.rstrip().endswith(HOSTS_MARK)]
    if kept != lines:
        HOSTS.write_text("".join(kept))


# commands


def up(cluster, args):
    wanted = {
        "nodes": args.nodes,
        "cpus": args.cpus,
        "memory": args.memory,
        "gpus": args.gpus,
        "gpu_nodes": min(args.gpu_nodes, args.nodes),
        "port": args.port,
        "accounting": not args.no_accounting,
        "set": args.set,
    }
    if cluster.settings not in (None, wanted) or (cluster.settings is None and cluster.recorded()):
        down(cluster, args)
    cluster.settings = wanted
    cluster.root.mkdir(parents=True, exist_ok=True)
    configure(cluster)
    cluster.write("cluster.json", json.dumps(wanted))
    name_host()
    for name in cluster.daemons():
        cluster.start(name)
    cluster.wait_for_nodes(cluster.nodes())
    return 0


def down(cluster, _):
    if cluster.settings and cluster.process("slurmctld") and cluster.process("munged"):
        cluster.cancel_all()
    steps = [(pid, stamp(pid)) for pid in below(cluster.steps())]
    end([s for s in steps if s[1] is not None], signal.SIGKILL, 3.0)
    names = cluster.recorded()
    stop([p for n in names if n not in CORE and (p := cluster.process(n))], 3.0)
    for name in reversed(CORE):
        if found := cluster.process(name):
            stop([found])
    unname_host()
    if (cluster.root / "etc").is_dir():
        shutil.rmtree(cluster.root)
    cluster.settings = None
    return 0


def status(cluster, _):
    if cluster.settings is None:
        print("down")
        return 4
    found = {name: cluster.process(name) for name in cluster.daemons()}
    states = cluster.states() if found["slurmctld"] and found["munged"] else {}
    for name, process in found.items():
        print(
            f"{name:10} {process[0] if process else 'not running'} {states.get(name, '')}".rstrip()
        )
    return 0 if all(found.values()) else 3 if any(found.values()) else 4


def environment(cluster, _):
    for name, value in cluster.variables().items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def node_stop(cluster, args):
    cluster.node_stop(args.name)
    return 0


def node_start(cluster, args):
    cluster.start(args.name)
    cluster.wait_for_nodes([args.name])
    return 0


def kill(cluster, args):
    if found := cluster.process(args.name):
        end([found], signal.SIGKILL, 3.0)
    return 0


def stop_one(cluster, args):
    if found := cluster.process(args.name):
        stop([found])
    return 0


def start(cluster, args):
    cluster.start(args.name)
    return 0


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dir", default=os.environ.get(MARK, DEFAULT), help="where it lives")
    words = parser.add_subparsers(dest="word", required=True)
    make = words.add_parser("up")
    make.add_argument("--nodes", type=int, default=4)
    make.add_argument("--cpus", type=int, default=8, help="CPUs that each node claims")
    make.add_argument("--memory", type=int, default=4096, help="MiB that each node claims")
    make.add_argument("--gpus", type=int, default=4, help="pretended GPUs of a GPU node")
    make.add_argument("--gpu-nodes", type=int, default=2)
    make.add_argument("--port", type=int, default=17900, help="the first of 500 ports")
    make.add_argument("--no-accounting", action="store_true", help="no slurmdbd, so no sacct")
    make.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    make.set_defaults(do=up)
    words.add_parser("down").set_defaults(do=down)
    words.add_parser("status").set_defaults(do=status)
    words.add_parser("env").set_defaults(do=environment)
    for word, do in (("node-stop", node_stop), ("node-start", node_start)):
        one = words.add_parser(word)
        one.add_argument("name", metavar="NODE")
        one.set_defaults(do=do)
    for word, do in (("kill", kill), ("stop", stop_one), ("start", start)):
        one = words.add_parser(word)
        one.add_argument("name", choices=CORE)
        one.set_defaults(do=do)
    return parser.parse_args()


def main():
    args = arguments()
    cluster = Cluster(args.dir)
    try:
        if args.word in ("status", "env"):
            return args.do(cluster, args)
        if os.geteuid() != 0:
            raise Trouble("only root can do that")
        with open(f"{cluster.root}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # one at a time
            cluster = Cluster(args.dir)
            if args.word not in ("up", "down") and cluster.settings is None:
                raise Trouble("it is not up")
            return args.do(cluster, args)
    except Trouble as e:
        print(f"slurm_cluster: {e}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
