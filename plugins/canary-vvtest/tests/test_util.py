"""`vvtest_util.py`: what it says, and that whatever it says can be imported."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from canary.job import Dependency, Job
from canary.workspace import ExecutionSpace
from canary_vvtest import plugin
from canary_vvtest.util import literal


@pytest.fixture
def staged(tmp_path):
    """A job in its directory, as the session makes one ready."""

    def make(spec, upstreams=()):
        job = Job(spec, ExecutionSpace(tmp_path / "session", Path(spec.work_path), "session"))
        job.dependencies = [Dependency(upstream, None) for upstream in upstreams]
        job.assign_resources({"cpus": [{"id": str(i + 3), "slots": 1} for i in range(job.cpus)]})
        job.setup()
        return job

    return make


def said(job, *arguments):
    """All that the module of a job says, as the test sees it."""
    code = (
        "import json, vvtest_util\n"
        "names = {k: v for k, v in vars(vvtest_util).items() if k[0] != '_'}\n"
        "assert names.pop('os').sep and names.pop('sys').platform\n"
        "print(json.dumps(names))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=job.workspace.dir,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_everything_it_says(jobs, staged, tmp_path):
    *children, base = (
        staged(spec)
        for spec in jobs(
            "testname : fam",
            "keywords : k1 k2",
            "timeout : 1:30",
            "parameterize (autotype) : dt,np = 1.00e-2,1 2,2",
            "parameterize : class = x",
            "analyze",
            name="sub/a.vvt",
            options=["o1", "o2=3"],
        )
    )
    plugin.canary_job_setup(children[1])
    session, source = str(tmp_path / "session"), str(tmp_path / "sub")
    name = "fam.class=x.dt=2.np=2"
    common = {
        "NAME": "fam",
        "PLATFORM": "linux",
        "COMPILER": "UNKNOWN@UNKNOWN",
        "TESTROOT": session,
        "VVTESTSRC": "",
        "PROJECT": "",
        "OPTIONS": ["o1", "o2=3"],
        "OPTIONS_OFF": [],
        "SRCDIR": source,
        "TIMEOUT": 90.0,
        "KEYWORDS": ["k1", "k2"],
        "diff_exit_status": 64,
        "skip_exit_status": 63,
        "opt_analyze": False,
        "is_analysis_only": False,
        "is_baseline": False,
        "exec_root": session,
        "file_root": str(tmp_path),
        "file_dir": source,
        "file_path": "sub/a.vvt",
        "RESOURCE_ndevice": 0,
        "RESOURCE_IDS_ndevice": [],
    }
    assert said(children[1]) == {
        **common,
        "JOBID": children[1].id,
        "CASEID": children[1].id,
        "TESTID": f"sub/{name}",
        "is_analyze": False,
        "PARAM_DICT": {"dt": 2, "np": 2, "class": "x"},
        "dt": 2,
        "np": 2,
        "DEPDIRS": [],
        "DEPDIRMAP": {},
        "exec_dir": f"{session}/sub/{name}",
        "exec_path": f"sub/{name}",
        "RESOURCE_np": 2,
        "RESOURCE_IDS_np": [3, 4],
    }
    base.dependencies = [Dependency(child, None) for child in children]
    plugin.canary_job_setup(base)
    directories = [str(child.workspace.dir) for child in children]
    assert said(base) == {
        **common,
        "JOBID": base.id,
        "CASEID": base.id,
        "TESTID": "sub/fam",
        "is_analyze": True,
        "PARAM_DICT": {},
        "PARAM_dt_np": [[0.01, 1], [2, 2]],
        "PARAM_class": ["x"],
        "DEPDIRS": directories,
        "DEPDIRMAP": dict(zip([c.name for c in children], directories, strict=True)),
        "exec_dir": f"{session}/sub/fam",
        "exec_path": "sub/fam",
        "RESOURCE_np": 1,
        "RESOURCE_IDS_np": [3],
    }


def test_analysis_alone_is_an_argument_of_the_test(job, staged):
    one = staged(job())
    plugin.canary_job_setup(one)
    found = said(one, "--execute-analysis-sections")
    assert (found["opt_analyze"], found["is_analysis_only"], found["is_analyze"]) == (1, 1, 0)


def test_a_rebaseline_is_known_to_the_test_and_forgotten_by_the_next_run(job, staged):
    one = staged(job())
    assert plugin.canary_rebaseline(one, None) is None
    assert said(one)["is_baseline"] is True
    plugin.canary_job_setup(one)
    assert said(one)["is_baseline"] is False


def test_a_users_file_of_that_name_is_replaced_and_never_written_through(job, staged, tmp_path):
    (tmp_path / "vvtest_util.py").write_text("mine = 1\n")
    one = staged(job("link : vvtest_util.py"))
    plugin.canary_job_setup(one)
    assert (tmp_path / "vvtest_util.py").read_text() == "mine = 1\n"
    assert said(one)["NAME"] == "a"


def test_jobs_of_other_formats_are_left_alone(job, staged):
    from dataclasses import replace

    one = staged(replace(job(), generator="pyt"))
    plugin.canary_job_setup(one)
    plugin.canary_rebaseline(one, None)
    assert not (one.workspace.dir / "vvtest_util.py").exists()


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -1,
        1.5,
        1e300,
        'it\'s "so"\n\\ \udce9 é',
        [1, [2.0, "x"]],
        {"a": [None], "b": {}},
        math.inf,
        -math.inf,
        [math.inf],
    ],
)
def test_values_are_python(value):
    found = eval(literal(value))
    assert found == value
    assert type(found) is type(value)


def test_what_is_no_number_is_python_too():
    assert math.isnan(eval(literal(math.nan)))


def test_a_shell_is_told_as_well(load, context, staged):
    from canary_vvtest.generator import VvtGenerator

    text = (
        "#!/usr/bin/env -S bash -u\n"
        "#VVT: keywords : k1 k2\n"
        '#VVT: parameterize (autotype) : np,s,dt = 2,"it\'s; $HOME",1.00e-2\n'
    )
    file, loaded = load(text, "sub dir/a.vvt")
    (spec,) = VvtGenerator().expand(file, loaded.data, context())
    one = staged(spec)
    plugin.canary_job_setup(one)
    script = '. ./vvtest_util.sh; for v in "$NAME" "$np" "$s" "$dt" "$KEYWORDS" "$SRCDIR" '
    script += '"$skip_exit_status" "$is_analyze" "$RESOURCE_IDS_np"; do echo "$v"; done'
    done = subprocess.run(
        ["sh", "-eu", "-c", script],
        cwd=one.workspace.dir,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        *("a", "2", "it's; $HOME", "0.01", "k1 k2", f"{file.root}/sub dir", "63", "", "3 4"),
    ]
    assert not (staged(spec).workspace.dir / "vvtest_util.sh").exists()
