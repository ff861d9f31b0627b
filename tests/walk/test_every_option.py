"""Options as people use them: each in a command line, and what it is to bring about.

The table names what other walk tests do not; `test_each_option_is_in_some_test` holds them to it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from canary import cli

FILES = {
    "t/slow.pyt": """
import time
import canary
canary.directives.keywords("slow")
canary.directives.copy("data.txt")
if __name__ == "__main__":
    time.sleep(0.05)
    print("needle in the output")
""",
    "t/data.txt": "needle in the data\n",
    "t/fails.pyt": """
import canary
canary.directives.keywords("bad")
canary.directives.depends_on("slow")
if __name__ == "__main__":
    print("it is wrong")
    raise SystemExit(1)
""",
    "t/left.pyt": """
import canary
canary.directives.skipif(True, reason="not on a Monday")
""",
    "t/other.pyt": "import canary\ncanary.directives.keywords('slow')\n",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    place = tmp_path_factory.mktemp("made") / "w"
    for name, text in FILES.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        assert cli.main(["run", "--tag", "mine", "t"]) == 8
    return place


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    place = tmp_path / "w"
    shutil.copytree(made, place, symlinks=True)
    monkeypatch.chdir(place)
    return place


def row(words, code, *texts, absent=()):
    """A line: its words, exit code, texts that it shows, and texts that it does not."""
    return pytest.param(words.split(" "), code, texts, absent, id=words[:60])


@pytest.mark.parametrize(
    ("words", "code", "texts", "absent"),
    [
        # what is run
        row("run --regex in.the.data --only all t", 0, "1 total: 1 pass", "regular expression"),
        row("run --regex nowhere t", 7, "no jobs to run"),
        row("run -R --tag again t", 8, "3 total: 2 pass, 1 failed"),
        row("run --only failed --show-excluded-tests", 8, "not on a Monday", "1 failed"),
        row("run --repeat-until-fail 3 slow", 8, "2 total: 1 pass, 1 failed"),
        row("run --repeat-after-timeout 1 --repeat-until-pass 1 fails", 8, "attempt 1, again"),
        row("run --durations 1 --only all t", 8, "Slowest jobs"),
        row("run --show-capture o fails", 8, "it is wrong"),
        row("run --output-on-failure fails", 8, "it is wrong"),
        row("run --only all --output-limit 5 t", 8, "wrote more than 5 bytes"),
        row("run --only all --output-limit 5 --output-policy trim t", 8, "2 pass, 1 failed"),
        row("run --only all --shared-workspace -k not_there t", 7, "keyword expression"),
        row("run --dry-run -R --oversubscribe cpus=2 t", 0, "3 jobs would run"),
        row("run --no-deps --only all fails", 8, "1 total: 1 failed"),
        row("run --empty-ok t -k nothing", 0, "no jobs to run"),
        row("run --capture no --mail-to me --no-incremental fails", 8, "--mail-to has no effect"),
        row("run -e X=1 fails", 8, "-e has no effect after the command"),
        row("run --report bogus t", 2, "no reporter 'bogus'", "there are: ", absent=("pass",)),
        row("run --report html,jnit t", 2, "did you mean junit?", absent=("pass",)),
        row("--gpu-backend bogus run t", 2, "no GPU backend 'bogus'", absent=("pass",)),
        row("run --repeat-until-pass x", 2, "must be a whole number, not 'x'"),
        row("run --style live=no,name=long fails", 8, "fails"),
        row("run --report none fails", 8),
        row("run --grace 1 --no-output-timeout 30 --launcher local fails", 8),
        row("run --parsing-policy permissive --timeout all=20 --timeout multiplier=2 fails", 8),
        row("run --session-timeout 100 --test-timeout 20 --timeout-multiplier 2 fails", 8),
        row("resume --only all", 7, "left nothing undone"),
        # looking
        row("find t --paths", 0, "/t:\n", "\nslow.pyt\n"),
        row("find -r t --files", 0, "t/slow.pyt"),
        row("find -r t/slow.pyt --paths", 0, "/t:\nslow.pyt\n", absent=("fails.pyt",)),
        row("find t --graph", 0, "  fails  <- slow"),
        row("find t --keywords", 0, "bad\nslow"),
        row("find t --show-excluded-tests --regex data", 0, "1 job", "fails: regular"),
        row("find t --no-incremental --files", 0, "t/slow.pyt"),
        row("find t --lock", 0, "wrote 3 specs to testspecs.lock"),
        row("find t --json -o opt --owner me", 7, "[]"),
        row("status --failed", 0, "FAIL (FAILED)", absent=("slow ",)),
        row("status --sort-by duration --full-ids -a", 0, "3 jobs: 2 passed, 1 failed"),
        row("status --durations 1", 0, "Slowest jobs", "slow"),
        row("status -o ID,FullName,FilePath,ExitCode fails", 0, "FilePath", "fails.pyt"),
        row("status --show-excluded", 0, "not on a Monday"),
        row("status -rp --json", 0, '"fullname": "slow"', absent=('"fails"',)),
        row("log slow --tail 1 --raw", 0, "needle in the output"),
        row("log --lock fails", 0, '"phase":"DONE"'),
        row("log --error fails", 2, "errors are in its output"),
        row("log --file canary-out.txt fails", 0, "it is wrong"),
        row("log --file canary-out fails", 2, "not in", "did you mean canary-out.txt?"),
        row("location -i slow", 0, "t/slow.pyt"),
        row("location -l slow", 0, "canary-out.txt"),
        row("location -x slow", 0, ".canary/sessions/"),
        row("location -s slow", 0, "/t\n"),
        row("describe --json -o x t/slow.pyt", 0, '"keywords": [\n    "slow"'),
        row("info --json --tag mine", 0, '"slow"'),
        row("query job fails --all-runs", 0, '"exit_code": 1'),
        row("query job slow --cache --terse", 0, '"count": 1'),
        row("query job slow spec --list", 0, "file_path\n"),
        row("query job slow spec.family --clean", 0, '"slow"\n'),
        row("query jobs --watch 1 --digest", 0, "fails FAIL\nother PASS\nslow PASS"),
        row("query jobs --excluded", 0, "not on a Monday"),
        row("query jobs --session latest --where name==slow", 0, '"name": "slow"'),
        row("query session latest --expand-jobs --watch", 0, '"fullname": "fails"'),
        row("query session latest --list", 0, "job_ids\n"),
        row("query sessions --where returncode==8 --terse", 0, '"job_count": 3'),
        row("query db schema", 0, "CREATE TABLE results"),
        row("query db stats", 0, '"result_count": 3'),
        row("query db SELECT spec_name FROM results", 0, '"spec_name": "slow"'),
        row("query db DELETE FROM results", 2, "no question to the store"),
        row("help --pathspec", 0, "git@DIRECTORY"),
        row("help --pathfile", 0, "testpaths"),
        row("plugins --json", 0, '"state": "active"'),
        row("config show --format json run", 0, '"workers": null'),
        row("config show --origin run", 0, "# default"),
        row("config show --format yaml run", 0, "run:\n  default_tag:"),
        row("config show --paths", 0, "no configuration file is there"),
        row("-r cpus=3 config show resource_pool", 0, 'cpus = [{ id = "0"', 'id = "2"'),
        # changing
        row("select --from mine --regex data new", 0, "new: 1 job"),
        row("select --move mine new", 0, "mine: renamed to new"),
        row("select --delete mine", 0, "mine: deleted"),
        row("view create --mode copy --only failed --name Bad", 0, "Bad: 1 job"),
        row("collect --shared-workspace t", 0, "collected 4 jobs"),
        row("config set run:workers 3 --local", 0, "workers = 3"),
        row("config set run:workers 3 --project", 0, "canary.toml"),
        row("config set run:workers 3 --global", 0, "config.toml"),
        row("gc --dryrun", 0, "would remove 0 older results"),
        row("exec --session latest fails", 8, "it is wrong"),
        row("report junit --session latest --limit 100", 0, "junit.xml"),
        row("report markdown --limit 100", 0, "MARKDOWN"),
        row("report html --size 1 --limit 100", 0, "canary.html"),
        row("report tap --tap-version 13 --limit 9", 0, "canary.tap"),
        row("report github --limit 3", 0, "fails"),
        row("report gitlab-issues --label x --max 2 -o i.json", 0, "i.json"),
        row("report cdash create --name-format long -d out", 0, "out/"),
        row("report cdash summary --mailfrom me --url file:///no --project x", 2, "ERROR"),
        # batches; what they do is in canary-slurm's tests
        row("run -R --hpc-backend none --hpc-submit-args=-A --hpc-allow-hyperthreading t", 8),
        row("exec --manifest nothing.json", 2, "cannot be read"),
        row("doctor --rebuild", 0, "made anew from 1 session"),
        row("rebaseline -k and", 3, "ERROR: -k: expected"),
        row("rebaseline --dry-run --atol 0.1", 0, "nothing to rebaseline"),
        # main options
        row("-p no:tap report tap", 2, "no reporter 'tap'"),
        row("-p no:nobody plugins", 0, "no:nobody blocks nothing"),
        row("learn caps core --list", 0, "core.commands"),
        row("--canary-dir .canary -v status", 0, "3 jobs"),
        row("-q run fails", 8, "1 total: 1 failed", absent=("INFO",)),
        row("--profile status", 0, "cumulative"),
        row("--no-pager --hook-limit 5 --enable-hyperthreads plugins", 0, "active"),
        row("-e COLOUR=blue -r cpus=1 -c run:workers:1 run fails", 8),
        row("-C t status", 0, "3 jobs"),
        row("--color never --plain --log-level ERROR --debug status", 0, "3 jobs"),
    ],
)
def test_a_line_of_the_table(words, code, texts, absent, here, capfd):
    assert cli.main(words) == code, capfd.readouterr()
    shown = "".join(capfd.readouterr())
    assert [text for text in texts if text not in shown] == [], shown
    assert [text for text in absent if text in shown] == [], shown


def test_what_init_is_given_is_kept_with_save(here, capfd):
    assert cli.main(["-r", "cpus=3", "init", "-w", "--save", "."]) == 0
    assert cli.main(["config", "show", "--origin", "resource_pool"]) == 0
    assert "cpus = 3" in capfd.readouterr().out


def test_what_is_copied_is_no_link(here, capfd):
    assert cli.main(["run", "--copy-all-resources", "--only", "all", "t"]) == 8
    copied = next(here.glob("TestResults/slow/data.txt"))
    assert not copied.is_symlink()


def test_a_view_can_be_shaped(here, capfd):
    assert cli.main(["run", "--only", "all", "--view", "mode=copy,only=failed,name=Bad", "t"]) == 8
    assert [p.name for p in (here / "Bad").iterdir() if p.is_dir()] == ["fails"]
    assert cli.main(["run", "--only", "all", "--view", "mode=none,name=None", "t"]) == 8
    assert not (here / "None").exists()


def test_directories_of_what_passed_are_removed(here, capfd):
    assert cli.main(["run", "--post-clean", "--only", "all", "t"]) == 8
    last = max((here / ".canary" / "sessions").iterdir())
    assert sorted(p.name for p in last.iterdir() if p.is_dir()) == ["fails"]


def test_after_a_failure_nothing_more_starts(here, capfd):
    for name in ("x1", "x2", "x3"):
        (here / "x" / f"{name}.pyt").parent.mkdir(exist_ok=True)
        (here / "x" / f"{name}.pyt").write_text("if __name__ == '__main__': raise SystemExit(1)\n")
    assert cli.main(["run", "--fail-fast", "--workers", "1", "x"]) == 8 | 16
    assert "1 failed" in capfd.readouterr().out
    sessions = os.listdir(".canary/sessions")
    assert cli.main(["resume", "--dry-run"]) == 0
    assert "2 jobs would run" in capfd.readouterr().out
    assert os.listdir(".canary/sessions") == sessions
    assert cli.main(["resume", "--no-fail-fast", "--durations", "1"]) == 8
    assert "2 failed" in (said := capfd.readouterr().out)
    assert "Slowest jobs" in said


def test_a_selection_by_root(here, capfd):
    assert cli.main(["init", "-w"]) == 0
    assert cli.main(["collect", "t"]) == 0
    assert cli.main(["select", "--from-root", "t/slow.pyt", "new"]) == 0
    assert "new: 1 job" in capfd.readouterr().out


def test_a_time_limit_holds_for_stored_jobs_too(here, capfd):
    assert cli.main(["init", "-w"]) == 0
    assert cli.main(["collect", "t"]) == 0
    (here / "t" / "slow.pyt").write_text("import time\nif __name__ == '__main__': time.sleep(20)\n")
    assert cli.main(["run", "--timeout", "all=0.2", "slow"]) == 4
    assert "timed out after 0.2 s" in capfd.readouterr().out


def test_an_edited_file_is_told_where_it_is_not_read_again(here, capfd):
    assert cli.main(["init", "-w"]) == 0
    assert cli.main(["collect", "t"]) == 0
    (here / "t" / "slow.pyt").write_text(FILES["t/slow.pyt"] + "# more\n")
    assert cli.main(["run", "--only", "all"]) == 8
    assert "edited since it was collected: t/slow.pyt;" in capfd.readouterr().err
    assert cli.main(["run", "--only", "all", "t"]) == 8
    assert cli.main(["run", "--only", "all"]) == 8
    assert "edited" not in capfd.readouterr().err


def test_a_path_file_and_a_pool_file(here, capfd):
    (here / "paths.json").write_text('{"testpaths": [{"root": "t", "paths": ["slow.pyt"]}]}')
    pool = {"nodes": [{"id": "n", "resources": {"cpus": [{"id": "0", "slots": 1}]}}]}
    (here / "pool.json").write_text(json.dumps(pool))
    words = ["--resource-pool-file", "pool.json", "run", "-f", "paths.json", "--only", "all"]
    assert cli.main(words) == 0
    assert "1 total: 1 pass" in capfd.readouterr().out


def test_watching_ends_with_the_session(here, capfd):
    """It is asked again while a session is under way; here it is over when first asked."""
    assert cli.main(["query", "jobs", "--watch=0.2", "--terse"]) == 0
    assert len(capfd.readouterr().out.splitlines()) == 1


def test_what_is_watched_is_shown_until_it_ends(canary, tree, tmp_path):
    """The job waits for a file that is made once the first answer has come."""
    go = tmp_path / "go"
    wait = f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.02)\n"
    tree({"one.pyt": f"if __name__ == '__main__':\n    {wait.replace(chr(10), chr(10) + '    ')}"})
    words = [sys.executable, "-m", "canary"]
    with subprocess.Popen([*words, "run", "t"], cwd=tmp_path, stderr=subprocess.DEVNULL) as run:
        while not (tmp_path / ".canary" / "refs" / "latest").exists():
            time.sleep(0.02)
        query = [*words, "query", "jobs", "--watch=0.1", "--digest"]
        with subprocess.Popen(query, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as watch:
            assert watch.stdout is not None
            first = watch.stdout.readline()
            go.touch()
            rest = watch.stdout.read()
        assert run.wait(20) == 0
    assert "one PASS" not in first
    assert rest.endswith("one PASS\n")


def test_each_option_is_in_some_test(canary, root):
    described = json.loads(canary("help", "--json", expect=0).stdout)
    places = ("tests/walk/*.py", "tests/faults/*.py", "plugins/*/tests/*.py")
    text = "\n".join(p.read_text() for place in places for p in root.glob(place))
    unnamed = [o["flag"] for o in described["main_options"] if not is_named([o["flag"]], text)]
    todo = list(described["commands"].items())
    while todo:
        name, command = todo.pop(0)
        todo += [(f"{name} {word}", inner) for word, inner in command.get("words", {}).items()]
        if name != "resume":  # has those of run
            rows = [r for r in command["arguments"] if r["flags"] and r["name"] != "help"]
            unnamed += [f"{name} {r['flags']}" for r in rows if not is_named(r["flags"], text)]
    assert unnamed == []


def is_named(flags, text):
    return any(re.search(rf"[\"' \[]{re.escape(flag)}(?![\w-])", text) for flag in flags)


@pytest.fixture
def root():
    return Path(__file__).parents[2]
