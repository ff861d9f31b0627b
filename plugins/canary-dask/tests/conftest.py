"""A Dask cluster of its own: a scheduler and two workers, as a user starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest_plugins = ["canary.testing.fixtures"]
QUIET = {"PYTHONWARNINGS": "ignore"}


class Cluster:
    """A scheduler on this machine; `workers` of three threads each by their address."""

    def __init__(self, directory):
        self.directory = directory
        self.file = directory / "scheduler.json"
        self.workers = {}
        self.scheduler = self._start(
            "dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", self.file
        )
        self._until(self.file.exists)
        self._until(lambda: self.file.read_text().strip().endswith("}"))
        self.address = json.loads(self.file.read_text())["address"]

    def add_worker(self):
        """Start one and wait until the scheduler knows it; its address."""
        words = ("--no-nanny", "--nthreads", "3", "--host", "127.0.0.1", "--local-directory")
        process = self._start("dask_worker", self.address, *words, self.directory)
        known = self._until(lambda: set(self.addresses()) - set(self.workers))
        (address,) = known
        self.workers[address] = process
        return address

    def addresses(self):
        client = self.client()
        try:
            return list(client.scheduler_info(n_workers=-1)["workers"])
        finally:
            client.close()

    def client(self):
        from distributed import Client

        return Client(self.address, timeout=20, set_as_default=False)

    def kill(self, address):
        process = self.workers.pop(address)
        process.kill()
        process.wait()

    def close(self):
        for process in (*self.workers.values(), self.scheduler):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, program, *words):
        log = (self.directory / f"{program}.log").open("ab")
        command = [sys.executable, "-m", f"distributed.cli.{program}", "--no-dashboard"]
        env = {**os.environ, **QUIET}
        with log:
            return subprocess.Popen(
                [*command, *map(str, words)], stdout=log, stderr=log, env=env, cwd=self.directory
            )

    @staticmethod
    def _until(condition, seconds=25.0):
        end = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < end, "the cluster did not come up"
            time.sleep(0.05)
        return found


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """Workers are added by the tests that need them; there are two to begin with."""
    made = Cluster(Path(tmp_path_factory.mktemp("dask")))
    try:
        made.add_worker()
        made.add_worker()
        yield made
    finally:
        made.close()
