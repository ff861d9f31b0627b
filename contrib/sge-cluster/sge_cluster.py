#!/usr/bin/env python3
"""A real Grid Engine on one machine, for tests.

    sge_cluster.py up [options]    configure, start, wait until jobs can run
    sge_cluster.py down            kill all that runs in it, remove its directory
    sge_cluster.py status          what runs (exit 0: all of it, 3: some, 4: nothing)
    sge_cluster.py env             print `export ...` for eval "$(sge_cluster.py env)"
    sge_cluster.py kill DAEMON     kill qmaster or execd
    sge_cluster.py stop DAEMON     end it in good order, so that it saves what it knows
    sge_cluster.py start DAEMON    start it again

It needs root, and Debian's gridengine-master, gridengine-exec and gridengine-client. Everything
lies in one directory; the system's own cell is not touched. Grid Engine listens on all addresses,
so its daemons and jobs live in a network namespace of their own, which has nothing but a loopback
device: nobody reaches them from outside, and two clusters live side by side. The clients that `env`
puts first on PATH enter it by themselves.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

MARK = "CANARY_SGE_CLUSTER"
DEFAULT = "/tmp/canary-sge-cluster"
CELL = "tests"
HOST = "localhost"  # in a namespace without a network no other name has an address
LIBRARY = Path("/usr/lib/gridengine")
SHARE = Path("/usr/share/gridengine")
DAEMONS = ("qmaster", "execd")
CLIENTS = ("qacct", "qalter", "qconf", "qdel", "qhold", "qhost", "qmod", "qrls", "qstat", "qsub")
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


class Trouble(Exception):
    """Said in one line; the program then ends."""


class Cluster:
    def __init__(self, directory):
        self.root = Path(directory).absolute()

    def variables(self):
        # one cluster has its ports for itself: nobody else is in its namespace
        ports = {"SGE_QMASTER_PORT": "6444", "SGE_EXECD_PORT": "6445"}
        return {MARK: str(self.root), "SGE_ROOT": str(self.root), "SGE_CELL": CELL, **ports}

    # who lives in it

    def holder(self):
        """The process that keeps the namespace; None if there is none."""
        with contextlib.suppress(OSError, ValueError):
            pid = int((self.root / "holder").read_text())
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if os.fsencode(self.root) in words and b"hold" in words:
                return pid
        return None

    def processes(self):
        """All that lives in its namespace, or was started for it: `{pid: command}`."""
        holder = self.holder()
        space = Path(f"/proc/{holder}/ns/net").readlink() if holder else None
        mine = f"SGE_ROOT={self.root}".encode()
        found = {}
        for pid in (int(name) for name in os.listdir("/proc") if name.isdecimal()):
            with contextlib.suppress(OSError):
                inside = Path(f"/proc/{pid}/ns/net").readlink() == space
                environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                comm = Path(f"/proc/{pid}/comm").read_text().strip()
                if inside or (mine in environ and comm.startswith("sge_")):
                    found[pid] = comm
        return found

    def daemon(self, name):
        """The number of its process, or None."""
        return next((p for p, comm in self.processes().items() if comm == f"sge_{name}"), None)

    # doing something in it

    def inside(self, *words):
        holder = self.holder()
        if holder is None:
            raise Trouble("it is not up")
        return ["nsenter", f"--target={holder}", "--net", "--uts", "--", *words]

    def ask(self, *words, timeout=30.0):
        """Run a program in it to its end; the answer is `(exit code, output)`."""
        done = subprocess.run(
            self.inside(*words),
            env={**os.environ, **self.variables()},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        return done.returncode, done.stdout

    def check(self, *words):
        code, text = self.ask(*words)
        if code:
            raise Trouble(f"{shlex.join(words)}: exit code {code}: {text.strip()}")
        return text

    def until(self, what, check, seconds=90.0):
        deadline = time.monotonic() + seconds
        while not check():
            if time.monotonic() > deadline:
                raise Trouble(f"{what}: not ready after {seconds:g} s, see {self.root}")
            time.sleep(0.1)

    def spawn(self, words, name):
        with open(self.root / f"{name}.out", "ab") as out:
            return subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self.root,
                # in the foreground, else nobody knows when it is there
                env={**os.environ, **self.variables(), "SGE_ND": "1"},
                start_new_session=True,
            )

    def start(self, name):
        if self.daemon(name):
            return
        self.spawn(self.inside(f"/usr/sbin/sge_{name}"), name)
        if name == "qmaster":
            self.until(name, lambda: self.ask("qconf", "-sm")[0] == 0)

    def accepts_jobs(self):
        """Does the one host of its queue answer?"""
        text = self.ask("qstat", "-f")[1]
        rows = [line.split() for line in text.splitlines() if line.startswith("all.q@")]
        return bool(rows) and all(len(row) == 5 for row in rows)  # the sixth says what is wrong

    def end(self, name, number):
        """Signal a daemon and wait until it is gone."""
        if pid := self.daemon(name):
            os.kill(pid, number)
            self.until(f"the end of {name}", lambda: self.daemon(name) is None)


# configuration


def make_cell(cluster):
    """What the daemons need before they start: programs, a cell, an empty data base."""
    root = cluster.root
    common = root / CELL / "common"
    for path in (common, root / "qmaster" / "job_scripts", root / "spool", root / "execd"):
        path.mkdir(parents=True)
    arch = subprocess.check_output([SHARE / "util" / "arch"], text=True).strip()
    for name in ("bin", "lib", "utilbin"):
        (root / name).mkdir()
        (root / name / arch).symlink_to(LIBRARY)
    (root / "util").symlink_to(SHARE / "util")
    (common / "act_qmaster").write_text(f"{HOST}\n")
    boot = {
        "admin_user": "none",
        "default_domain": "none",
        "ignore_fqdn": "false",
        "spooling_method": "berkeleydb",
        "spooling_lib": "libspoolb",
        "spooling_params": root / "spool",
        "binary_path": "/usr/sbin",
        "qmaster_spool_dir": root / "qmaster",
        "security_mode": "none",
        "listener_threads": 2,
        "worker_threads": 2,
        "scheduler_threads": 1,
    }
    (common / "bootstrap").write_text("".join(f"{k} {v}\n" for k, v in boot.items()))
    usual = (SHARE / "default-configuration").read_text()
    changed = {
        "execd_spool_dir": root / "execd",
        "min_uid": 0,
        "min_gid": 0,
        "load_report_time": "00:00:05",
        "max_unheard": "00:00:30",
        "reporting_params": "accounting=true reporting=false flush_time=00:00:01 joblog=false",
    }
    (root / "configuration").write_text(replaced(usual, changed))
    cluster.check(f"{LIBRARY}/spoolinit", "berkeleydb", "libspoolb", f"{root}/spool", "init")
    put = f"{LIBRARY}/spooldefaults"
    cluster.check(put, "configuration", f"{root}/configuration")
    cluster.check(put, "complexes", f"{SHARE}/util/resources/centry")
    cluster.check(put, "usersets", f"{SHARE}/util/resources/usersets")
    cluster.check(put, "managers", "root")


def replaced(text, changed):
    """Lines of `KEY VALUE`, some with another value."""
    lines = [line for line in text.splitlines() if line.split(" ")[0] not in changed]
    return "\n".join([*lines, *(f"{key} {value}" for key, value in changed.items())]) + "\n"


def make_queue(cluster, args):
    """A queue with one host, a parallel environment, and a scheduler that does not wait."""

    def put(option, name, lines):
        file = cluster.root / name
        file.write_text("".join(f"{key} {value}\n" for key, value in lines.items()))
        cluster.check("qconf", option, str(file))

    cluster.check("qconf", "-as", HOST)
    put("-Ahgrp", "hosts", {"group_name": "@allhosts", "hostlist": HOST})
    none = ("user_lists", "xuser_lists", "start_proc_args", "stop_proc_args", "qsort_args")
    smp = {"pe_name": "smp", "slots": 9999, "allocation_rule": "$pe_slots"}
    smp |= {"control_slaves": "FALSE", "job_is_first_task": "TRUE", "urgency_slots": "min"}
    put("-Ap", "smp", {**smp, **dict.fromkeys(none, "NONE"), "accounting_summary": "FALSE"})
    put("-Aq", "all.q", queue(args.slots, args.notify))
    usual = cluster.check("qconf", "-ssconf")
    quick = {"schedule_interval": "0:0:1", "flush_submit_sec": 1, "flush_finish_sec": 1}
    quick |= {"job_load_adjustments": "NONE", "load_adjustment_decay_time": "0:0:0"}
    (cluster.root / "scheduler").write_text(replaced(usual, quick))
    cluster.check("qconf", "-Msconf", f"{cluster.root}/scheduler")


def queue(slots, notify):
    none = (
        "load_thresholds suspend_thresholds ckpt_list prolog epilog starter_method suspend_method"
        " resume_method terminate_method owner_list user_lists xuser_lists subordinate_list"
        " complex_values projects xprojects calendar"
    )
    kinds = ("rt", "cpu", "fsize", "data", "stack", "core", "rss", "vmem")
    limits = [f"{grade}_{kind}" for grade in "sh" for kind in kinds]
    return {
        "qname": "all.q",
        "hostlist": "@allhosts",
        "seq_no": 0,
        "nsuspend": 1,
        "suspend_interval": "00:05:00",
        "priority": 0,
        "min_cpu_interval": "00:05:00",
        "processors": "UNDEFINED",
        "qtype": "BATCH",
        "pe_list": "smp",
        "rerun": "FALSE",
        "slots": slots,
        "tmpdir": "/tmp",
        "shell": "/bin/sh",
        "shell_start_mode": "unix_behavior",
        "notify": f"00:00:{notify:02d}",
        "initial_state": "default",
        **dict.fromkeys(none.split(), "NONE"),
        **dict.fromkeys(limits, "INFINITY"),
    }


def make_clients(cluster):
    """Programs that enter the namespace first."""
    home = cluster.root / "clients"
    home.mkdir(exist_ok=True)
    for name in CLIENTS:
        words = shlex.join(cluster.inside(f"/usr/bin/{name}"))
        (home / name).write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        (home / name).chmod(0o755)


# commands


def up(cluster, args):
    missing = [name for name in ("qmaster", "execd") if not Path(f"/usr/sbin/sge_{name}").exists()]
    missing += [name for name in CLIENTS if not Path(f"/usr/bin/{name}").exists()]
    if missing:
        raise Trouble(f"Grid Engine is not installed: no {', '.join(missing)}")
    if cluster.holder() is None:
        down(cluster, args)
        cluster.root.mkdir(parents=True)
        words = [sys.executable, __file__, "--dir", str(cluster.root), "hold"]
        held = cluster.spawn(["unshare", "--net", "--uts", "--", *words], "holder")
        (cluster.root / "holder").write_text(str(held.pid))
        cluster.until("its namespace", (cluster.root / "ready").exists)
        make_cell(cluster)
    cluster.start("qmaster")
    if not (cluster.root / "scheduler").exists():
        cluster.start("execd")
        make_queue(cluster, args)
        make_clients(cluster)
    cluster.start("execd")
    cluster.until("the queue", cluster.accepts_jobs)
    return 0


def hold(cluster, _):
    """Be the process that keeps the namespace: give it a name and a loopback device."""
    socket.sethostname(HOST)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))
    (cluster.root / "ready").touch()
    while True:
        signal.pause()


def down(cluster, _):
    while found := cluster.processes():
        holder = cluster.holder()
        # the last is who keeps the namespace, by which the others are found
        for pid in [p for p in found if p != holder] or found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    if (cluster.root / "holder").exists():
        shutil.rmtree(cluster.root)
    return 0


def status(cluster, _):
    found = {name: cluster.daemon(name) for name in DAEMONS}
    if cluster.holder() is None and not any(found.values()):
        print("down")
        return 4
    for name, pid in found.items():
        print(f"{name:8} {pid or 'not running'}")
    return 0 if all(found.values()) else 3 if any(found.values()) else 4


def environment(cluster, _):
    for name, value in cluster.variables().items():
        print(f"export {name}={shlex.quote(value)}")
    print(f"export PATH={shlex.quote(str(cluster.root / 'clients'))}:$PATH")
    return 0


def kill(cluster, args):
    cluster.end(args.name, signal.SIGKILL)
    return 0


def stop(cluster, args):
    cluster.end(args.name, signal.SIGTERM)
    return 0


def start(cluster, args):
    cluster.start(args.name)
    if args.name == "execd":  # a master may wait for a long time for one that comes by itself
        cluster.until("the queue", cluster.accepts_jobs)
    return 0


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dir", default=os.environ.get(MARK, DEFAULT), help="where it lives")
    words = parser.add_subparsers(dest="word", required=True)
    make = words.add_parser("up")
    make.add_argument("--slots", type=int, default=8, help="jobs that run at once")
    make.add_argument("--notify", type=int, default=20, help="seconds from a warning to a kill")
    make.set_defaults(do=up)
    for word, do in (("down", down), ("status", status), ("env", environment), ("hold", hold)):
        words.add_parser(word).set_defaults(do=do)
    for word, do in (("kill", kill), ("stop", stop), ("start", start)):
        one = words.add_parser(word)
        one.add_argument("name", choices=DAEMONS)
        one.set_defaults(do=do)
    return parser.parse_args()


def main():
    args = arguments()
    cluster = Cluster(args.dir)
    try:
        if args.word in ("status", "env", "hold"):
            return args.do(cluster, args)
        if os.geteuid() != 0:
            raise Trouble("only root can do that")
        with open(f"{cluster.root}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # one at a time
            return args.do(cluster, args)
    except Trouble as e:
        print(f"sge_cluster: {e}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
