"""The experiments' fixtures: a world each, a judge who hears everything out, and a record."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path
from types import ModuleType

import pytest

LIMIT = 60
SHOWN = 4  # commands whose words are shown where a trial fails
LONGEST = 4000  # of what each said
TABLE = "FAULT_TABLE"  # a file to write what came of each experiment to


def _load() -> ModuleType:
    """`harness.py` as a module: tests are imported without a package here."""
    spec = importlib.util.spec_from_file_location("harness", Path(__file__).with_name("harness.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["harness"] = module
    spec.loader.exec_module(module)
    return module


harness = _load()


class See:
    """`see(true, "what should hold", found)` notes what does not; all of it is told at the end."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.seen = 0

    def __call__(self, true: object, what: str, found: object = "") -> bool:
        """Note it; whether it held."""
        self.seen += 1
        if not true:
            text = str(found)
            self.wrong.append(f"{what}: {text}" if text else what)
        return bool(true)

    def same(self, found: object, wanted: object, what: str, more: object = "") -> bool:
        """Note it unless they are equal; what was found is asked for once."""
        return self(found == wanted, what, f"{found} {more}".strip())


def pytest_configure(config):
    config.addinivalue_line("markers", "experiment(number, title): one of the fault experiments")
    config.addinivalue_line("markers", "early: takes long; side by side it is begun first")
    if not hasattr(config, "workerinput"):  # one of several beside each other reports to another
        config.pluginmanager.register(Recorder(os.environ.get(TABLE)))


def pytest_collection_modifyitems(config, items):
    here = Path(__file__).parent
    limit = 300 if harness.THOROUGH else LIMIT + 15
    left_out = pytest.mark.skip(reason="slow: ./dev faults runs it")
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.get_closest_marker("early") is None)
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.faults)
            if item.get_closest_marker("slow") and not harness.THOROUGH:
                item.add_marker(left_out)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(limit))


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    see = pyfuncitem.funcargs.get("see")
    if see is None:
        return (yield)
    try:
        answer = yield
    except AssertionError as e:
        see.wrong.append(str(e))
        pytest.fail("\n".join(see.wrong), pytrace=not isinstance(e, harness.Late))
    if see.wrong:
        pytest.fail("\n".join(see.wrong), pytrace=False)
    if not see.seen:
        pytest.fail("nothing was judged", pytrace=False)
    return answer


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Add what the record needs, so that it reaches a process that only collects reports; where a
    trial fails, also what its commands said: their files are gone before anyone can look."""
    report = yield
    if Path(__file__).parent in item.path.parents:
        marker = item.get_closest_marker("experiment")
        see = item.funcargs.get("see") if hasattr(item, "funcargs") else None
        said = list(see.wrong) if see is not None else []
        report.fault = {"experiment": marker and marker.args, "says": said}
        world = item.funcargs.get("ours") if report.failed and report.when == "call" else None
        for runner in world.runners[-SHOWN:] if world else ():
            report.sections.append((runner.err.name, runner.text()[-LONGEST:]))
    return report


class Recorder:
    """Keeps what came of each experiment, wherever it was run."""

    def __init__(self, path: str | None) -> None:
        self.path = path
        self.record = {"experiments": {}, "failed": {}, "counts": {}, "signals": 0}

    def pytest_runtest_logreport(self, report):
        """Note one phase of one test."""
        fault = getattr(report, "fault", None)
        if fault is None or (report.when != "call" and report.passed):
            return
        counts = self.record["counts"]
        counts[report.outcome] = counts.get(report.outcome, 0) + 1
        self.record["signals"] += dict(report.user_properties).get("signals", 0)
        says = fault["says"] or [str(report.longrepr)[-300:]]
        if report.failed:
            self.record["failed"].setdefault(report.nodeid, []).extend(says)
        if fault["experiment"] is None:
            return
        number, title = fault["experiment"]
        entry = self.record["experiments"].setdefault(
            str(number), {"title": title, "verdict": "skipped", "says": [], "seconds": 0.0}
        )
        entry["seconds"] = round(entry["seconds"] + report.duration, 1)
        if report.failed:
            entry["verdict"] = "fails"
            entry["says"] += says
        elif report.passed:
            entry["verdict"] = "holds" if entry["verdict"] != "fails" else "fails"
        elif isinstance(report.longrepr, tuple | list):
            entry["says"].append(report.longrepr[2].removeprefix("Skipped: "))

    def pytest_sessionfinish(self):
        """Write it where that was asked for."""
        if self.path:
            text = json.dumps(self.record, indent=1, ensure_ascii=False)
            Path(self.path).write_text(f"{text}\n")


@pytest.fixture(autouse=True)
def _interrupts():
    """Commands started from here can be interrupted, also where this process itself is deaf."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def see() -> See:
    """The judge."""
    return See()


@pytest.fixture
def world():
    """A world whose directory anybody may enter, with the executable that is on the bench."""
    exe = Path(os.environ.get("FAULT_EXE") or harness.OURS)
    root = Path(tempfile.mkdtemp(prefix="canary-fault-"))
    root.chmod(0o755)
    made = harness.World(root, exe)
    yield made
    made.close()


@pytest.fixture
def ours(world):
    """The same, for what can only be asked of this project's own tool."""
    if not world.ours:
        pytest.skip("asks for something that only this tool has")
    return world


@pytest.fixture
def powerless():
    """Words that run a command without root's ways into what is not ours; none if we have none."""
    if os.geteuid() != 0:
        return []
    words = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    if shutil.which("setpriv") is None or subprocess.run([*words, "true"], check=False).returncode:
        pytest.skip("root, and no setpriv")
    return words


@pytest.fixture
def crowded():
    """`crowded(n)`: words that run a command with room for so many processes of its own."""
    own = Path("/proc/self/cgroup").read_text().splitlines()
    paths = {line.split(":")[1]: line.split(":")[2].strip("/") for line in own}
    groups = Path("/sys/fs/cgroup")
    group = (groups / "pids" if "pids" in paths else groups) / paths.get("pids", paths.get("", ""))
    group /= f"canary-fault-{uuid.uuid4().hex}"
    try:
        group.mkdir()
    except OSError as e:
        pytest.skip(f"no control group can be made here: {e}")

    def words(count: int) -> list[str]:
        limit = group / "pids.max"
        if not limit.exists():
            pytest.skip("control groups do not limit the number of processes here")
        limit.write_text(str(count))
        return ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"]

    yield words
    harness.until("the group is empty", lambda: not (group / "cgroup.procs").read_text())
    group.rmdir()
