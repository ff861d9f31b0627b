"""Measurements in the output, and attached files."""

from __future__ import annotations

from canary_ctest import measures


def test_measurements():
    text = b"""before
<DartMeasurement name="time" type="numeric/double">1.5</DartMeasurement>
<CTestMeasurement type="numeric/integer" name="count">42</CTestMeasurement> after
<CTestMeasurement type='text/string' name='what is it'>
 some text
</CTestMeasurement>
<CTestMeasurementFile type="image/png" name="plot">/x/y.png</CTestMeasurementFile>
<CTestMeasurement type="numeric/double" name="odd">n.a.</CTestMeasurement>
<CTestMeasurement type="numeric/double">no name</CTestMeasurement>
<CTestMeasurement type="numeric/double" name="open">1
"""
    assert measures.parse(text) == {
        "time": 1.5,
        "count": 42,
        "what is it": "some text",
        "plot": "/x/y.png",
        "odd": "n.a.",
    }


def test_output_files(tmp_path):
    file = tmp_path / "out"
    assert measures.read(str(file)) == {}
    file.write_bytes(b"")
    assert measures.read(str(file)) == {}
    file.write_bytes(b"\xff nothing here\n")
    assert measures.read(str(file)) == {}
    file.write_bytes(b'<CTestMeasurement type="numeric/double" name="x">2</CTestMeasurement>')
    assert measures.read(str(file)) == {"x": 2}


def test_attached_files_have_names_of_their_own():
    names = measures.names(["a/log.txt", "b/log.txt", "c.txt", "a/log.txt"])
    assert names == {"a/log.txt": "log.txt", "b/log.txt": "b_log.txt", "c.txt": "c.txt"}


def test_attached_files_are_copied(tmp_path):
    source, job = tmp_path / "build", tmp_path / "job"
    for directory in (source / "sub", job):
        directory.mkdir(parents=True)
    (source / "sub" / "x.log").write_text("one")
    measures.attach({"sub/x.log": "x.log", "gone.log": "gone.log"}, str(source), str(job))
    (source / "sub" / "x.log").write_text("two")
    assert (job / "attached" / "x.log").read_text() == "one"
    assert [p.name for p in (job / "attached").iterdir()] == ["x.log"]


def test_no_directory_for_nothing(tmp_path):
    measures.attach({"gone.log": "gone.log"}, str(tmp_path), str(tmp_path))
    assert list(tmp_path.iterdir()) == []
