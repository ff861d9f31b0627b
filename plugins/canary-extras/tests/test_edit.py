"""`canary edit`: which file, which editor."""

from __future__ import annotations

import pytest

from canary.errors import UsageError
from canary_extras.edit import editor as choose

TEST = "import canary\ncanary.directives.parameterize('n', [1, 2])\n"


def test_the_first_variable_that_says_something_counts():
    environ = {"CANARY_EDITOR": " ", "VISUAL": "code --wait", "EDITOR": "ed"}
    assert choose(environ) == ["code", "--wait"]
    assert choose({**environ, "CANARY_EDITOR": "vi"}) == ["vi"]
    assert choose({"EDITOR": "'/a b/ed'"}) == ["/a b/ed"]


def test_an_editor_that_cannot_be_read_is_named():
    with pytest.raises(UsageError, match="VISUAL="):
        choose({"VISUAL": "'vi"})


def test_no_editor_is_one_line(here, canary):
    (here / "a.pyt").write_text("")
    done = canary("edit", "a.pyt", expect=2)
    assert done.stderr == "ERROR: no editor is named [set CANARY_EDITOR, VISUAL or EDITOR]\n"


def test_an_editor_that_is_not_there(here, canary):
    (here / "a.pyt").write_text("")
    done = canary("edit", "a.pyt", expect=2, env={"EDITOR": "no-such-editor"})
    assert "no-such-editor cannot be started" in done.stderr


def test_a_job_is_opened_by_name_and_id(here, canary, editor):
    file = here / "t" / "one.pyt"
    file.parent.mkdir()
    file.write_text(TEST)
    canary("run", "t")
    env = {"EDITOR": editor}
    assert canary("edit", "one.n=2", env=env).stdout == f"--wait\n{file}\n"
    job = canary("location", "one.n=2", "-i").stdout.strip()
    assert job == str(file)
    several = canary("edit", "one", env=env, expect=2).stderr
    assert "could be 2 jobs" in several
    file.unlink()
    assert "is gone" in canary("edit", "one.n=2", env=env, expect=2).stderr


def test_a_job_that_has_not_run_is_opened_too(here, canary, editor):
    file = here / "t" / "one.pyt"
    file.parent.mkdir()
    file.write_text(TEST)
    canary("collect", "t")
    done = canary("edit", "one.n=2", env={"EDITOR": editor})
    assert done.stdout.split() == ["--wait", str(file)]
    assert "no job 'two'" in canary("edit", "two", expect=2, env={"EDITOR": editor}).stderr


def test_a_file_is_opened_without_a_workspace(here, canary, editor):
    (here / "a.pyt").write_text("")
    done = canary("edit", "a.pyt", env={"VISUAL": editor})
    assert done.stdout == f"--wait\n{here}/a.pyt\n"
    missing = canary("edit", "b.pyt", env={"VISUAL": editor}, expect=2).stderr
    assert "b.pyt: no such file, and no workspace" in missing


def test_the_exit_code_is_the_editors(here, canary, editor):
    (here / "a.pyt").write_text("")
    canary("edit", "a.pyt", env={"EDITOR": editor, "CODE": "3"}, expect=3)
