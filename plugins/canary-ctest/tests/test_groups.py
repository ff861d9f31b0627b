"""Resource groups: reading specification files, and dividing what a job was given."""

from __future__ import annotations

import json

import pytest

from canary.errors import ResourceError
from canary_ctest.groups import groups_of, pieces, read_spec, totals, variables


def group(*wanted):
    return [{"type": type, "slots": slots} for type, slots in wanted]


def given(**types):
    return {t: [{"id": i, "slots": n} for i, n in x.items()] for t, x in types.items()}


def test_groups_and_their_sums():
    value = [
        {"requirements": [{".type": "gpus", "slots": 2}, {".type": "crypto", "slots": 1}]},
        {"requirements": [{".type": "gpus", "slots": 1}]},
    ]
    groups = groups_of(value)
    assert groups == [group(("gpus", 2), ("crypto", 1)), group(("gpus", 1))]
    assert totals(groups) == {"gpus": 3, "crypto": 1}
    assert groups_of(None) == []


def test_a_requirement_gets_one_instance():
    """The pool gives slots of A and B; what wants two of one goes to the one that has two."""
    out = variables([group(("gpus", 1)), group(("gpus", 2))], given(gpus={"A": 1, "B": 2}))
    assert out == {
        "CTEST_RESOURCE_GROUP_COUNT": "2",
        "CTEST_RESOURCE_GROUP_0": "gpus",
        "CTEST_RESOURCE_GROUP_0_GPUS": "id:A,slots:1",
        "CTEST_RESOURCE_GROUP_1": "gpus",
        "CTEST_RESOURCE_GROUP_1_GPUS": "id:B,slots:2",
    }


def test_several_of_one_group():
    out = variables(
        [group(("gpus", 1), ("gpus", 1), ("chips", 4))],
        given(gpus={"0": 1, "1": 1}, chips={"c": 4}),
    )
    assert out["CTEST_RESOURCE_GROUP_0"] == "chips,gpus"
    assert out["CTEST_RESOURCE_GROUP_0_CHIPS"] == "id:c,slots:4"
    assert out["CTEST_RESOURCE_GROUP_0_GPUS"] == "id:0,slots:1;id:1,slots:1"


def test_what_must_come_from_one_instance():
    groups = [group(("gpus", 2), ("chips", 1)), group(("gpus", 1), ("chips", 1))]
    assert pieces(groups) == {"gpus": (2, 1)}


@pytest.mark.parametrize(
    "have", [{}, given(gpus={"a": 1}), given(gpus={"a": 1, "b": 1}), given(other={"a": 9})]
)
def test_what_was_not_given_is_not_promised(have):
    assert variables([group(("gpus", 2))], have) == {}


def test_instances_of_several_entries_are_added():
    have = {"gpus": [{"id": "0", "slots": 1}, {"id": "0", "slots": 1}]}
    out = variables([group(("gpus", 2))], have)
    assert out["CTEST_RESOURCE_GROUP_0_GPUS"] == "id:0,slots:2"


@pytest.mark.parametrize("wrap", [list, dict])
def test_specification_files(tmp_path, wrap):
    local = {"gpus": [{"id": "0", "slots": 2}, {"id": "1"}]}
    data = {"version": {"major": 1, "minor": 0}, "local": [local] if wrap is list else local}
    file = tmp_path / "spec.json"
    file.write_text(json.dumps(data))
    assert read_spec(str(file)) == {"gpus": [{"id": "0", "slots": 2}, {"id": "1", "slots": 1}]}


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"local": [{}, {}]}',
        '{"local": [{"gpus": [{"slots": 1}]}]}',
        '{"local": [{"gpus": [{"id": "0", "slots": -1}]}]}',
        '{"local": [{"gpus": [{"id": 0}]}]}',
        '{"local": [{"gpus": 3}]}',
    ],
)
def test_files_that_are_none(tmp_path, text):
    file = tmp_path / "spec.json"
    file.write_text(text)
    with pytest.raises(ResourceError) as caught:
        read_spec(str(file))
    assert caught.value.file == str(file)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ResourceError):
        read_spec(str(tmp_path / "none.json"))
