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
    print("after", job.returncode, __name__, flush=True)
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


def test_the_wrapper_imports_nothing_large(in_job, python):
    done = python("-X", "importtime", WRAPPER, "--around", "t.pyt", cwd=in_job(AROUND))
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "canary_pyt.instance" in imported
    assert not imported & {"subprocess", "argparse", "json", "pathlib", "canary.job"}
