"""The experiments' fixtures: a world each, a judge who hears everything out, and a record."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import pytest

LIMIT = 60
ALL = "FAULTS_ALL"  # set: the slow ones too
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


def pytest_configure(config):
    config.addinivalue_line("markers", "experiment(number, title): one of the fault experiments")
    config.stash[_RECORD] = {}


_RECORD = pytest.StashKey[dict]()


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    limit = 900 if os.environ.get(ALL) else LIMIT + 15
    left_out = pytest.mark.skip(reason="slow: ./dev faults runs it")
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.faults)
            if item.get_closest_marker("slow") and not os.environ.get(ALL):
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
    report = yield
    marker = item.get_closest_marker("experiment")
    if marker is None or (call.when != "call" and not (report.skipped or report.failed)):
        return report
    number, title = marker.args
    entry = item.config.stash[_RECORD].setdefault(
        str(number), {"title": title, "verdict": "skipped", "says": [], "seconds": 0.0}
    )
    entry["seconds"] = round(entry["seconds"] + call.duration, 1)
    if report.failed:
        entry["verdict"] = "fails"
        see = item.funcargs.get("see")
        entry["says"] += (see.wrong if see is not None else []) or [str(report.longrepr)[-300:]]
    elif report.passed:
        entry["verdict"] = "holds" if entry["verdict"] != "fails" else "fails"
    elif report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        entry["says"].append(reason.removeprefix("Skipped: "))
    return report


def pytest_sessionfinish(session):
    path = os.environ.get(TABLE)
    if path:
        record = session.config.stash[_RECORD]
        Path(path).write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")


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
def thorough():
    """Is everything to be tried, and not a part that stands for it?"""
    return bool(os.environ.get(ALL))


@pytest.fixture
def as_nobody(world):
    """Words that run a command as a user who may do nothing; none if we are one already."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root, and no setpriv")
    words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    # what setpriv itself starts still has root's ways into directories; what that starts has not
    if world.canary("--version", before=[*words, "env"]).code != 0:
        pytest.skip("nobody else may start it where it is installed")
    return words
