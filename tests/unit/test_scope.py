from __future__ import annotations

import pytest

from canary.errors import SpecError
from canary.scope import ABSENT, Scope
from canary.spec import ExpandContext, SpecFile


@pytest.fixture
def scope():
    def make(**data):
        names = frozenset({"opt"}), frozenset({"linux"})
        context = ExpandContext(*names, lambda _: 1.0, lambda file: file)
        return Scope(SpecFile("/r", "d/f.t", "t"), data, context, "fam")

    return make


def said(entries):
    return [entry[2] for entry in entries]


def test_entries_count_whose_conditions_all_hold(scope):
    one = scope(
        what=[
            (None, 1, "always"),
            ("options=opt", 2, "option"),
            ({"platforms": "darwin"}, 3, "elsewhere"),
            (({"options": "opt"}, {"testname": "fam"}), 4, "both"),
            (({"options": "opt"}, {"testname": "other"}), 5, "one of two"),
        ]
    )
    assert said(one.active("what")) == ["always", "option", "both"]
    assert one.last("what")[2] == "both"
    assert one.last("nothing") is None


def test_conditions_and_texts_know_the_parameters_of_the_job(scope):
    entries = [("parameters='n>1'", 1, "many"), ("testname='fam' parameters='n={N}'", 2, "same")]
    job = scope(what=entries).of({"n": 2}, {"n": "2"})
    assert said(job.active("what")) == ["many", "same"]
    assert job.text("{name}-{n}-{N}", 1) == "fam-2-2"
    assert job.text("no names", 1) == "no names"


def test_the_base_case_has_no_parameters(scope):
    base = scope(what=[("parameters='n>1'", 1, "many"), ("options='{n}'", 2, "none")]).of_base_case(
        ["n"]
    )
    assert said(base.active("what")) == []
    assert base.text("{name}-{n}", 1) is None
    assert base.names["N"] == ABSENT


@pytest.mark.parametrize(
    ("place", "where"),
    [(7, "/r/d/f.t:7"), ((3, "/r/other"), "/r/other:3")],
    ids=["own", "included"],
)
def test_what_is_wrong_is_said_of_the_line(scope, place, where):
    with pytest.raises(SpecError, match=where):
        scope(what=[("options='('", place, "x")]).last("what")
    with pytest.raises(SpecError, match=where):
        scope().text("{nobody}", place)


def test_an_id_of_its_own(scope):
    one = scope(set_id=[(None, 4, "ABCD_{n}")])
    assert one.of({"n": 1234}, {"n": "1234"}).explicit_id() == "abcd_1234"
    assert scope().explicit_id() is None
    with pytest.raises(SpecError, match=r"/r/d/f\.t:4.*'abcd_x', which is no ID"):
        one.of({"n": "x"}, {"n": "x"}).explicit_id()
