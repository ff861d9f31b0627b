"""ENVIRONMENT and ENVIRONMENT_MODIFICATION come to what ctest makes of them."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from canary.errors import SpecError
from canary_ctest.environment import modified, variables

NAMES = ("A", "B", "E", "HH", "L", "P", "Q", "R", "S", "T", "Z", "GIVEN", "GIVEN2", "GIVEN3")
ENVIRONMENT = ["A=1", "B=2", "P=q", "R=r1"]
CHANGES = [
    *("A=string_append:x", "B=unset:", "Q=path_list_prepend:/foo", "Q=path_list_append:/bar"),
    *("P=reset:", "L=cmake_list_append:1", "L=cmake_list_prepend:0", "Z=set:a=b:c"),
    *("GIVEN=string_prepend:ZZ", "R=set:r2", "R=reset:", "E=path_list_append:"),
    *("HH=string_append:", "GIVEN2=set:1", "GIVEN2=reset:", "GIVEN3=unset:"),
    *("S=set:1", "S=unset:", "T=unset:", "T=string_append:t"),
]


def test_it_is_as_with_ctest(tree, monkeypatch):
    for name in ("GIVEN", "GIVEN2", "GIVEN3"):
        monkeypatch.setenv(name, "given")
    root = tree(
        'add_test(env "/usr/bin/env")\n'
        f'set_tests_properties(env PROPERTIES ENVIRONMENT "{";".join(ENVIRONMENT)}" '
        f'ENVIRONMENT_MODIFICATION "{";".join(CHANGES)}")\n'
    )
    done = subprocess.run(["ctest", "-V"], cwd=root, capture_output=True, text=True, check=True)
    lines = re.findall(r"^1: (\w+)=(.*)$", done.stdout, re.MULTILINE)
    want = {name: value for name, value in lines if name in NAMES}

    base = {**os.environ, **variables(ENVIRONMENT)}
    after = {**base, **modified(CHANGES, base)}
    assert {n: v for n, v in after.items() if n in NAMES and v is not None} == want


@pytest.mark.parametrize("text", ["A=frob:1", "A", "A=set", "=set:1", "A=reset", ""])
def test_what_cannot_be_read_is_refused(text):
    with pytest.raises(SpecError) as caught:
        modified([text], {})
    assert repr(text) in str(caught.value)


def test_variables():
    assert variables(["A=1", "B=x=y", "C", "A=2", "=3"]) == {"A": "2", "B": "x=y"}
