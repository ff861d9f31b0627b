"""What runs around a test: set-up, body, teardown, with the order and codes that people see."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from canary_pyt import remarks
from canary_pyt.attributes import WRAPPER

AROUND = """import os, sys
import canary_pyt.directives as d
@d.setup
def before(job):
    print("before", job.name, os.path.basename(__file__), sys.argv, flush=True)
    os.environ["FROM_SETUP"] = "yes"
    os.chdir("/")
@d.teardown
def after(job):
    print("after", job.status.code, __name__, flush=True)
if __name__ == "__main__":
    print("body", os.environ.get("FROM_SETUP"), os.path.basename(os.getcwd()), sys.argv, flush=True)
"""


def run(python, directory, *args):
    return python(WRAPPER, "--around", "t.pyt", *args, cwd=directory)


def test_the_order_of_things(in_job, python):
    done = run(python, in_job(AROUND), "--x")
    assert done.stdout.splitlines() == [
        "before t t.pyt ['t.pyt', '--x']",
        "body yes t ['t.pyt', '--x']",
        "after 0 __canary_functions__",
    ]
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("sys.exit(3)", 3),
        ("os._exit(5)", 5),
        ("raise ValueError", 1),
        ("os.kill(os.getpid(), 9)", -9),
        ("os.abort()", -6),
    ],
)
def test_the_code_is_that_of_the_body(in_job, python, body, code):
    done = run(python, in_job(f"{AROUND}    {body}\n"))
    assert done.returncode == code
    assert done.stdout.splitlines()[-1] == f"after {code} __canary_functions__"


@pytest.mark.parametrize("fault", ["raise ValueError('no')", "sys.exit(0)"])
def test_a_setup_that_raises(in_job, python, fault):
    directory = in_job(AROUND.replace("    os.chdir", f"    {fault}\n    os.chdir"))
    done = run(python, directory)
    assert done.returncode == 67
    assert done.stdout.startswith("before")
    assert "body" not in done.stdout
    assert "after" not in done.stdout
    assert remarks.read(str(directory))["broken"].startswith("setup: ")
    assert "Traceback" in done.stderr


def test_a_file_whose_functions_cannot_be_loaded(in_job, python):
    directory = in_job(AROUND)
    (directory / "t.pyt").unlink()
    (directory / "t.pyt").write_text("1 / 0\n")
    assert run(python, directory).returncode == 67
    assert "ZeroDivisionError" in remarks.read(str(directory))["broken"]


def test_a_teardown_that_raises(in_job, python):
    text = AROUND.replace('print("after"', '1 / 0; print("after"')
    done = run(python, in_job(f"{text}    sys.exit(64)\n"))
    assert done.returncode == 64
    assert "teardown failed" in done.stderr


def test_a_request_to_stop_reaches_the_body_and_the_teardown_runs(in_job):
    text = AROUND + "    import time\n    print('ready', flush=True)\n    time.sleep(20)\n"
    process = subprocess.Popen(
        [sys.executable, WRAPPER, "--around", "t.pyt"],
        cwd=in_job(text),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        lines = []
        for line in process.stdout:
            lines.append(line.strip())
            if lines[-1] == "ready":
                os.killpg(process.pid, signal.SIGTERM)
    assert process.returncode == -signal.SIGTERM
    assert lines[-1] == "after -15 __canary_functions__"


def test_own_exit_codes(in_job, python):
    text = (
        "import canary\nclass Mine(Exception): exit_code = 80\n"
        "if __name__ == '__main__': raise Mine('m')\n"
    )
    directory = in_job(text)
    done = python(WRAPPER, "--exit-codes", "t.pyt", cwd=directory)
    assert done.returncode == 80
    assert remarks.read(str(directory)) == {"end": {"code": 80, "reason": "Mine: m"}}
    assert "run.py" not in done.stderr


MAIN = """import sys, os, pickle, __main__
class A: pass
print(__name__, __file__, sys.argv, sys.path[0], __main__.__dict__ is globals(), __spec__)
print(pickle.loads(pickle.dumps(A())).__class__ is A)
exit_code = 0
sys.exit({code})
"""


@pytest.mark.parametrize("code", ["0", "3", "None", "'text'", "True"])
def test_as_python_would_run_it(in_job, python, code):
    directory = in_job(
        "import canary\n"
        + MAIN.format(code=code).replace("sys.exit", "if __name__ != '__load__': sys.exit")
    )
    plain = python("t.pyt", "--a", cwd=directory)
    ours = python(WRAPPER, "--exit-codes", "t.pyt", "--a", cwd=directory)
    assert (ours.returncode, ours.stdout, ours.stderr) == (
        plain.returncode,
        plain.stdout,
        plain.stderr,
    )


@pytest.mark.parametrize("fault", ["1 / 0", "raise KeyboardInterrupt", "x = ="])
def test_faults_look_as_python_shows_them(in_job, python, fault):
    directory = in_job("import canary\n")
    (directory / "t.pyt").unlink()
    (directory / "t.pyt").write_text(f"import canary\n{fault}\n")
    plain = python("t.pyt", cwd=directory)
    ours = python(WRAPPER, "--exit-codes", "t.pyt", cwd=directory)
    assert ours.returncode == plain.returncode
    if "Keyboard" not in fault:
        assert ours.stderr == plain.stderr


def test_both_together(in_job, python):
    text = AROUND + "    class Mine(Exception): exit_code = 80\n    raise Mine\n"
    directory = in_job("import canary\n" + text)
    done = python(WRAPPER, "--around", "--exit-codes", "t.pyt", cwd=directory)
    assert done.returncode == 80
    assert done.stdout.splitlines()[-1] == "after 80 __canary_functions__"


def test_a_function_of_canaryconf(tmp_path, python):
    (tmp_path / "canaryconf.py").write_text(
        "import sys\ndef canary_setup(ctx):\n    print('ran', bool(ctx), sys.argv)\n"
        "def canary_teardown(ctx):\n    raise RuntimeError('x')\n"
    )
    done = python(WRAPPER, "--function", "canary_setup", "canaryconf.py", env={"PATH": "/usr/bin"})
    assert (done.returncode, done.stdout) == (0, "ran False ['canaryconf.py']\n")
    done = python(WRAPPER, "--function", "canary_teardown", "canaryconf.py")
    assert done.returncode == 1
    assert "RuntimeError: x" in done.stderr


@pytest.mark.parametrize("where", ["sys.exit(0)", "sys.exit(3)", "import sys; sys.exit()"])
def test_a_canaryconf_that_ends_before_its_function_is_called(in_job, python, where):
    directory = in_job("import canary\n")
    (directory / "canaryconf.py").write_text(
        f"import sys\ndef canary_setup(ctx): open('called', 'w')\n{where}\n"
    )
    done = python(WRAPPER, "--function", "canary_setup", "canaryconf.py", cwd=directory)
    assert done.returncode == 67
    assert "Traceback" in done.stderr
    assert remarks.read(str(directory))["broken"].startswith("canaryconf.py: SystemExit: ")
    assert not (directory / "called").exists()


def test_setup_and_teardown_get_the_job(in_job, python):
    text = """import canary, os, sys
import canary_pyt.directives as d
d.xfail()
@d.setup
def before(job):
    print(type(job).__name__, job.display_name(), job.spec.family, job.workspace.dir.name)
    print(job.get_attribute("none", 3), job.cpu_ids, job.status.category.value, flush=True)
    job.add_variables(ADDED="yes", GONE=None, MY_SECRET="s", PATH="/nowhere")
    job.set_attribute(a=1)
    job.add_measurement("m", 2)
    os.environ["BY_HAND"] = "too"
@d.teardown
def after(job):
    print(job.state.phase.value, job.status.text, job.attributes["b"], job.measurements.data)
    print(job.variables["ADDED"], job.timekeeper.running() > 0)
if __name__ == "__main__":
    names = ("ADDED", "GONE", "MY_SECRET", "BY_HAND")
    print(*map(os.environ.get, names), os.environ["PATH"].endswith("/t:/nowhere"))
    self = canary.get_instance()
    print(self.variables["ADDED"], self.attributes["a"], flush=True)
    self.set_attribute(b=2)
    self.add_measurement("n", 3)
    sys.exit(7)
"""
    directory = in_job(text)
    done = python(WRAPPER, "--around", "t.pyt", cwd=directory, env={"GONE": "no"})
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "Job t t t",
        "3 ['0'] NONE",
        "yes None s too True",
        "yes 1",
        "DONE PASS (XFAIL) 2 {'m': 2, 'n': 3}",
        "yes True",
    ]
    assert done.returncode == 7
    assert remarks.read(str(directory)) == {
        "attributes": {"a": 1, "b": 2},
        "measurements": {"m": 2, "n": 3},
        "variables": {"ADDED": "yes", "GONE": None, "PATH": "/nowhere"},
    }


@pytest.mark.parametrize("kind", ["setup", "teardown"])
def test_a_status_that_a_function_sets(in_job, python, kind):
    text = (
        f"import canary_pyt.directives as d\n@d.{kind}\ndef f(job):\n"
        "    job.set_status(outcome='SKIPPED', reason='no licence')\n"
        "if __name__ == '__main__':\n    print('body')\n"
    )
    directory = in_job(text)
    done = python(WRAPPER, "--around", "t.pyt", cwd=directory)
    assert done.stdout == ("body\n" if kind == "teardown" else "")
    assert done.returncode == 67
    status = remarks.read(str(directory))["status"]
    assert (status["category"], status["reason"]) == ("NOTRUN", "no licence")


@pytest.mark.parametrize("mode", ["--exit-codes", "--function"])
def test_the_wrapper_imports_nothing_large(in_job, python, mode):
    directory = in_job("import canary\ndef f(job): ...\n")
    words = ["f", "t.pyt"] if mode == "--function" else ["t.pyt"]
    done = python("-X", "importtime", WRAPPER, mode, *words, cwd=directory)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "canary_pyt" in imported
    assert not imported & {"subprocess", "argparse", "json", "pathlib", "canary.job"}
