from __future__ import annotations

import os

from canary_pyt import remarks


def test_written_and_read(tmp_path):
    where = str(tmp_path)
    assert remarks.read(where) == {}
    for kind, value in [
        ("measurements", {"a": 1}),
        ("measurements", {"b": {"c": [1, 2]}}),
        ("attributes", {"x": "é"}),
        ("broken", "first"),
        ("broken", "second"),
        ("end", {"code": 1, "reason": "a"}),
        ("end", {"code": 2, "reason": "b"}),
        ("variables", {"A": "b", "C": None}),
        ("status", {"outcome": 1, "code": 1}),
        ("status", {"outcome": 2}),
    ]:
        assert remarks.add(kind, value, where)
    assert remarks.read(where) == {
        "measurements": {"a": 1, "b": {"c": [1, 2]}},
        "attributes": {"x": "é"},
        "broken": "first",
        "end": {"code": 2, "reason": "b"},
        "variables": {"A": "b", "C": None},
        "status": {"outcome": 2},
    }


def test_damage_is_left_out(tmp_path):
    file = tmp_path / remarks.FILE_NAME
    lines = [
        b"{",
        b"[]",
        b"3",
        b"\xff\xfe",
        b'{"end": 3}',
        b'{"measurements": []}',
        b'{"status": 3}',
        b'{"a":1,"b":2}',
    ]
    file.write_bytes(b"\n".join([*lines, b'{"measurements": {"ok": 1}}', b'{"end": {"co']))
    assert remarks.read(str(tmp_path)) == {"measurements": {"ok": 1}}


def test_what_json_does_not_know_becomes_its_text(tmp_path):
    assert remarks.add("measurements", {"p": tmp_path}, str(tmp_path))
    assert remarks.read(str(tmp_path)) == {"measurements": {"p": str(tmp_path)}}


def test_no_job_and_no_permission(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin")
    assert remarks.job_directory() is None
    assert not remarks.add("measurements", {"a": 1})
    assert not remarks.add("measurements", {"a": 1}, str(tmp_path / "gone"))


def test_what_is_no_file_is_not_waited_for(tmp_path):
    file = tmp_path / remarks.FILE_NAME
    os.mkfifo(file)
    assert remarks.read(str(tmp_path)) == {}
    file.unlink()
    file.symlink_to("/dev/zero")
    assert remarks.read(str(tmp_path)) == {}
    file.unlink()
    file.mkdir()
    assert remarks.read(str(tmp_path)) == {}
