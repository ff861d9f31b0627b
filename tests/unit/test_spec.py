"""Job specifications: identity, names, paths, and that what is stored is what was meant."""

from __future__ import annotations

import hashlib
import json
from dataclasses import FrozenInstanceError, asdict, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.errors import RecordError
from canary.spec import (
    UNMASKED,
    Artifact,
    Asset,
    Baseline,
    DependencyPattern,
    JobSpec,
    Loaded,
    Mask,
    SpecFile,
    SpecGenerator,
    job_id,
    job_name,
    parameter_text,
)


def spec(**more):
    base = {"file_root": "/r", "file_path": "d/f.x", "id": "0" * 64, "family": "f", "name": "f"}
    return JobSpec(**{**base, "command": ("true",), **more})


FULL = spec(
    generator="g",
    parameters={"a": 1, "b": 2.5, "c": "x", "d": True},
    meta_parameters={"cpus": 2},
    keywords=("k", "l"),
    owners=("me",),
    timeout=3.5,
    timeout_explicit=True,
    xstatus=-1,
    exclusive=True,
    dependencies=(DependencyPattern("p", None, 3, 7, ("i",)), DependencyPattern("q")),
    assets=(Asset("s", "d", "copy"), Asset("t")),
    artifacts=(Artifact("*.txt", "failure"),),
    baseline=(Baseline("a", "b"), Baseline(flag="--x")),
    attributes={"n": [1, {"m": None}]},
    environment={"A": "1", "B": None},
    modules=(("gcc", None), ("mpi", "/m")),
    rcfiles=("rc",),
    preload="p",
    stdout="o.txt",
    stderr="e.txt",
    skip_codes=(1, 2),
    stage_file=False,
    exec_path="e",
    view_path="v",
    fixture="setup",
    options={"launcher": "l"},
    mask=Mask(True, "why"),
)


@pytest.mark.parametrize("made", [spec(), FULL], ids=["short", "full"])
def test_what_is_stored_is_read_again(made):
    assert JobSpec.fromdict(json.loads(json.dumps(made.asdict()))) == made
    again = JobSpec.fromdict(json.loads(json.dumps(made.full())))
    assert again.full() == made.full()
    assert (again.work_path, again.result_path) == (made.work_path, made.result_path)


def test_what_others_read_names_the_paths():
    full = spec().full()
    assert full["exec_path"] == full["view_path"] == spec().fullname
    assert (FULL.full()["exec_path"], FULL.full()["view_path"]) == ("e", "v")


def test_every_field_can_be_stored():
    """A new field without a way to store it fails here."""
    stored = json.loads(json.dumps(spec().full()))
    assert set(stored) == {f.name for f in fields(JobSpec)}


def test_defaults_are_left_out():
    assert set(spec().asdict()) == {"file_root", "file_path", "id", "family", "name", "command"}


@pytest.mark.parametrize(
    "data", [{}, {"id": "x"}, {**spec().asdict(), "what": 1}, {**FULL.asdict(), "mask": 3}, None]
)
def test_what_is_no_specification_is_a_record_error(data):
    with pytest.raises(RecordError, match="not a job specification"):
        JobSpec.fromdict(data)


def test_a_specification_is_frozen():
    with pytest.raises(FrozenInstanceError):
        spec().name = "x"  # type: ignore[misc] # that is the test


def test_a_mask_is_true_or_false():
    assert Mask(True, "x")
    assert not Mask(False, "x")
    assert not UNMASKED


def test_paths_and_full_name():
    made = spec(name="f.a=1")
    assert made.file == "/r/d/f.x"
    assert made.fullname == "d/f.a=1"
    assert made.work_path == made.result_path == "d/f.a=1"
    assert spec(file_path="f.x").fullname == "f"


@pytest.mark.parametrize("name", ["..", "a/../../../b", "/abs", "a\nb"])
def test_whatever_a_name_is_its_directory_stays_below(name):
    for made in (spec(name=name), spec(exec_path=name, view_path=name)):
        for path in (made.work_path, made.result_path):
            assert not path.startswith("/")
            assert ".." not in path.split("/")
            assert path.isprintable()


def test_paths_of_its_own_replace_the_full_name():
    made = spec(exec_path="x/y", view_path="v")
    assert (made.work_path, made.result_path, made.fullname) == ("x/y", "v", "d/f")


# identity


def test_the_identity_is_that_of_the_workspaces_people_have():
    """SHA-256 over family, path in the repository, and key=value of sorted keys."""
    text = "famdir/f.pyta=1b=2.5000000000000000e+00c=1e=x"
    wanted = hashlib.sha256(text.encode()).hexdigest()
    parameters = {"e": "x", "c": True, "b": 2.5, "a": 1, "runtime": 300.0}
    assert job_id("fam", "dir/f.pyt", parameters) == wanted


@given(st.text(), st.text(), st.dictionaries(st.text(), st.integers() | st.floats() | st.text()))
def test_an_identity_is_64_hex_digits_whatever_it_is_made_of(family, path, parameters):
    made = job_id(family, path, parameters)
    assert len(made) == 64
    assert set(made) <= set("0123456789abcdef")
    shuffled = dict(reversed(parameters.items()))
    assert job_id(family, path, {**shuffled, "runtime": 1}) == made


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (1e-7, "1e-07"),
        (123456789.0, "1.23457e+08"),
        (0.1 + 0.2, "0.3"),
        (True, "1"),
        (False, "0"),
        (-3, "-3"),
        ("a=b c", "a=b c"),
        (None, "None"),
    ],
)
def test_parameters_in_names(value, text):
    assert parameter_text(value) == text


def test_names_sort_their_keys():
    assert job_name("f", {"b": 1, "a": 0.25}) == "f.a=0.25.b=1"
    assert job_name("f", {}) == "f"


# generators


class Generator(SpecGenerator):
    name = "g"
    patterns = ("*.pyt", "canary_*.py")

    def load(self, file):
        return Loaded(None)

    def expand(self, file, data, context):
        return []


@pytest.mark.parametrize(
    ("name", "claimed"),
    [("a.pyt", True), ("canary_x.py", True), ("x.py", False), ("A.PYT", False), (".pyt", True)],
)
def test_a_generator_claims_files_by_their_base_name(name, claimed):
    assert Generator().claims(name) == claimed


def test_a_generator_leaves_nothing_out_and_describes_nothing_unless_it_says_so():
    files = [SpecFile("/r", "a.pyt", "g")]
    assert Generator().prune(files) == files
    assert Generator().describe(files[0], None) == {}


def test_a_spec_file_knows_its_path():
    file = SpecFile("/r", "d/a.pyt", "g", 1, 2, 3)
    assert file.file == "/r/d/a.pyt"
    assert SpecFile(**asdict(file)) == file
