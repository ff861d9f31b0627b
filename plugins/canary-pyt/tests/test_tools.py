"""`canary.filesystem`, `canary.Executable` and the others, on real files and processes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import canary
from canary_pyt import enums


def test_every_name_that_is_given_is_there():
    from canary_api.pyt import NAMES

    for name in NAMES:
        assert getattr(canary, name) is not None, name
    assert canary.list_parameter_space is enums.list_parameter_space
    assert canary.enums.enums.random_parameter_space is canary.random_parameter_space


class TestExecutable:
    sh = property(lambda self: canary.Executable("sh"))

    def test_captured(self):
        result = self.sh("-c", "echo a; echo b >&2", stdout=str, stderr=str)
        assert (result.returncode, result.out, result.err) == (0, "a\n", "b\n")
        assert (result.stdout, result.get_output(), result.get_error()) == ("a\n", "a\n", "b\n")
        assert result.cmd.endswith("sh -c 'echo a; echo b >&2'")
        same = self.sh("-c", "echo a; echo b >&2", output=str, error=str)
        assert (same.out, same.err) == ("a\n", "b\n")

    def test_to_files(self, tmp_path):
        out, both = tmp_path / "o", str(tmp_path / "b")
        result = self.sh("-c", "echo a", stdout=out)
        assert out.read_text() == "a\n"
        with pytest.raises(ValueError, match="not captured"):
            result.get_output()
        self.sh("-c", "echo a; echo b >&2", stdout=both, stderr=both)
        assert (tmp_path / "b").read_text() == "a\nb\n"

    def test_codes(self):
        with pytest.raises(canary.ProcessError, match="exited with 3, not 0"):
            self.sh("-c", "exit 3")
        assert self.sh("-c", "exit 3", expected_returncode=3).returncode == 3
        sh = self.sh
        assert sh("-c", "exit 3", fail_on_error=False).returncode == sh.returncode == 3

    def test_environment_and_arguments(self):
        sh = self.sh
        sh.add_default_args("-c")
        sh.add_default_env({"A": "1"}, B="2")
        assert sh("echo $A$B", stdout=str).out == "12\n"
        assert sh("echo $A$C", stdout=str, env={"C": "3"}).out == "13\n"

    def test_a_text_is_a_program_with_arguments(self, tmp_path):
        shell = canary.Executable("sh -c 'echo \"$0 $1\"' 'a b'")
        assert shell("c", stdout=str).out == "a b c\n"
        odd = tmp_path / "pro g"
        odd.write_text("#!/bin/sh\necho ran $1\n")
        odd.chmod(0o755)
        for name in (odd, str(odd), f"'{odd}'"):
            assert canary.Executable(name)("1", stdout=str).out == "ran 1\n"
        for name in ("no-such-program -x", tmp_path / "sh -c", ""):
            with pytest.raises(FileNotFoundError):
                canary.Executable(name)
        with pytest.raises(ValueError, match="quotation"):
            canary.Executable("sh -c 'x")

    def test_faults(self):
        with pytest.raises(TimeoutError, match=r"not done after 0\.2 s"):
            self.sh("-c", "sleep 20", timeout=0.2)
        with pytest.raises(FileNotFoundError, match="no program 'no-such-program'"):
            canary.Executable("no-such-program")

    def test_verbose(self, capfd):
        self.sh("-c", "echo a", verbose=True)
        assert capfd.readouterr().out.splitlines()[0].startswith("running ")


class TestFilesystem:
    fs = property(lambda self: canary.filesystem)

    def test_make_copy_move_remove(self, tmp_path):
        fs = self.fs
        fs.touch("a")
        fs.touchp("d/e/f")
        fs.mkdirp("g/h", "i", mode=0o750)
        assert Path("i").stat().st_mode & 0o777 == 0o750
        fs.force_symlink("a", "l")
        fs.force_symlink("b", "l")
        assert Path("l").readlink() == Path("b")
        fs.force_copy("a", "c")
        fs.force_copy("d", "dd")
        fs.copyfile("a", "i")
        fs.movefile("c", "g")
        assert sorted(os.listdir()) == ["a", "d", "dd", "g", "i", "l"]
        assert Path("dd/e/f").exists()
        assert Path("i/a").exists()
        assert Path("g/c").exists()
        for name in ("dd", "l", "a", "gone"):
            fs.remove(name)
        fs.clean_out_folder("g")
        assert os.listdir("g") == []
        fs.async_rmtree("i")
        assert "i" not in os.listdir()
        fs.rmtree2("g")
        fs.rmtree2("g")
        assert not Path("g").exists()
        with pytest.raises(FileNotFoundError):
            fs.touch("none/a")

    def test_sync(self):
        self.fs.touchp("src/a/b.txt")
        self.fs.touchp("src/c.o")
        self.fs.touchp("out/src/old")
        self.fs.synctree("src", "out", ignore="*.o", delete=True)
        assert sorted(os.listdir("out/src")) == ["a"]
        self.fs.synctree("src/", "flat")
        assert sorted(os.listdir("flat")) == ["a", "c.o"]

    def test_directories_for_a_while(self, tmp_path):
        with self.fs.working_dir("new", create=True):
            assert Path.cwd() == tmp_path / "new"
        assert Path.cwd() == tmp_path
        with pytest.raises(FileNotFoundError), self.fs.working_dir("none"):
            pass
        with self.fs.tmpdir() as made:
            assert Path(made).is_dir()
        assert not Path(made).exists()

    def test_questions(self, tmp_path):
        fs = self.fs
        fs.atomic_write("a.txt", "one\ntwo\n")
        assert fs.grep("tw.", "a.txt")
        assert not fs.grep("^three", "a.txt")
        assert fs.filesize("a.txt") == 8
        assert fs.filesize("a.txt", units="kb") == 0
        assert 0 <= fs.file_age_in_days("a.txt") < 1
        assert fs.readable("a.txt")
        assert fs.writeable("a.txt")
        assert fs.accessible("a.txt")
        assert not fs.readable("none")
        assert not fs.is_exe("a.txt")
        fs.set_executable("a.txt")
        assert fs.is_exe("a.txt")
        fs.chmod_x("a.txt", 0o600)
        assert not fs.is_exe("a.txt")
        fs.chgrp("a.txt", os.getgid())
        assert fs.is_hidden("/a/.b")
        assert not fs.is_hidden("/.a/b")
        assert fs.samepath("a.txt", "./a.txt")
        assert fs.ancestor("/a/b/c/d", 2) == "/a/b"
        assert fs.max_name_length() >= 255
        os.utime("a.txt", (1, 1))
        fs.touch("b.txt")
        assert fs.sortby_mtime(["b.txt", "a.txt"]) == ["a.txt", "b.txt"]

    def test_people_and_machines(self, tmp_path, monkeypatch):
        assert self.fs.getuser()
        assert self.fs.gethost()
        assert self.fs.getnode()
        assert self.fs.gethome() == str(Path("~").expanduser())
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        assert self.fs.gettempdir() == str(tmp_path)
        assert self.fs.gettempdir(user=True, suffix="x") == f"{tmp_path}/{self.fs.getuser()}/x"

    def test_programs(self):
        assert self.fs.which("no-such-program", "sh").endswith("/sh")
        assert self.fs.which("no-such-program") is None
        with pytest.raises(FileNotFoundError, match="none of no-such-program"):
            self.fs.which("no-such-program", required=True)

    def test_work_tree(self, tmp_path):
        assert self.fs.find_work_tree(str(tmp_path)) is None
        self.fs.touchp(".canary/WORKSPACE.TAG")
        self.fs.mkdirp("a/b")
        assert self.fs.find_work_tree("a/b") == str(tmp_path)


class TestShell:
    def test_source(self, tmp_path, monkeypatch):
        (tmp_path / "rc.sh").write_text(
            'echo noise\nexport FROM_RC="two\nlines"\nunset GOES\nlocal_only=1\n'
        )
        monkeypatch.setenv("GOES", "1")
        with canary.shell.source("rc.sh"):
            assert os.environ["FROM_RC"] == "two\nlines"
            assert "GOES" not in os.environ
            assert "local_only" not in os.environ
        assert "FROM_RC" not in os.environ
        assert os.environ["GOES"] == "1"

    def test_a_script_that_fails(self, tmp_path):
        (tmp_path / "rc.sh").write_text("return 3\n")
        with pytest.raises(RuntimeError, match="bash failed"):
            canary.shell.source_rcfile("rc.sh")


class TestModule:
    @pytest.fixture(autouse=True)
    def _modules(self, tmp_path, monkeypatch):
        """A module command that does what one does: change the environment of the shell."""
        (tmp_path / "init").mkdir()
        (tmp_path / "init" / "bash").write_text(
            'module() { case $1 in load) [ "$2" != bad ] && export LOADED="$LOADED $2";;'
            ' use) export MODULEPATH="$2:$MODULEPATH";; purge) unset LOADED;;'
            ' unload) export LOADED="${LOADED/ $2/}";; esac; }\n'
        )
        monkeypatch.setenv("MODULESHOME", str(tmp_path))
        monkeypatch.setenv("LOADED", "")
        monkeypatch.setenv("MODULEPATH", "/m")

    def test_load_and_unload(self):
        module = canary.module
        module.load("gcc")
        module.load("mpi")
        assert os.environ["LOADED"] == " gcc mpi"
        module.unload("gcc")
        assert os.environ["LOADED"] == " mpi"
        module.use("/x")
        assert os.environ["MODULEPATH"] == "/x:/m"
        module.purge()
        assert "LOADED" not in os.environ
        os.environ["LOADED"] = ""

    def test_for_a_while(self):
        with canary.module.loaded("a", "b", use="/u"):
            assert (os.environ["LOADED"], os.environ["MODULEPATH"]) == (" a b", "/u:/m")
        assert (os.environ["LOADED"], os.environ["MODULEPATH"]) == ("", "/m")

    def test_one_that_is_not_there(self):
        with pytest.raises(canary.module.ModuleError, match="module load bad failed"):
            canary.module.load("bad")


class TestDiff:
    def test_texts(self, tmp_path, capsys):
        for name, text in {"a": "x\ny\n", "b": "x\nz\n", "c": "x \n  y\n"}.items():
            (tmp_path / name).write_text(text)
        canary.difflib.unix_diff("a", "a")
        canary.difflib.unix_diff("a", "c", ignore_whitespace=True)
        with pytest.raises(canary.difflib.UnixDiffError, match="a and b differ") as caught:
            canary.difflib.unix_diff("a", "b")
        assert caught.value.exit_code == 64
        assert "-y\n+z\n" in capsys.readouterr().out

    def test_images_need_libraries_or_work(self, tmp_path):
        numpy = pytest.importorskip("numpy", reason="numpy is not installed")
        imageio = pytest.importorskip("imageio.v3", reason="imageio is not installed")
        picture = numpy.zeros((4, 4), dtype="uint8")
        picture[0, 0] = 255
        imageio.imwrite("a.png", picture)
        canary.difflib.img_diff("a.png", "a.png")
        imageio.imwrite("b.png", picture.T[::-1])
        with pytest.raises(canary.difflib.ImageDiffError):
            canary.difflib.img_diff("a.png", "b.png")


def test_strings():
    s = canary.string
    assert [s.stringify(v) for v in (1.0, True, "a", 2)] == ["1", "1", "a", "2"]
    assert s.stringify(0.1, "%.3e") == "1.000e-01"
    assert s.csvsplit("a, b,'c,d'") == ["a", "b", "c,d"]
    assert (s.pluralize("test", 1), s.pluralize("test", 2)) == ("test", "tests")
    assert (s.strip_quotes("'a'"), s.strip_quotes("'a")) == ("a", "'a")
    assert s.truncate_middle("abcdefghij", 6) == "a...ij"
    assert s.truncate_middle("abc", 6) == "abc"
    assert s.SimpleTemplate("a $b ${c} $d").substitute({"b": 1}, c=2) == "a 1 2 $d"


def test_times(monkeypatch):
    t = canary.time
    assert t.time_in_seconds("1h20m") == 4800.0
    assert (t.hhmmss(None), t.hhmmss(1.5), t.hhmmss(90000)) == (
        "--:--:--",
        "00:00:01.50",
        "25:00:00",
    )
    assert [t.pretty_seconds(v) for v in (1.5, 0.1, 2e-6, 3e-9)] == [
        "1.500s",
        "100.000ms",
        "2.000us",
        "3.000ns",
    ]
    assert t.timestamp() == int(t.timestamp())
    monkeypatch.setenv("TZ", "UTC")
    assert t.strftimestamp(0).startswith("Jan 01 00:00")


def test_colours(monkeypatch):
    c = canary.color
    assert c.colorize("[bold red]x[/] [1]", color=True) == "\x1b[1;31mx\x1b[0m [1]"
    assert c.colorize("[bold red]x[/] [1]", color=False) == "x [1]"
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert (c.clen(c.bold("abc")), c.cextra(c.bold("abc"))) == (3, 8)
    monkeypatch.setenv("NO_COLOR", "1")
    assert c.bold("abc") == c.code("abc") == "abc"


def test_messages(python):
    text = (
        "import canary\nlog = canary.get_logger('x')\nlog.info('a')\nlog.debug('no')\n"
        "canary.logging.warning('b %d', 1)\ncanary.logging.set_level('error')\nlog.info('no')\n"
        "canary.logging.error('c')\nassert canary.logging.get_level() == 40"
    )
    assert python("-c", text).stderr == "INFO: a\nWARNING: b 1\nERROR: c\n"


def test_arguments():
    parse = canary.make_argument_parser().parse_args
    plain = vars(parse(["--foo", "x"]))
    assert plain == {
        "stage": "run",
        "baseline": False,
        "a": False,
        "analyze": False,
        "execute_analysis_sections": False,
        "extra_args": ["--foo", "x"],
    }
    assert parse(["--analyze"]).analyze
    assert parse(["-a", "--baseline", "--stage=x"]).stage == "x"
    assert canary.make_std_parser().parse_args([]).extra_args == []
    with pytest.raises(SystemExit):
        parse(["-a", "--execute-analysis-sections"])


@pytest.mark.parametrize(
    ("argv", "called"),
    [
        ([], ["test", "verify"]),
        (["--analyze"], ["analyze"]),
        (["--base"], ["analyze"]),
        (["--execute-analysis-sections"], ["verify"]),
        (["-a"], ["test", "verify"]),
        (["--baseline"], ["test", "verify"]),
    ],
)
def test_execute_and_analyze(monkeypatch, argv, called):
    seen = []
    pattern = canary.patterns.ExecuteAndAnalyze(
        test_fn=lambda: seen.append("test"),
        verify_fn=lambda: seen.append("verify"),
        analyze_fn=lambda: seen.append("analyze"),
    )
    monkeypatch.setattr(sys, "argv", ["t.pyt", *argv])
    pattern()
    assert seen == called


def test_submodules_that_tests_import():
    import canary.directives
    import canary.enums
    import canary.patterns

    assert canary.directives.keywords
    assert canary.enums.enums
    assert canary.patterns.ExecuteAndAnalyze
