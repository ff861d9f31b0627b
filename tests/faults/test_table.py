"""The table of experiments is complete, and what the older tool did is on record."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

HERE = Path(__file__).parent


def load():
    spec = importlib.util.spec_from_file_location("table", HERE / "table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_experiment_has_a_test_and_one_title():
    texts = "".join(path.read_text() for path in HERE.glob("test_*.py"))
    mark = re.compile(r"^@pytest\.mark\.experiment\((\d+), \"([^\"]+)\"\)$", re.MULTILINE)
    marks = mark.findall(texts)
    table = load()
    assert sorted(table.tests()) == list(range(1, 31))
    assert {int(n): t for n, t in marks} == {n: t for n, (t, _) in table.tests().items()}
    assert len({(n, t) for n, t in marks}) == len({n for n, _ in marks})
    assert len(marks) == sum(len(names) for _, names in table.tests().values())


def test_the_list_in_the_manual_is_up_to_date():
    assert load().listed() in (HERE / "README.md").read_text(), (
        "python tests/faults/table.py --list"
    )


def test_what_the_older_tool_did_is_on_record():
    kept = json.loads((HERE / "peer.json").read_text())
    assert kept["version"].startswith("26.")
    assert {e["verdict"] for e in kept["experiments"].values()} <= {"holds", "fails", "skipped"}
    assert sum(e["verdict"] == "fails" for e in kept["experiments"].values()) > 5


def test_it_is_printed(capsys, tmp_path):
    table = load()
    one = {"title": "a title", "verdict": "holds", "says": [], "seconds": 1.25}
    ours = {"experiments": {"1": one}, "failed": {}, "signals": 0}
    (tmp_path / "ours.json").write_text(json.dumps(ours))
    assert table.main([str(tmp_path / "ours.json")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 32
    assert re.match(r" 1  a title +holds +1\.[23]  fails ", lines[1])
    (tmp_path / "other.json").write_text(
        json.dumps(
            {
                "experiments": {"1": {**one, "verdict": "fails", "seconds": 9.0}},
                "failed": {"test_x.py::test_it": ["no"]},
                "signals": 7,
            }
        )
    )
    assert table.main([str(tmp_path / "ours.json"), str(tmp_path / "other.json")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert re.match(r" 1  a title +1 fail +9\.0  fails ", lines[1])
    assert lines[-2:] == ["7 signals were sent at random", "failed in 1 of 2: test_x.py::test_it"]
