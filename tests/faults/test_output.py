"""What tests print: very much of it, in very long lines, or with intent."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from harness import until
from markdown_it import MarkdownIt

MEGABYTE = 1 << 20
LIMIT = 4 * MEGABYTE

# what a browser, a terminal, an XML reader and a Markdown reader would each take for their own
HOSTILE = b"".join(
    (
        b"]]> <script>alert(1)</script> &amp; </system-out>\n",
        b"\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b31m\n",
        b"\x00\x01\x08\x0b\x0c\x0e\x7f bell\x07\n",
        b"\xff\xfe\xc3\x28 \xed\xa0\x80 \xf0\x9f\x98\x80 \xe2\x80\xae\n",
        b"``` ~~~ | a | b |\n## heading <details>\n",
        b"::error file=a::injected\n##vso[task.complete]\n",
        b"visible text at the end\n",
    )
)
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def prints(world, name, data, *, code=1):
    """A test that prints these bytes, and fails so that reports show them."""
    source = world.root / "here" / f"{name}.bytes"
    source.write_bytes(data)
    body = f"sys.stdout.buffer.write(open({str(source)!r}, 'rb').read())\nreturn {code}"
    world.job(name, body)


def report(world, name, output):
    """What a report says, as bytes; None if there is no such report."""
    path = world.home / output
    words = ["report", name, *(["create"] if not world.ours else []), "-o", path]
    done = world.canary(*words)
    return (path.read_bytes() if path.exists() else None), done


@pytest.mark.experiment(22, "hostile output")
def test_22_reports(world, see):
    prints(world, "a", HOSTILE)
    done = world.run()
    see(done.code == 8, "exit code 8", done.trouble)
    see("\x1b" not in done.text, "the terminal is left alone", done.text[-300:])
    data, made = report(world, "junit", "out.xml")
    see(data, "JUnit is written", made.trouble)
    try:
        root = ET.fromstring(data or b"")
        text = " ".join(root.itertext()) + " ".join(str(e.attrib) for e in root.iter())
        see("visible text at the end" in text, "its text can be read", text[-300:])
        see("<script>alert(1)</script>" in text, "as text", text[-300:])
        see(not CONTROL.search(text), "without control characters")
    except ET.ParseError as e:
        see(False, "JUnit is XML", e)
    data, made = report(world, "json", "out.json")
    see(data, "JSON is written", made.trouble)
    try:
        json.loads(data or b"")
    except ValueError as e:
        see(False, "JSON is JSON", e)
    data, made = report(world, "markdown", "out.md")
    if made.code == 0 and data is not None:
        text = data.decode(errors="strict")
        page = MarkdownIt().render(text)
        see("<script" not in page, "Markdown makes no script", page[-300:])
        see("\x1b" not in text, "Markdown holds no escape sequence")
    shown = world.canary("log", "a")
    see("visible text at the end" in shown.text, "`log` shows it", shown.trouble)


@pytest.mark.experiment(22, "hostile output")
def test_22_reports_of_ci_systems(ours, see):
    """Lines that a CI system would obey are not passed on to it."""
    prints(ours, "a", HOSTILE)
    ours.run()
    for name, output in (("github", "out.md"), ("gitlab", "out.json"), ("tap", "out.tap")):
        data, made = report(ours, name, output)
        if made.code == 2:
            continue  # it wants more than a file
        see("Traceback" not in made.text, f"{name}: no traceback", made.trouble)
        text = (data or b"").decode() + made.text
        see("\x1b" not in text, f"{name}: no escape sequence", text[-300:])
        orders = [x for x in text.splitlines() if x.startswith(("::error file=a", "##vso"))]
        see(not orders, f"{name}: nothing of it is an order", orders)
    captured = ours.run("--only", "all", "--show-capture")
    orders = [x for x in captured.text.splitlines() if x.lstrip().startswith(("::error", "##vso"))]
    see("\x1b" not in captured.text, "--show-capture: no escape sequence")
    see(not orders, "nor orders", orders)
    see(r":\x3aerror file=a::injected" in captured.text, "the text is there")


@pytest.mark.experiment(22, "hostile output")
def test_22_output_that_is_no_file(ours, see):
    """In its place is a pipe that nobody writes to, or a device without an end."""
    ours.job("pipe", "os.remove('canary-out.txt')\nos.mkfifo('canary-out.txt')\nreturn 1")
    zero = "os.remove('canary-out.txt')\nos.symlink('/dev/zero', 'canary-out.txt')\nreturn 1"
    ours.job("zero", zero)
    done = ours.run("--output-on-failure")
    see(done.code == 8, "the run comes to its end", done.trouble)
    said = done.out.count("(no output: not a file)")
    see(said == 2, "of each it is said that it is not a file", done.trouble)
    see.same(ours.jobs(), {"pipe": "FAILED", "zero": "FAILED"}, "both have their results")
    for name in ("pipe", "zero"):
        done = ours.canary("log", name)
        see("not a file" in done.out, f"`log {name}` says so, too", done.trouble)
        lock = ours.sessions()[-1] / name / "testcase.lock"
        lock.unlink()
        os.mkfifo(lock)
        done = ours.canary("log", name)
        see(done.code == 0, f"`log {name}` waits for no lock, either", done.trouble)
    for kind in ("junit", "html", "markdown", "json", "tap", "github"):
        data, made = report(ours, kind, f"out.{kind}")
        see(data and made.code == 0, f"{kind} is written", made.trouble)
    see("Traceback" not in ours.canary("doctor").text, "doctor reads no such lock")
    see(ours.canary("doctor", "--rebuild").code == 0, "and can mend it")


@pytest.mark.experiment(22, "hostile output")
def test_22_a_line_of_ten_megabytes(world, see):
    world.job("a", "sys.stdout.write('x' * (10 << 20))\nreturn 1")
    done, used = world.measured(*world.words())
    see(done.code == 8, "exit code 8", done.trouble)
    see(used < 200 * MEGABYTE, "less than 200 MB", f"{used / MEGABYTE:.0f} MB")
    see(len(done.text) < 100_000, "the terminal does not get it", len(done.text))
    data, made = report(world, "junit", "out.xml")
    try:
        ET.fromstring(data or b"")
    except ET.ParseError as e:
        see(False, "JUnit is XML", e)
    see("Traceback" not in made.text, "no traceback", made.trouble)


FLOOD = """
    block = b"x" * (1 << 16)
    try:
        for n in range({blocks}):
            os.write(1, block)
        os.write(1, b"the end\\n")
    except OSError:
        pass
    tell("end")
"""


def flood(world, size):
    world.job("a", FLOOD.replace("{blocks}", str(size >> 16)))


def output_of(world):
    """The largest file of the only job, and its size."""
    place = Path(world.records()[0]["exec_dir"])
    size, path = max((p.stat().st_size, p) for p in place.iterdir())
    return path, size


@pytest.mark.experiment(13, "a flood of output")
def test_13_over_the_limit(ours, see):
    """Ten times what is allowed, and for ever: ended by the limit, and cut to it."""
    ours.job("a", "while True:\n    os.write(1, b'x' * (1 << 16))\n    time.sleep(0.001)")
    done, used = ours.measured("-c", f"run:output:limit:{LIMIT}", *ours.words("--grace=1"))
    see(done.code == 8, "exit code 8", done.trouble)
    see.same(ours.jobs(), {"a": "FAILED"}, "FAILED")
    reason = ours.records()[0]["status"]["reason"]
    see(str(LIMIT) in reason, "the reason names the limit", reason)
    path, size = output_of(ours)
    see(size <= LIMIT + 200, "its file has that size", size)
    see(b"bytes left out" in path.read_bytes(), "and a line says so")
    see(used < 200 * MEGABYTE, "less than 200 MB", f"{used / MEGABYTE:.0f} MB")
    left = ours.await_silence(1.0)
    see(not left, "no process is left", left)


@pytest.mark.experiment(13, "a flood of output")
def test_13_trimmed(ours, see):
    """With the policy `trim` it goes on; head, marker and tail are kept."""
    flood(ours, 10 * LIMIT)
    words = ["-c", f"run:output:limit:{LIMIT}", "-c", "run:output:policy:trim"]
    done = ours.canary(*words, *ours.words())
    see(done.code == 0, "the test passes", done.trouble)
    path, size = output_of(ours)
    see(size <= LIMIT + 200, "its file has that size", size)
    text = path.read_bytes()
    see(text.endswith(b"the end\n"), "the tail is kept", text[-40:])
    see(text.startswith(b"xxx") or b"\nxxx" in text[:4096], "the head is kept", text[:40])
    see(b"bytes left out" in text, "and a line says so")


@pytest.mark.experiment(13, "a flood of output")
@pytest.mark.slow
@pytest.mark.early
def test_13_two_gigabytes(world, see):
    """The default limit; memory stays small, and the runner keeps its time."""
    flood(world, 2 << 30)
    free = os.statvfs(world.root)
    if free.f_bavail * free.f_frsize < 3 << 30:
        pytest.skip("less than 3 GB free")
    done, used = world.measured(*world.words())
    see("Traceback" not in done.text, "no traceback", done.trouble)
    see(used < 200 * MEGABYTE, "less than 200 MB", f"{used / MEGABYTE:.0f} MB")
    _, size = output_of(world)
    see(size <= (1 << 30) + 200, "at most 1 GiB is kept", f"{size / MEGABYTE:.0f} MB")


@pytest.mark.experiment(13, "a flood of output")
def test_13_no_output(ours, see):
    """The contrary: a test that says nothing for longer than it may."""
    ours.job("a", "print('once', flush=True)\ntell('up')\nhang()")
    done = ours.run("--no-output-timeout=1s", "--grace=1")
    see(done.code == 4, "exit code 4", done.trouble)
    reason = ours.records()[0]["status"]["reason"]
    see("no output for 1 s" in reason, "the reason says so", reason)


TWENTY = "abcdefghijklmnopqrst"


def twenty(world):
    for name in TWENTY:
        world.job(name, f"tell('ran.{name}')\nreturn {int(name == 'b')}")


def test_nobody_reads_to_the_end(ours, see):
    """What `--durations` and the like would add; there is more of it than a pipe takes."""
    for name in TWENTY:
        text = "x" * 20_000
        ours.job(name, f"print({text!r})\ntell('ran.{name}')\nreturn {int(name == 'b')}")
    words = ours.words("--durations=20", "--show-capture=oe")
    line = '"$@" | head -n 3; exit "${PIPESTATUS[0]}"'
    done = ours.start(*words, before=["bash", "-c", line, "bash"]).wait()
    judge_unseen(ours, see, "details", done.code)


def judge_unseen(world, see, what, code):
    see(code == 8, f"{what}: exit code of the tests", code)
    see(len(world.told("ran.")) == 20, f"{what}: all are run", world.told("ran."))
    jobs = world.jobs()
    right = {**dict.fromkeys(TWENTY, "SUCCESS"), "b": "FAILED"}
    see(jobs == right, f"{what}: all results are there", jobs)
    if world.ours:
        see(world.canary("doctor").code == 0, f"{what}: doctor finds nothing")


CLOSED = {
    "a reader that goes away": '"$@" 2>&1 | head -n 1',
    "a reader of stdout that goes away": '"$@" | true',
    "stdout closed": '"$@" >&-',
    "stderr closed": '"$@" 2>&-',
    "stdin closed": '"$@" <&-',
    "all closed": '"$@" <&- >&- 2>&-',
    "a full disk": '"$@" > /dev/full 2>&1',
}


@pytest.mark.parametrize("what", CLOSED)
def test_nobody_sees_it(world, see, what):
    """Whoever reads what is printed may go away; the session does not."""
    twenty(world)
    line = f"set -o pipefail; {CLOSED[what]}; code=$?; exit $code"
    if "|" in CLOSED[what]:
        line = f'{CLOSED[what]}; exit "${{PIPESTATUS[0]}}"'
    done = world.start(*world.words(), before=["bash", "-c", line, "bash"]).wait()
    judge_unseen(world, see, what, done.code)


def test_a_terminal_that_is_closed(ours, see):
    """Everything that was printed fails with EIO, and SIGHUP comes."""
    ours.job("a", "tell('up')\nhang()")
    leader, follower = os.openpty()
    more = {"stdin": follower, "stdout": follower, "stderr": follower}
    runner = ours.start(*ours.words("--grace=1"), before=["setsid", "--ctty", "--wait"], **more)
    os.close(follower)
    ours.await_flags("up", runner=runner)
    os.close(leader)
    done = runner.wait()
    see(done.code == 128 + signal.SIGHUP, "exit code 129", done.code)
    see.same(ours.jobs(), {"a": "INTERRUPTED"}, "the result is there")
    left = ours.await_silence(2.0)
    see(not left, "no process is left", left)


def test_what_runs_is_told(ours, see):
    """Who asks is told, how often ever, and nothing else happens."""
    ours.job("a", "tell('up')\nhear('go')")
    runner = ours.start(*ours.words())
    ours.await_flags("up", runner=runner)
    for n, number in enumerate((signal.SIGUSR1, signal.SIGQUIT, signal.SIGUSR1), 1):
        runner.send(number)
        until("it is told", lambda n=n: runner.text().count("runs for") >= n)
    see(re.search(r"\ba \(\w{7}\) runs for \d", runner.text()), "name and time", runner.text())
    ours.flag("go").touch()
    see(runner.wait().code == 0, "the run goes on", runner.text())


def test_the_output_is_as_hostile_as_it_is_meant_to_be():
    """The experiment itself: XML readers refuse it as it is."""
    with pytest.raises(ET.ParseError):
        ET.fromstring(b"<a>" + HOSTILE + b"</a>")
    out = subprocess.run(["cat"], input=HOSTILE, capture_output=True, check=True).stdout
    assert CONTROL.search(out.decode(errors="replace"))
