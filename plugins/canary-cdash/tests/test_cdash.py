"""`canary report cdash`: what is in the files, who may add to it, and what a server is told."""

from __future__ import annotations

import argparse
import base64
import re
import socketserver
import sqlite3
import threading
import zlib
from contextlib import closing
from xml.etree import ElementTree

import pytest
from lxml import etree, html

from canary.errors import CanaryError, UsageError
from canary.reporting import recover
from canary.status import Outcome
from canary.testing.reporters import (
    HOSTILE,
    ReporterContract,
    SampleResults,
    hostile_results,
    sample_job,
)
from canary_cdash import upload
from canary_cdash.cases import MAX_FILE, Maker, pack
from canary_cdash.machine import read_site
from canary_cdash.reporter import CDashReporter

TEST = """\
import sys
import canary
canary.directives.parameterize("a", [0, 1, 80])
canary.directives.keywords("fast")
canary.directives.artifact("*.dat")
if __name__ == "__main__":
    a = canary.get_instance().parameters.a
    canary.add_measurement("speed", 1.5 + a)
    canary.add_measurement("fine", a == 0)
    open("x.dat", "w").write("data")
    sys.exit(a)
"""
NOBODY = "http://127.0.0.1:9"
PLUGIN = """\
import pathlib
import canary

@canary.hookimpl(optionalhook=True)
def canary_cdash_name(job):
    return "named " + job["name"] if job["parameters"]["a"] == 0 else None

@canary.hookimpl(optionalhook=True)
def canary_cdash_labels(job):
    return ["more", "fast"]

@canary.hookimpl(optionalhook=True)
def canary_cdash_subprojects():
    return ["more"]

@canary.hookimpl(optionalhook=True)
def canary_cdash_measurements(job):
    return {"depth": 7}

@canary.hookimpl(optionalhook=True)
def canary_cdash_files(job):
    return [pathlib.Path(job["file"])]
"""


class TestContract(ReporterContract):
    reporter = CDashReporter
    words = ("create", "-d", "out")


def created(tmp_path, results, *words):
    """The roots of the files that `create` writes, as two parsers read them alike."""
    parser = argparse.ArgumentParser()
    CDashReporter().arguments(parser)
    options = vars(parser.parse_args(["create", "-d", "out", *words]))
    roots = {}
    for path in CDashReporter().report(results, {"cwd": tmp_path, **options}):
        one = ElementTree.parse(path).getroot()
        two = etree.parse(path, etree.XMLParser(huge_tree=True)).getroot()
        both = [[(e.tag, dict(e.attrib), e.text) for e in root.iter()] for root in (one, two)]
        assert both[0] == both[1]
        roots[path.name] = one
    return roots


def cases(root):
    return [test for test in root.iter("Test") if len(test)]


def output(test):
    value = test.find("Results/Measurement/Value")
    text = value.text or ""
    return zlib.decompress(base64.b64decode(text)).decode() if value.attrib else text


def test_whatever_jobs_hold_comes_back(tmp_path):
    results = hostile_results(tmp_path / "s")
    found = cases(created(tmp_path, results)["Test-0.xml"])
    assert len(found) == len(HOSTILE)
    for job, test in zip(results.jobs(), found, strict=True):
        data = HOSTILE[job["attributes"]["text"]]
        name = job["name"].encode(errors="surrogateescape")
        assert recover(test.findtext("Name")) == name
        assert recover(test.findtext("FullName")) == b"./dir/" + name
        if len(data) < 4000:
            assert recover(output(test)) == data
        else:
            assert "bytes left out" in output(test)


def test_each_outcome(tmp_path):
    results = SampleResults(tmp_path / "s")
    found = cases(created(tmp_path, results)["Test-0.xml"])
    wanted = {"PASS": "passed", "FAIL": "failed", "ABORTED": "failed", "NOTRUN": "notrun"}
    jobs = list(results.jobs())
    assert [t.get("Status") for t in found] == [wanted[j["status"]["category"]] for j in jobs]
    for test in found:
        names = [m.get("name") for m in test.iter("NamedMeasurement")]
        assert ("Exit Code" in names) == (test.get("Status") == "failed")
        assert ("Execution Time" in names) == (test.get("Status") != "notrun")
        if test.get("Status") == "notrun":
            said = next(
                m for m in test.iter("NamedMeasurement") if m.get("name") == "Completion Status"
            )
            assert said.findtext("Value")


@pytest.mark.parametrize(
    ("outcome", "code", "failure"),
    [
        (Outcome.FAILED, 3, ["Failed", "3"]),
        (Outcome.FAILED, -11, ["SEGFAULT", "0"]),
        (Outcome.FAILED, -9, ["OTHER_FAULT", "0"]),
        (Outcome.TIMEOUT, 68, ["Timeout", "0"]),
        (Outcome.INTERRUPTED, 2, ["INTERRUPT", "0"]),
    ],
)
def test_how_a_job_failed(tmp_path, outcome, code, failure):
    job = sample_job(1, outcome, tmp_path, exit_code=code)
    assert list(Maker().make(job).failure) == failure


def test_integers_are_whole_however_large(tmp_path):
    measured = {"big": 10**400, "odd": 2**63 + 1, "small": -7, "part": 1.5e300}
    job = sample_job(1, Outcome.SUCCESS, tmp_path, measurements=measured)
    root = created(tmp_path, SampleResults(tmp_path / "s", [job]))["Test-0.xml"]
    found = {m.get("name"): m for m in root.iter("NamedMeasurement")}
    for name, value in measured.items():
        assert found[name].get("type") == "numeric/double"
        assert found[name].findtext("Value") == str(value)


def test_what_never_started_was_not_run(tmp_path):
    job = sample_job(1, Outcome.BROKEN, tmp_path, started_at=-1.0)
    test = Maker().make(job)
    assert (test.status, test.command, test.seconds) == ("notrun", "", None)


def test_a_job_of_which_no_test_file_is_known_any_more(tmp_path, canary):
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "x.pyt").write_text(TEST)
    canary("run", "t")
    with closing(sqlite3.connect(tmp_path / ".canary" / "workspace.sqlite3")) as db:
        db.execute("delete from specs")
        db.commit()
    done = canary("report", "cdash", "create", "-d", "out", expect=0)
    assert "Test-0.xml" in done.stdout


def test_names_are_those_that_cdash_knows(tmp_path):
    job = sample_job(1, Outcome.SUCCESS, tmp_path, file_path="a.vvt", parameters={"p": 1, "q": "x"})
    assert Maker().make(job).name == "job1[p=1,q=x]"
    assert Maker(long_names=True).make(job).name == "dir/job1.p=1"


def test_a_real_session_with_plugins(tmp_path, canary):
    (tmp_path / "t" / "sub").mkdir(parents=True)
    (tmp_path / "t" / "sub" / "x.pyt").write_text(TEST)
    (tmp_path / "more.py").write_text(PLUGIN)
    (tmp_path / "canary.toml").write_text('[cdash]\nbuild = "from file"\nsite = "here"\n')
    done = canary("-p", "more.py", "run", "--report", "cdash", "t", expect=8)
    (directory,) = tmp_path.glob(".canary/sessions/*/_reports/cdash")
    assert f"{directory}/Test-0.xml" in done.stdout
    root = ElementTree.parse(directory / "Test-0.xml").getroot()
    assert (root.get("BuildName"), root.get("Name")) == ("from file", "here")
    assert re.fullmatch(r"\d{8}-\d{4}-Experimental", root.get("BuildStamp"))
    assert [s.get("name") for s in root.iter("Subproject")] == ["more"]
    tests = {t.findtext("Name"): t for t in cases(root)}
    assert sorted(tests) == ["named x.a=0", "x.a=1", "x.a=80"]
    test = tests["x.a=1"]
    assert (test.findtext("Path"), test.findtext("FullName")) == ("./sub", "./sub/x.a=1")
    assert [e.text for e in test.iter("Label")] == ["fast", "more"]
    found = {
        m.get("name"): (m.get("type"), m.findtext("Value")) for m in test.iter("NamedMeasurement")
    }
    assert found["speed"] == ("numeric/double", "2.5")
    assert found["fine"] == ("text/string", "false")
    assert found["depth"] == ("numeric/double", "7")
    files = [m.get("filename") for m in test.findall("NamedMeasurement")]
    assert files == ["x.dat", "x.pyt"]
    assert "duration" not in found


def test_options_of_create(tmp_path):
    results = SampleResults(tmp_path / "s")
    words = (
        "--track",
        "Nightly",
        "--build",
        "B",
        "--site",
        "S",
        "-L",
        "a",
        "--subproject-labels",
        "b,a",
    )
    roots = created(tmp_path, results, "-n", "6", *words)
    assert sorted(roots) == ["Build.xml", "Configure.xml", "Test-0.xml", "Test-1.xml", "Test-2.xml"]
    assert [len(cases(roots[f"Test-{n}.xml"])) for n in range(3)] == [6, 6, 3]
    assert [len(roots[f"Test-{n}.xml"].findall("*/TestList/Test")) for n in range(3)] == [6, 6, 3]
    root = roots["Build.xml"]
    assert root.get("BuildStamp") == "20260102-0304-Nightly"
    assert [s.get("name") for s in root.iter("Subproject")] == ["a", "b"]
    # a file that holds two tests that could not be read
    bad = [e.findtext("SourceFile") for e in root.iter("Error")]
    assert len(bad) == 1
    again = created(tmp_path, results, "-n", "-1", "-f", "out/Build.xml")
    assert {r.get("BuildName") for r in again.values()} == {"B"}
    assert len(cases(again["Test-0.xml"])) == 15


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-n", "0"), "want a number of tests"),
        (("--build-stamp", "today"), "is no build stamp"),
        (("-f", "other"), "no XML file of CDash"),
        (("-f", "gone.xml"), "gone.xml: cannot be read"),
    ],
)
def test_options_that_make_no_sense(tmp_path, words, said):
    (tmp_path / "other").write_text("<a/>")
    with pytest.raises(CanaryError, match=said):
        created(tmp_path, SampleResults(tmp_path / "s"), *words)


def test_a_file_that_is_too_large_is_left_out(tmp_path, capsys):
    with (tmp_path / "x").open("wb") as f:
        f.truncate(MAX_FILE + 1)
    assert pack(tmp_path / "x") is None
    assert pack(tmp_path / "gone") is None
    assert capsys.readouterr().err.count("is not attached") == 2


@pytest.fixture
def document(tmp_path):
    created(tmp_path, SampleResults(tmp_path / "s"), "--build", "b & c")
    return tmp_path / "out" / "Test-0.xml"


def options(tmp_path, *files, done=False):
    return {"cwd": tmp_path, "files": [str(f) for f in files], "done": done}


def test_a_build_that_cdash_does_not_name_is_not_done(tmp_path, cdash, document):
    cdash.answers.append((200, "<cdash><status>OK</status></cdash>"))
    with pytest.raises(CanaryError, match="did not say which build"):
        upload.post(cdash.url, "P", options(tmp_path, document, done=True))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((200, "<status>ERROR</status><message>no such\nproject</message>"), "no such project"),
        ((401, "token s3cret is not known"), r"401 Unauthorized: token \*\*\* is not"),
        ((302, ""), "302 Found"),
        ((200, "<html>login</html>"), "no answer of CDash: <html>login</html>"),
        ((200, ""), "no answer of CDash: nothing"),
    ],
)
def test_what_cdash_refuses_is_said_in_a_line(tmp_path, cdash, document, monkeypatch, answer, said):
    monkeypatch.setenv("CDASH_TOKEN", "s3cret")
    cdash.answers.append(answer)
    with pytest.raises(CanaryError, match=said) as caught:
        upload.post(cdash.url, "P", options(tmp_path, document))
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["ftp://x/y", "localhost", "http://user:word@127.0.0.1/", "file:///etc/passwd"]
)
def test_addresses_that_are_none(url):
    with pytest.raises(UsageError) as caught:
        upload.Server(url, "P")
    assert "word@" not in str(caught.value)


def test_nobody_there_is_an_error(tmp_path, document, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(CanaryError, match="Connection refused"):
        upload.post("http://127.0.0.1:9", "P", options(tmp_path, document))


def test_the_site_is_read_back(document):
    assert read_site(document)["BuildName"] == "b & c"


def test_a_summary_needs_no_workspace(tmp_path, canary, cdash):
    words = ("--url", cdash.url, "--project", "P", "-d", "2026-01-02", "-s", "left", "-o", "s.html")
    canary("report", "cdash", "summary", *words, env={"no_proxy": "127.0.0.1"}, expect=0)
    assert cdash.gets == ["/api/v1/index.php?project=P&date=2026-01-02"]
    tree = html.fromstring((tmp_path / "s.html").read_text())
    rows = [[c.text_content() for c in row] for row in tree.iter("tr")]
    assert rows[1:] == [
        ["Experimental", "<script>alert(1)</script>", "Linux & gcc", "0", "1", "2", "0", "3", "40"],
        ["Nightly", "quiet", "Linux", "0", "0", "0", "0", "0", "5"],
    ]
    assert not list(tree.iter("script"))
    only = ("--track", "Nightly", "-d", "2026-01-02")
    words = ("--url", cdash.url, "--project", "P", *only)
    done = canary("report", "cdash", "summary", *words, env={"no_proxy": "127.0.0.1"}, expect=0)
    assert "2 builds, 0 with problems" in done.stdout
    assert not (tmp_path / ".canary").exists()


class Mail(socketserver.StreamRequestHandler):
    """As much of SMTP as it takes."""

    def handle(self):
        self.wfile.write(b"220 here\r\n")
        for line in self.rfile:
            word = line.split()[0].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                text = b"".join(iter(self.rfile.readline, b".\r\n"))
                self.server.mails.append(text.decode())
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 fine\r\n")
            if word == b"QUIT":
                return


def test_a_summary_is_mailed(canary, cdash):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mail) as server:
        server.mails = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        env = {"CANARY_SMTP": f"127.0.0.1:{server.server_address[1]}", "no_proxy": "127.0.0.1"}
        words = ("--url", cdash.url, "--project", "P", "-m", "a@b.example,c@d.example")
        try:
            canary("report", "cdash", "summary", *words, env=env, expect=0)
        finally:
            server.shutdown()
            thread.join()
    (mail,) = server.mails
    assert "Subject: CDash: P: 3 builds, 1 with problems" in mail
    assert "To: a@b.example,c@d.example" in mail


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("post", "x.xml"), "which url of CDash?"),
        (("post", "--url", NOBODY), "which project of CDash?"),
        (("post", "--url", NOBODY, "--project", "P"), "which files?"),
        (("post", "--url", NOBODY, "--project", "P", "gone"), "gone: cannot be read"),
        (("summary", "--url", NOBODY, "--project", "P", "-d", "x"), "want YYYY-MM-DD"),
        (("summary", "--url", NOBODY, "--project", "P", "-s", "("), "--skip-site"),
        (("summary", "--url", NOBODY, "--project", "P"), "CDash: GET "),
    ],
)
def test_errors_are_one_line(canary, words, said):
    done = canary("report", "cdash", *words, env={"no_proxy": "127.0.0.1"})
    assert done.returncode != 0
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [(), ("--cdash-url", "http://x", "-a", "hush", "--help")])
def test_the_word_of_the_older_tool_says_what_is_there_instead(tmp_path, canary, words):
    done = canary("report", "cdash", "make-gitlab-issues", *words, expect=2)
    (line,) = done.stderr.splitlines()
    assert "canary report gitlab-issues" in line
    assert "hush" not in line
