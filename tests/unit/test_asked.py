"""What a session was asked, as its log has it: what is of another form is as if it were not."""

from __future__ import annotations

from argparse import Namespace

import pytest

from canary.commands import asked
from canary.journal import LOG, encode_line

NAMES = [asked.option_name(flag) for flag in asked.OPTIONS]


def taken(root, header):
    """What `take_over` makes of a workspace whose newest session has this header."""
    session = root / "sessions" / "2026-01-01T00-00-00"
    session.mkdir(parents=True)
    (root / "refs").mkdir()
    (root / "refs" / "latest").write_text(f"../sessions/{session.name}\n")
    (session / LOG).write_bytes(encode_line({"e": "plan", **header}))
    args = Namespace(**dict.fromkeys(NAMES))
    return args, asked.take_over(args, root).entries


def test_what_was_asked_is_taken_over(tmp_path):
    rows = [
        ["--repeat-until-fail", None, 4],
        ["--fail-fast", None, True],
        ["--", None, ["a", "b"]],
        ["--workers", ["run", "workers"], 2],
        ["-e", ["environment", "set", "TOKEN"], "..."],
    ]
    args, entries = taken(tmp_path, {"asked": rows})
    assert (args.repeat_until_fail, args.fail_fast, args.script_args) == (4, True, ["a", "b"])
    assert (args.repeat_until_pass, args.oversubscribe, args.teardown) == (0, [], False)
    assert [(e.path, e.raw, e.origin) for e in entries] == [(("run", "workers"), 2, "--workers")]


@pytest.mark.parametrize(
    "rows",
    [
        None,
        7,
        "--fail-fast",
        [None, 3, [], ["--fail-fast"], ["--fail-fast", None, True, 1]],
        [["--fail-fast", None, 1], ["--repeat-until-fail", None, -1], ["--workers", [], 1]],
        [["--repeat-until-fail", None, True], ["--repeat-until-fail", None, "4"]],
        [["--", None, "abc"], ["--", None, [1]], ["--wipe", None, True], [7, None, 1]],
        [["-c", ["plugins"], ["evil"]], ["-c", ["run", "shared_workspace"], True]],
        [["-c", ["run.shared_workspace"], True], ["-c", [["a"]], 1]],
        [["-c", ["run", "shared-workspace"], True], ["-c", ["aliases", "run"], "x"]],
    ],
)
def test_what_is_of_another_form_is_not(tmp_path, rows):
    args, entries = taken(tmp_path, {"asked": rows})
    kinds = {asked.option_name(flag): kind for flag, kind in asked.OPTIONS.items()}
    assert {name: getattr(args, name) for name in NAMES} == {n: kinds[n]() for n in NAMES}
    assert entries == ()


def test_a_session_of_an_older_release_asked_nothing(tmp_path):
    assert taken(tmp_path, {})[1] == ()


def test_without_a_workspace_nothing_was_asked():
    args = Namespace(**dict.fromkeys(NAMES))
    assert asked.take_over(args, None).entries == ()
    assert args.resumed == ""
