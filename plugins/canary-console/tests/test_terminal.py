from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import sys
import termios

import pytest

from canary_console.terminal import Above, Redirection, Screen, has_unicode, is_terminal


class Fixed(Screen):
    """A screen of a given size, on a stream that is no terminal."""

    columns = 40

    def size(self):
        return self.columns, 20


def drawing(*lines):
    return [(line, len(line)) for line in lines]


@pytest.fixture
def screen(make_emulator):
    class Shown(io.StringIO):
        terminal = make_emulator(40, 20)

        def write(self, text):
            self.terminal.feed(text)
            return len(text)

    stream = Shown()
    made = Fixed(stream)
    made.terminal = stream.terminal
    return made


def test_what_is_said_scrolls_above_what_is_drawn(screen):
    screen.draw(drawing("one", "two"))
    screen.say("first")
    screen.draw(drawing("three"))
    screen.say("x" * 100)
    screen.say("y" * 40)
    screen.draw(drawing("four", "five", "six"))
    assert screen.terminal.text.replace("\n", "|") == (
        f"first|{'x' * 40}|{'x' * 40}|{'x' * 20}|{'y' * 40}|four|five|six"
    )


def test_a_drawing_is_replaced_by_one_that_is_shorter_narrower_or_none(screen):
    screen.draw(drawing("a longer line", "another line", "third"))
    screen.draw(drawing("short", "x"))
    assert screen.terminal.lines == ["short", "x"]
    screen.close()
    assert screen.terminal.lines == [""]


def test_nothing_is_written_where_there_is_nothing_to_draw(screen):
    screen.draw()
    screen.close()
    assert screen.terminal.lines == [""]


@pytest.mark.parametrize("columns", [80, 39, 25, 13, 7])
def test_a_terminal_that_becomes_narrower_keeps_nothing_of_the_drawing(screen, columns):
    screen.say("before")
    screen.draw(drawing("a" * 39, "b" * 13, "", "c" * 26))
    screen.columns = columns
    screen.terminal.resize(columns)
    screen.draw(drawing("d" * 6, "e"))
    assert "".join(screen.terminal.lines[:-2]) == "before"
    assert screen.terminal.lines[-2:] == ["d" * 6, "e"]


@pytest.fixture
def line():
    """Both ends of a real terminal: what it is driven by, and a stream to write to."""
    master, slave = pty.openpty()
    os.set_blocking(master, False)
    with open(slave, "w", encoding="utf-8") as stream:
        yield master, stream
    os.close(master)


def test_a_terminal_that_is_held_is_not_waited_for(line):
    _, stream = line
    screen = Screen(stream)
    assert screen.is_ready()
    termios.tcflow(stream.fileno(), termios.TCOOFF)
    assert not screen.is_ready()
    termios.tcflow(stream.fileno(), termios.TCOON)
    assert screen.is_ready()


def test_a_terminal_that_takes_no_more_is_not_waited_for(line):
    _, stream = line
    screen = Screen(stream)
    for _ in range(10_000):
        if not screen.is_ready():
            break
        screen.draw(drawing("x" * 79))
    assert not screen.is_ready()


def test_a_terminal_that_is_gone_is_left_alone():
    master, slave = pty.openpty()
    stream = open(slave, "w", encoding="utf-8")  # noqa: SIM115 - closing it fails, which is the point
    screen = Screen(stream)
    screen.draw(drawing("one"))
    os.close(master)
    screen.draw(drawing("two"))
    assert not screen.is_ready()
    screen.say("three")
    screen.close()
    assert screen.size() == (80, 24)
    with pytest.raises(OSError, match="Input/output error"):
        stream.close()


def test_a_stream_that_is_closed_is_left_alone(line):
    _, stream = line
    screen = Screen(stream)
    screen.draw(drawing("one"))
    stream.close()
    screen.close()
    assert not screen.is_ready()


def test_size_is_that_of_the_terminal_now(line):
    _, stream = line
    screen = Screen(stream)
    assert screen.size() == (80, 24)  # it says 0 x 0
    fcntl.ioctl(stream.fileno(), termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
    assert screen.size() == (101, 33)


def test_what_is_a_terminal(line):
    _, stream = line
    assert is_terminal(stream, {"TERM": "xterm"})
    assert not is_terminal(stream, {"TERM": "dumb"})
    assert not is_terminal(stream, {})
    assert not is_terminal(io.StringIO(), {"TERM": "xterm"})
    stream.close()
    assert not is_terminal(stream, {"TERM": "xterm"})


@pytest.mark.parametrize(
    ("encoding", "environ", "expected"),
    [
        ("utf-8", {}, True),
        ("UTF8", {"LANG": "C"}, True),
        ("utf-8", {"LC_ALL": "C"}, False),
        ("utf-8", {"LC_ALL": "POSIX"}, False),
        ("iso8859-1", {}, False),
        ("ascii", {}, False),
    ],
)
def test_signs_need_an_encoding_that_has_them(encoding, environ, expected):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    assert has_unicode(stream, environ) is expected


def test_what_others_write_is_taken_line_by_line(make_stream):
    lines = []
    above = Above(make_stream(), lines.append)
    above.write("one\ntw")
    print("o\tx", file=above)
    above.write("no end")
    assert lines == ["one", "two     x"]
    above.end()
    above.end()
    assert lines == ["one", "two     x", "no end"]


def test_what_others_write_keeps_its_colour_and_moves_nothing(make_stream):
    lines = []
    above = Above(make_stream("ascii"), lines.append)
    above.write("\x1b[31mred\x1b[2J\r\né\x07\n")
    assert lines == ["\x1b[31mred\\x1b[2J\x1b[0m", "\\xe9\\x07"]


def test_streams_that_are_the_terminal_are_led_through_it(monkeypatch, make_stream, line):
    stream = make_stream()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    screen = Screen(stream)
    redirection = Redirection(screen)
    print("to the terminal", file=sys.stderr)
    print("to a file")
    sys.stderr.write("the end")
    assert sys.stderr.isatty()
    redirection.close()
    assert sys.stderr is stream
    assert sys.stdout.getvalue() == "to a file\n"
    assert stream.getvalue() == ""
    screen.close()
    assert stream.terminal.lines == ["to the terminal", "the end", ""]


def test_a_stream_that_somebody_else_replaced_stays_theirs(monkeypatch, make_stream):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", make_stream())
    redirection = Redirection(Screen(sys.stderr))
    theirs = sys.stderr = io.StringIO()
    redirection.close()
    assert sys.stderr is theirs
    assert sys.stdout is None
