"""From a tree to results: the real command line, with no other format installed."""

from __future__ import annotations

import json
import shutil

import pytest


@pytest.fixture
def tree(tmp_path):
    """Write files into a tree; its directory."""

    def make(**files):
        root = tmp_path / "tree"
        for name, text in files.items():
            path = root / name.replace("__", "/").replace("_vvt", ".vvt").replace("_txt", ".txt")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return root

    return make


@pytest.fixture
def results(canary):
    """`{full name: outcome}` of a workspace."""

    def ask(root):
        done = canary("query", "jobs", cwd=root, expect=0)
        return {job["fullname"]: job["status"]["outcome"] for job in json.loads(done.stdout)}

    return ask


STUDY = """\
#!/usr/bin/env python3
#VVT: parameterize (autotype) : dt,np = 1.00e-2,1  5e-3,2
#VVT: link : in.txt
#VVT: analyze
import os
import vvtest_util as vvt

print("this is the output")
if vvt.is_analyze:
    assert vvt.PARAM_dt_np == [[0.01, 1], [0.005, 2]]
    found = [open(os.path.join(d, "out")).read() for d in vvt.DEPDIRS]
    assert found == ["0.01 1 given", "0.005 2 given"], found
else:
    assert len(vvt.RESOURCE_IDS_np) == vvt.RESOURCE_np == vvt.np
    assert os.getcwd() == vvt.exec_dir
    with open("out", "w") as out:
        out.write(f"{vvt.dt} {vvt.np} {open('in.txt').read()}")
"""


def test_a_study(canary, results, tree):
    root = tree(sub__study_vvt=STUDY, sub__in_txt="given")
    canary("run", ".", cwd=root, expect=0)
    assert results(root) == {
        "sub/study": "SUCCESS",
        "sub/study.dt=1.00e-2.np=1": "SUCCESS",
        "sub/study.dt=5e-3.np=2": "SUCCESS",
    }
    log = root / "TestResults" / "sub" / "study.dt=1.00e-2.np=1" / "execute.log"
    assert log.read_text() == "this is the output\n"


def test_names_stay_as_written_in_every_later_run(canary, results, tree):
    root = tree(a_vvt="#VVT: parameterize (float) : dt = 1.00e-2 1\nimport vvtest_util\n")
    want = {"a.dt=1.00e-2": "SUCCESS", "a.dt=1": "SUCCESS"}
    canary("run", ".", cwd=root, expect=0)
    assert results(root) == want
    # by name, from the record alone, and by path once more
    canary("run", "a.dt=1.00e-2", cwd=root, expect=0)
    assert results(root) == want
    canary("run", "--only", "all", cwd=root, expect=0)
    assert results(root) == want
    canary("run", "--only", "all", ".", cwd=root, expect=0)
    assert results(root) == want
    assert {p.name for p in (root / "TestResults").iterdir() if p.is_dir()} >= set(want)


def test_exit_codes(canary, results, tree):
    root = tree(
        codes_vvt="#VVT: parameterize (int) : c = 0 1 63 64 80\n"
        "import sys, vvtest_util\nsys.exit(vvtest_util.c)\n",
        skip_vvt="import sys, vvtest_util\nsys.exit(vvtest_util.skip_exit_status)\n",
        xfail_vvt="#VVT: xfail : 63\nraise SystemExit(63)\n",
        masked_vvt="#VVT: skipif (reason=not now) : True\n",
    )
    canary("run", ".", cwd=root, expect=10)
    assert results(root) == {
        "codes.c=0": "SUCCESS",
        "codes.c=1": "FAILED",
        "codes.c=63": "SKIPPED",
        "codes.c=64": "DIFFED",
        "codes.c=80": "SKIPPED",
        "skip": "SKIPPED",
        "xfail": "XFAIL",
    }


def test_every_malformed_file_is_one_line_and_nothing_runs(canary, tree):
    root = tree(
        one_vvt="\n#VVT: frobnicate : x\n#VVT: nor this\n",
        sub__two_vvt="#VVT: keywords : a\n#VVT: timeout (platforms=linux) : 3 fortnights\n",
        three_vvt="'''\n",
        good_vvt="open('ran', 'w')\n",
    )
    done = canary("run", ".", cwd=root, expect=3)
    lines = [line for line in done.stderr.splitlines() if ".vvt:" in line]
    places = sorted(line.partition(f"{root}/")[2].split(" ")[0].rstrip(":") for line in lines)
    assert places == ["one.vvt:2", "sub/two.vvt:2", "three.vvt:1"]
    assert "Traceback" not in done.stderr
    assert not list(root.rglob("ran"))


@pytest.mark.parametrize(
    ("program", "body"),
    [
        ("sh", '. ./vvtest_util.sh\ntest "$np $s" = "2 x y" && exit $skip_exit_status\n'),
        ("perl", 'exit(-e "vvtest_util.py" ? 63 : 1);\n'),
        ("awk -f", "BEGIN { exit(63) }\n"),
    ],
)
def test_a_test_in_another_language(canary, results, tree, program, body):
    name, *words = program.split()
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} on this machine")
    line = " ".join([f"#!{found}", *words])
    root = tree(a_vvt=f"{line}\n#VVT: parameterize : np,s = 2,'x y'\n{body}")
    canary("run", ".", cwd=root, expect=0)
    assert results(root) == {"a.np=2.s='x y'": "SKIPPED"}


def test_a_script_in_a_shell_that_analyzes(canary, results, tree):
    check = '. ./vvtest_util.sh\ntest "$is_analyze" = 1 && test "$NAME" = a\n'
    root = tree(
        **{"a_vvt": "#VVT: parameterize : n = 1 2\n#VVT: analyze : an.sh\n"},
        **{"an.sh": f"#!/usr/bin/env -S sh -e\n{check}"},
    )
    (root / "an.sh").chmod(0o755)
    canary("run", ".", cwd=root, expect=0)
    assert results(root) == {"a.n=1": "SUCCESS", "a.n=2": "SUCCESS", "a": "SUCCESS"}


def test_dependencies_and_results(canary, results, tree):
    root = tree(
        up_vvt="#VVT: parameterize (int) : n = 0 64 80\n"
        "import sys, vvtest_util\nsys.exit(vvtest_util.n)\n",
        down__a_vvt="#VVT: depends on (expect=2, result=pass or diff) : up.n=0 up.n=64\n"
        "import vvtest_util as v\n"
        "assert sorted(v.DEPDIRMAP) == ['up.n=0', 'up.n=64'], v.DEPDIRMAP\n"
        "assert sorted(v.DEPDIRMAP.values()) == sorted(v.DEPDIRS)\n",
        down__b_vvt="#VVT: depends on : up.n=64\n",
        down__c_vvt="#VVT: depends on (result=skip) : up.n=80\n",
    )
    canary("run", ".", cwd=root)
    assert results(root) == {
        "up.n=0": "SUCCESS",
        "up.n=64": "DIFFED",
        "up.n=80": "SKIPPED",
        "down/a": "SUCCESS",
        "down/b": "BLOCKED",
        "down/c": "SUCCESS",
    }


def test_options_and_arguments_reach_the_test(canary, tree):
    root = tree(
        a_vvt="#VVT: parameterize (options=wide) : n = 1 2\n"
        "import vvtest_util as v\n"
        "assert v.OPTIONS == ['deep', 'wide'] and v.is_analysis_only and not v.is_analyze\n"
    )
    done = canary("run", "-o", "wide", "-o", "deep", "-a", ".", cwd=root, expect=0)
    assert "2 pass" in done.stdout


def test_a_file_that_includes_is_read_anew_when_the_other_changes(canary, tree):
    root = tree(a_vvt="#VVT: include : inc.txt\n", inc_txt="#VVT: testname : first\n")
    assert "first" in canary("find", ".", cwd=root, expect=0).stdout
    canary("run", ".", cwd=root, expect=0)
    (root / "inc.txt").write_text("#VVT: testname : second\n")
    done = canary("find", ".", cwd=root, expect=0).stdout
    assert "second" in done
    assert "first" not in done


def test_describe(canary, tree):
    root = tree(a_vvt="#VVT: parameterize : dt = 1.00e-2\n#VVT: keywords : fast\n")
    done = canary("describe", "a.vvt", cwd=root, expect=0)
    assert "vvt" in done.stdout
    assert "fast" in done.stdout
    assert "a.dt=1.00e-2" in done.stdout
