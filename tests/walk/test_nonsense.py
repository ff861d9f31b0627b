"""Every option of every command, as declared, with values that make no sense: an exit code of the
table, one line that says what is wrong, and never a traceback.

Most calls are made in this process, by `canary.cli.main`; some in one of their own.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from pathlib import Path

import pytest

from canary import cli
from canary.commands import CORE
from canary.errors import ExitCode

VALUES = (
    *(
        "",
        "x",
        "-1",
        "0",
        "1e999",
        "nan",
        "*",
        "a=b",
        "=",
        "a=",
        "=b",
        "a=-1",
        "--",
        "-",
        ":",
        "a:b",
    ),
    *(
        "\x00x",
        "é\udcff",
        "../..",
        "/dev/null/x",
        "9" * 30,
        "{",
        "[",
        "(",
        "'",
        '"',
        "%",
        "%zz",
        "%00",
    ),
    *(
        "@nofile",
        "not",
        "and",
        "1.5s",
        "true",
        "none",
        ",",
        ",,",
        "x" * 5000,
        "$",
        "\n",
        "all",
        "\\",
    ),
)
PER_OPTION = 3  # of the values; which ones depends on the option alone
# what stands for a required word that is not itself the question
WORDS = {"key": "run:workers", "value": "4", "tag": "mine", "action": "show", "words": "stats"}
LEAVES = {"--detach"}  # the process that was asked ends, which here is that of the tests
CODES = {
    *(int(code) for code in ExitCode if code != ExitCode.SIGNAL),
    *range(2, 128, 2),  # sums of a session's bits
    141,
}


def arguments(described):
    """Each argument of each command: the words before it, and what is declared of it."""
    todo = [([name], command) for name, command in described["commands"].items()]
    while todo:
        words, command = todo.pop(0)
        for word, inner in command.get("words", {}).items():
            todo.append(([*words, word], inner))
        required = [r for r in command["arguments"] if not r["flags"] and r["nargs"] in (None, "+")]
        for row in command["arguments"]:
            others = [r for r in required if r is not row]
            yield words, row, [choice_of(r) for r in others]


def group_of(words):
    """What a test is about: a command of the core, all those of plugins, or all reporters."""
    if words[0] == "report" and len(words) > 1:
        return "report TYPE"
    return words[0] if words[0] in {name for name, _, _ in CORE} else "of plugins"


def choice_of(row):
    return str(row["choices"][0]) if row["choices"] else WORDS.get(row["name"], "one")


def lines_of(words, row, others):
    """Command lines that ask one argument for nonsense."""
    if row["nargs"] == 0:
        return [[*words, row["flags"][-1], *others]]
    first = zlib.crc32(" ".join([*words, row["name"]]).encode()) % len(VALUES)
    step = len(VALUES) // PER_OPTION + 1
    chosen = [VALUES[(first + n * step) % len(VALUES)] for n in range(PER_OPTION)]
    if not row["flags"]:
        return [[*words, value, *others] for value in chosen]
    flag = max(row["flags"], key=len)
    join = "=" if flag.startswith("--") else ""
    return [[*words, f"{flag}{join}{value}", *others] for value in chosen]


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    place = tmp_path_factory.mktemp("describe")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        out = place / "help.json"
        with out.open("w") as file:
            patch.setattr("sys.stdout", file)
            assert cli.main(["help", "--json"]) == 0
    return json.loads(out.read_text())


@pytest.fixture
def place(tmp_path, canary, monkeypatch):
    """A workspace with one result, deep enough that `../..` is still ours; it comes back when a
    command has removed or changed it."""
    kept = tmp_path / "kept"
    (kept / "t").mkdir(parents=True)
    (kept / "t" / "one.pyt").write_text("print('ran')\n")
    canary("run", "--tag", "mine", "t", cwd=kept, expect=0)
    here = tmp_path / "a" / "b" / "c"
    for name, value in {"PAGER": "true", "BROWSER": "true", "EDITOR": "true"}.items():
        monkeypatch.setenv(name, value)

    def fresh():
        os.chdir(tmp_path)
        shutil.rmtree(tmp_path / "a", ignore_errors=True)
        shutil.rmtree(Path("~/config").expanduser(), ignore_errors=True)
        shutil.copytree(kept, here, symlinks=True)
        os.chdir(here)

    with open(os.devnull) as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        yield fresh
        os.chdir(tmp_path)


def complaint(code, err):
    """What is wrong with an answer; empty if nothing is."""
    if "Traceback" in err or "bug in canary" in err:
        return "a bug"
    if code not in CODES:
        return f"the exit code {code} is none of the table"
    if code in (1, 2) and not err.strip():
        return "it does not say what is wrong"
    return ""


@pytest.mark.parametrize("command", [*(name for name, _, _ in CORE), "of plugins", "report TYPE"])
def test_nonsense_for_every_option(command, described, place, capfd):
    wrong = []
    for words, row, others in arguments(described):
        if command != group_of(words) or LEAVES & set(row["flags"]):
            continue
        place()
        for line in lines_of(words, row, others):
            try:
                code = cli.main(line)
            except BaseException as e:  # noqa: BLE001 - nothing may come out
                code = f"{type(e).__name__}: {e}"
            err = capfd.readouterr().err
            if problem := complaint(code, err):
                wrong.append((line, problem, err[-300:]))
    assert wrong == []


def test_nonsense_on_a_command_line(described, canary, tmp_path):
    """As above, in processes of their own: the ways in and out are part of it."""
    lines = [x for a in arguments(described) for x in lines_of(*a)]
    for line in lines[:: len(lines) // 15]:
        if LEAVES & set(line) or any("\0" in word for word in line):
            continue  # no program can be handed a NUL
        done = canary(*line)
        assert complaint(done.returncode, done.stderr) == "", (line, done.stderr)
