"""What a test sees of itself, in real directories with real locks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import canary
from canary.errors import RecordError
from canary_pyt import remarks
from canary_pyt.instance import (
    MissingTestInstance,
    MissingTestInstanceError,
    TestInstance,
    TestMultiInstance,
    get_instance,
)

TEXT = """import canary
d = canary.directives
d.keywords("k", "l")
d.cpus(2)
d.parameterize("n,m", [(1, "a"), (2, "b")])
d.link("*.txt")
d.copy(src="x.txt", dst="y.txt")
d.baseline("a", "b")
d.set_attribute(who=["me"])
d.timeout("1m")
d.analyze()
"""


@pytest.fixture
def place(in_job, tmp_path):
    (tmp_path / "src").mkdir()
    for name in ("x.txt", "z.txt"):
        (tmp_path / "src" / name).touch()
    return lambda which: in_job(TEXT, which)


def test_one_job(place, tmp_path, monkeypatch):
    directory = place(0)
    monkeypatch.chdir(directory)
    self = canary.get_instance()
    source = str(tmp_path / "src")
    assert type(self) is TestInstance
    assert self
    assert (self.file_root, self.file_path) == (str(tmp_path), "src/t.pyt")
    assert self.file == f"{source}/t.pyt"
    assert (self.name, self.family) == ("t.m=a.n=1", "t")
    assert len(self.id) == 64
    assert self.keywords == ["k", "l"]
    assert self.parameters == {"n": 1, "m": "a", "cpus": 2}
    assert self.timeout == 60.0
    assert (self.cpu_ids, self.gpu_ids) == (["0", "1"], [])
    assert (self.cpus, self.gpus, self.processors) == (2, 0, 2)
    assert self.baseline == [{"src": "a", "dst": "b", "flag": None}]
    assert self.sources == {
        "link": [(f"{source}/x.txt", None), (f"{source}/z.txt", None)],
        "copy": [(f"{source}/x.txt", "y.txt")],
    }
    assert self.work_tree == self.working_directory == str(directory)
    assert self.state.phase == "PENDING"
    assert (self.status.category.value, self.status.code, self.returncode) == ("NONE", -1, -1)
    assert (self.start, self.stop) == (-1.0, -1.0)
    assert self.variables["CANARY_CPU_IDS"] == "0,1"
    assert self.attributes == {"who": ["me"]}
    assert self.dependencies == []
    assert (self.ofile, self.efile) == ("canary-out.txt", None)
    assert self.lockfile == f"{directory}/testcase.lock"
    assert (self.analyze, self.multicase) == (False, False)
    assert self.logfile() == self.logfile("setup") == f"{directory}/canary-out.txt"
    assert self.output() == ""
    (directory / "canary-out.txt").write_text("said")
    assert self.output() == "said"
    assert canary.test.instance == self


def test_the_composite_base_case(place):
    self = get_instance(place(2))
    assert type(self) is TestMultiInstance
    assert (self.analyze, self.multicase) == (True, True)
    assert self.parameters == {"n": (1, 2), "m": ("a", "b"), "cpus": (2, 2)}
    assert self.parameters["n,m"] == ((1, "a"), (2, "b"))
    assert [d.name for d in self.dependencies] == ["t.m=a.n=1", "t.m=b.n=2"]
    first = self.dependencies[0]
    assert self.get_dependency(n=1, m="a") is first
    assert self.get_dependency(n=1, m="a", cpus=2) is first
    assert self.get_dependency(n=1) is None
    assert self.get_dependency(n=3, m="a") is None
    assert self.attributes["multicase"] is True


def test_a_dependency_s_lock_is_read_only_when_asked_for(place):
    directory = place(2)
    lock = json.loads((directory / "testcase.lock").read_text())
    child = Path(lock["workspace"]["root"], lock["dependencies"][0]["path"])
    (child / "testcase.lock").unlink()
    self = get_instance(directory)
    assert self.name == "t"
    with pytest.raises(RecordError, match="cannot read the job's lock"):
        self.dependencies  # noqa: B018 - it raises


@pytest.mark.parametrize("how", ["file", "directory", "text"])
def test_ways_to_name_a_job(place, how):
    directory = place(0)
    arg = {"file": directory / "testcase.lock", "directory": directory, "text": str(directory)}[how]
    assert get_instance(arg).name == "t.m=a.n=1"


def test_from_wherever_the_test_has_gone(place, monkeypatch, tmp_path):
    directory = place(0)
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin")
    assert get_instance().name == "t.m=a.n=1"


def test_outside_of_a_job(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "/usr/bin")
    self = canary.get_instance()
    assert isinstance(self, canary.MissingTestInstance)
    assert not self
    with pytest.raises(MissingTestInstanceError, match="no 'name': there is no job in"):
        self.name  # noqa: B018 - it raises
    assert isinstance(get_instance("/nonexistent"), MissingTestInstance)
    assert isinstance(get_instance(tmp_path), MissingTestInstance)
    assert "MissingTestInstance(file='/nonexistent')" in repr(get_instance("/nonexistent"))
    assert canary.get_job() is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": 1}', '{"schema": 99, "spec": {}}'])
def test_a_damaged_lock(tmp_path, content):
    (tmp_path / "testcase.lock").write_text(content)
    with pytest.raises((RecordError, KeyError)):
        get_instance(tmp_path)


def test_what_is_set_is_remembered(place):
    directory = place(0)
    self = get_instance(directory)
    self.set_attribute(a=1, b=[2])
    self.add_measurement("speed", 1.5)
    assert self.attributes == {"who": ["me"], "a": 1, "b": [2]}
    lines = (directory / ".canary-remarks.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"attributes": {"a": 1, "b": [2]}},
        {"measurements": {"speed": 1.5}},
    ]


def test_attributes_are_seen_in_the_lock_while_the_test_runs(place, monkeypatch):
    from canary import lockfile

    directory = place(0)
    before = lockfile.read(directory)
    monkeypatch.chdir(directory)
    get_instance().set_attribute(attribute=23)
    canary.get_job().attributes["e"] = float("inf")
    lock = lockfile.read(directory)
    assert lock["spec"].pop("attributes") == {"who": ["me"], "attribute": 23, "e": float("inf")}
    assert before["spec"].pop("attributes") == {"who": ["me"]}
    assert lock == before
    assert get_instance().attributes["attribute"] == canary.get_job().attributes["attribute"] == 23
    # a job that is over has its record, which is not the test's to change
    before["state"]["phase"] = "DONE"
    lockfile.write(directory, before, "{}")
    # and a lock that cannot be read does no harm
    for text in ((directory / "testcase.lock").read_text(), "{"):
        (directory / "testcase.lock").write_text(text)
        remarks.set_attributes({"late": 1})
        assert (directory / "testcase.lock").read_text() == text


def test_the_live_job(place, monkeypatch):
    directory = place(0)
    monkeypatch.chdir(directory)
    job = canary.get_job()
    assert job.name == "t.m=a.n=1"
    assert canary.get_testcase().id == job.id
    job.add_measurement("a", 1)
    job.measurements.update({"b": 2})
    job.set_attribute(c=3)
    job.set_attributes(d=4)
    job.attributes["e"] = 5
    assert remarks.read(str(directory)) == {
        "measurements": {"a": 1, "b": 2},
        "attributes": {"c": 3, "d": 4, "e": 5},
    }


def test_equal_and_shown(place):
    directory = place(0)
    one, two = get_instance(directory), get_instance(directory)
    assert one == two
    assert hash(one) == hash(two)
    assert one != get_instance(directory.parent / "t.m=b.n=2")
    assert repr(one).startswith("TestInstance(name='t.m=a.n=1', id=")


def test_no_large_import(python, place):
    done = python(
        "-c",
        "import sys, canary; i = canary.get_instance(); i.parameters; i.attributes\n"
        "print(*sorted(m for m in ('json', 're', 'typing', 'pathlib', 'functools', 'dataclasses')"
        " if m in sys.modules))",
        cwd=place(0),
        env={"PYTHONSAFEPATH": "1"},
    )
    assert done.stdout.split() == [], done.stderr
