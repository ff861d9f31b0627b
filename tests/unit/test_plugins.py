"""The plugin manager: who is called in which order, and what becomes of one that fails."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Mapping
from types import SimpleNamespace

import pluggy
import pytest

from canary import hookimpl
from canary.declare import Command
from canary.discovery import EntryPoint, Installed
from canary.errors import ConfigError, PluginError
from canary.plugins import LIST, PluginManager, scan, shape


class Lines(list):
    """What was said to people."""

    def __call__(self, level: str, text: str) -> None:
        self.append(f"{level}: {text}")


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def manager(lines) -> PluginManager:
    return PluginManager(say=lines)


def answering(value, **marks):
    class Plugin:
        @hookimpl(**marks)
        def canary_machine(self, config):
            return value

        @hookimpl(**marks)
        def canary_job_env(self, job):
            return value

    return Plugin()


def raising(error, hook="canary_job_env", argument="job"):
    source = f"def {hook}(self, {argument}):\n    raise error\n"
    names = {"error": error}
    exec(compile(source, "theirs.py", "exec"), names)
    return type("Plugin", (), {hook: hookimpl(names[hook])})()


def test_call_names_who_answered(manager):
    manager.add(answering(None), "silent")
    manager.add(answering({"A": "1"}), "one")
    manager.add(answering({"A": "2"}), "two")
    answers = manager.call("canary_job_env", job=None)
    assert [(info.name, answer["A"]) for info, answer in answers] == [("one", "1"), ("two", "2")]


def test_the_later_counts(manager):
    """Merged in the order of the answers, and for a first result; marks have the last word."""
    manager.add(answering("one"), "one")
    manager.add(answering("two"), "two")
    assert manager.first("canary_machine", config=None) == "two"
    manager.add(answering("last", trylast=True), "last")
    assert manager.first("canary_machine", config=None) == "two"
    manager.add(answering("first", tryfirst=True), "first")
    manager.add(answering("three"), "three")
    assert manager.first("canary_machine", config=None) == "first"
    answers = [answer for _, answer in manager.call("canary_job_env", job=None)]
    assert answers == ["last", "one", "two", "three", "first"]


def test_first_of_nobody(manager):
    assert manager.first("canary_machine", config=None) is None
    manager.add(answering(None), "silent")
    assert manager.first("canary_machine", config=None) is None
    assert manager.first("canary_machine", config=None) is None


def test_has(manager):
    assert not manager.has("canary_machine")
    assert not manager.has("canary_no_such_hook")
    manager.add(answering(1), "one")
    assert manager.has("canary_machine")


def test_generator_functions_are_lists(manager, lines):
    class Plugin:
        @hookimpl
        def canary_job_env(self, job):
            yield 1
            yield 2

    class Broken:
        @hookimpl
        def canary_job_env(self, job):
            yield 1
            raise KeyError("late")

    manager.add(Plugin(), "plugin")
    manager.add(Broken(), "broken")
    assert [answer for _, answer in manager.call("canary_job_env", job=None)] == [[1, 2]]
    assert "plugin 'broken': canary_job_env raised KeyError: 'late' (test_plugins.py:" in lines[0]


@pytest.mark.parametrize("error", [ValueError("bad\nmore"), SystemExit(0), AssertionError("no")])
def test_a_plugin_that_raises_is_left_out_from_then_on(manager, lines, error):
    manager.add(answering({"A": "1"}), "one")
    manager.add(raising(error), "broken")
    for _ in range(2):
        assert len(manager.call("canary_job_env", job=None)) == 1
    [line] = lines
    assert line.startswith(
        f"WARNING: plugin 'broken': canary_job_env raised {type(error).__name__}"
    )
    assert line.endswith("(theirs.py:2); going on without it")
    assert {info.name: info.state for info in manager.plugins()} == {
        "one": "active",
        "broken": "failed",
    }


def test_first_goes_on_after_one_that_raises(manager, lines):
    manager.add(answering("one"), "one")
    manager.add(raising(ValueError("x"), "canary_machine", "config"), "broken")
    assert manager.first("canary_machine", config=None) == "one"
    assert len(lines) == 1


def test_policy_stop(lines):
    manager = PluginManager(policy="stop", say=lines)
    manager.add(raising(ValueError("x")), "broken")
    with pytest.raises(PluginError, match=r"plugin 'broken': .* x \(theirs.py:2\)") as caught:
        manager.call("canary_job_env", job=None)
    assert caught.value.hint == "leave it out: -p no:broken"
    assert isinstance(caught.value.__cause__, ValueError)
    assert lines == []


def test_lenient_and_reraise(lines):
    manager = PluginManager(policy="stop", say=lines)
    manager.add(raising(ValueError("x")), "broken")
    assert manager.call("canary_job_env", lenient=True, job=None) == []
    assert lines == ["WARNING: plugin 'broken': canary_job_env raised ValueError: x (theirs.py:2)"]
    with pytest.raises(PluginError, match="raised ValueError: x"):
        manager.call("canary_job_env", reraise=True, job=None)
    # it is still there
    assert manager.has("canary_job_env")


@pytest.mark.parametrize(
    ("fit", "answer", "text"),
    [
        (shape((Command,)), 3, "a Command, not 3"),
        (shape((Mapping,), str, type(None)), ["A"], "a Mapping of str or None, not ['A']"),
        (shape((Mapping,), str, type(None)), {"A": 3}, "a Mapping of str or None; it has 3"),
        (shape((Mapping,), str), {3: "A"}, "a Mapping of str; it has 'A'"),
        (shape(LIST, str), "A", "a list of str, not 'A'"),
        (shape(LIST, str), ["A", 3], "a list of str; it has 3"),
    ],
)
def test_an_answer_of_another_type(manager, lines, fit, answer, text):
    manager.add(answering("one"), "one")
    manager.add(answering(answer), "two")
    found = manager.first("canary_machine", fit=lambda x: x != "one" and fit(x), config=None)
    assert found == "one"
    line = f"WARNING: plugin 'two': canary_machine must return {text}; going on without it"
    assert lines == [line]
    assert {i.name: i.state for i in manager.plugins()} == {"one": "active", "two": "failed"}


@pytest.mark.parametrize(
    ("kind", "answer"),
    [((int,), 3), ((Mapping,), {}), (LIST, []), (LIST, {"a", "b"}), (LIST, ("a",))],
)
def test_an_answer_that_fits(kind, answer):
    assert shape(kind, *([str] if kind != (int,) else []))(answer) == ""


def test_several_threads_tell_of_one_failure(manager, lines):
    both = threading.Barrier(2, timeout=20)

    class Plugin:
        @hookimpl
        def canary_job_env(self, job):
            both.wait()
            raise ValueError

    manager.add(Plugin(), "mine")
    ask = functools.partial(manager.call, "canary_job_env", job=None)
    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines) == 1


def test_what_is_meant_for_the_user_passes(manager, lines):
    manager.add(raising(ConfigError("no licence", hint="buy one")), "mine")
    with pytest.raises(ConfigError, match=r"no licence \[buy one\]"):
        manager.call("canary_job_env", job=None)
    assert manager.call("canary_job_env", lenient=True, job=None) == []
    assert "ConfigError: no licence" in lines[0]


def test_interrupt_passes(manager):
    manager.add(raising(KeyboardInterrupt()), "mine")
    with pytest.raises(KeyboardInterrupt):
        manager.call("canary_job_env", job=None)


def test_hooks_ask_for_what_they_name(manager):
    class Plugin:
        @hookimpl
        def canary_job_status(self, exit):
            return exit

    manager.add(Plugin(), "mine")
    assert manager.first("canary_job_status", job=1, exit=2) == 2


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("@hookimpl\ndef canary_machine(confg): pass", "Argument(s) {'confg'} are declared"),
        (
            "@hookimpl\ndef canary_mashine(config): pass",
            "there is no hook canary_mashine; did you ",
        ),
        ("@hookimpl\ndef canary_other(x): pass", "there is no hook canary_other"),
        (
            "@hookimpl(wrapper=True)\ndef canary_machine(config):\n    yield",
            "hooks cannot be wrapped",
        ),
        ("@hookimpl\ndef canary_runtest_finish(case): pass", "canary-wm, use canary_job_finish()"),
    ],
)
def test_hooks_that_are_wrong(manager, lines, source, problem):
    names = {"hookimpl": hookimpl}
    exec(source, names)
    manager.add(SimpleNamespace(**names), "mine")
    manager.check()
    [line] = lines
    assert line.startswith("WARNING: plugin 'mine'")
    assert problem in line
    assert "\n" not in line
    assert not manager.has("canary_machine")


def test_optional_hooks_of_others(manager, lines):
    class Plugin:
        @hookimpl(optionalhook=True)
        def canary_somebody_elses(self, x):
            return 1

    manager.add(Plugin(), "mine")
    manager.check()
    assert lines == []


def test_forgotten_mark(manager, lines):
    manager.add(SimpleNamespace(canary_machine=lambda config: None), "mine")
    assert lines == ["WARNING: plugin 'mine': canary_machine lacks @canary.hookimpl"]


def test_a_class_is_made_an_object(manager):
    class Plugin:
        @hookimpl
        def canary_machine(self, config):
            return self

    manager.add(Plugin, "mine")
    assert isinstance(manager.first("canary_machine", config=None), Plugin)


def test_slow_hooks_are_named_once(lines):
    manager = PluginManager(hook_limit=0.0, say=lines)
    manager.add(answering({}), "mine")
    manager.call("canary_job_env", job=None)
    manager.call("canary_job_env", job=None)
    [line] = lines
    assert line.startswith("WARNING: plugin 'mine': canary_job_env took 0.0 s")


def test_trace(lines):
    manager = PluginManager(trace=True, say=lines)
    manager.add(answering({"A": "x" * 200}), "mine")
    manager.call("canary_job_env", job=None)
    [line] = lines
    assert line.startswith("TRACE: canary_job_env plugin 'mine' 0.")
    assert line.endswith("...")


def offering(*commands):
    class Plugin:
        @hookimpl
        def canary_commands(self):
            return list(commands)

    return Plugin()


def command(name, *aliases):
    return Command(name=name, help=name, run=lambda args, config: 0, aliases=aliases)


def test_commands_and_their_clashes(manager, lines):
    manager.add(offering(command("a", "b")), "one")
    manager.add(offering(command("c"), command("b"), command("run")), "two")
    found = manager.commands(["run"])
    assert {name: c.name for name, c in found.items()} == {"a": "a", "b": "a", "c": "c"}
    assert lines == [
        "WARNING: plugin 'two': there is a command 'b' already, from plugin 'one'; "
        "going on without this command",
        "WARNING: plugin 'two': there is a command 'run' already, from canary itself; "
        "going on without this command",
    ]


def test_offers_of_another_type(manager, lines):
    manager.add(offering("a"), "one")
    assert manager.commands() == {}
    assert "canary_commands must return a list of Command; it has 'a'" in lines[0]
    assert {info.name: info.state for info in manager.plugins()} == {"one": "failed"}


# installed ones


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """`modules(name, source)` makes a module that can be imported, and counts the imports."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(name: str, source: str) -> EntryPoint:
        (tmp_path / f"{name}.py").write_text(source)
        monkeypatch.delitem(sys.modules, name, raising=False)
        return EntryPoint(name.removeprefix("theirs_"), name, name.replace("_", "-"), "2.1")

    return make


def test_load_installed(manager, lines, modules):
    good = modules(
        "theirs_good", "import canary\n@canary.hookimpl\ndef canary_job_env(job): return 1\n"
    )
    bad = modules("theirs_bad", "raise SystemExit('gone')\n")
    manager.load_installed(Installed((bad, good)))
    [(info, _)] = manager.call("canary_job_env", job=None)
    assert str(info) == "plugin 'good' (theirs-good 2.1)"
    assert info.hooks == ("canary_job_env",)
    assert info.origin.endswith("theirs_good.py")
    assert lines == [
        "WARNING: plugin 'bad' (theirs-bad 2.1): cannot be imported: SystemExit: gone "
        "(theirs_bad.py:1); going on without it"
    ]


@pytest.mark.parametrize("name", ["spy", "theirs-spy", "Theirs_Spy"])
def test_a_blocked_one_is_not_imported(lines, modules, name):
    spy = modules("theirs_spy", "raise AssertionError\n")
    manager = PluginManager(blocked=[name], say=lines)
    manager.load_installed(Installed((spy,)))
    assert [info.state for info in manager.plugins()] == ["blocked"]
    assert "theirs_spy" not in sys.modules
    assert lines == []


def test_a_plugin_that_is_here_is_not_loaded_again(manager, lines, modules, tmp_path):
    spy = modules("theirs_spy", "")
    manager.load_installed(Installed((spy,)))
    for name in ("spy", "theirs-spy", "theirs_spy"):
        manager.load_named(name, "-p", tmp_path)
    assert len(manager.plugins()) == 1
    assert lines == []


def test_declared(manager, modules):
    spy = modules(
        "theirs_spy",
        "import canary\n"
        "@canary.hookimpl\n"
        "def canary_commands():\n"
        "    yield canary.Command(name='x', help='h', run=lambda a, c: 0)\n",
    )
    manager.load_installed(Installed((spy, modules("theirs_broken", "1 / 0\n"))))
    manager.add(offering(command("y")), "object")
    declared = manager.declared()
    assert list(declared) == ["spy"]
    assert declared["spy"].commands == (("x", "h", ()),)
    assert [file.rpartition("/")[2] for file, _, _ in declared["spy"].files] == ["theirs_spy.py"]


def test_scan_finds_what_is_installed():
    """In the environment that these tests run in."""
    found = scan()
    assert all(isinstance(point, EntryPoint) for point in found.plugins)
    assert [p.name for p in found.plugins] == sorted(p.name for p in found.plugins)
    assert found.old_tool == ""
    assert found.declared == {}


def test_files(manager, tmp_path):
    (tmp_path / "one.py").write_text("x = 1\n")
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text("from . import part\n")
    (tmp_path / "pack" / "part.py").write_text("")
    manager.load_named("one.py", "-p", tmp_path)
    manager.load_named("./pack", "-p", tmp_path)
    kinds = {info.name: (info.kind, info.state) for info in manager.plugins()}
    assert kinds == {"one": ("file", "active"), "pack": ("file", "active")}
    with pytest.raises(PluginError, match=r"plugin 'one' .* has the same name") as caught:
        manager.load_named("pack/one.py", "-p", tmp_path)
    assert caught.value.hint == "leave it out: -p no:pack/one.py"
    blocking = PluginManager(blocked=["pack/one.py"])
    for name in ("one.py", "pack/one.py"):
        blocking.load_named(name, "-p", tmp_path)
    assert [info.origin for info in blocking.plugins()] == [str(tmp_path / "one.py")]


def test_a_file_or_module_that_is_given_twice_is_loaded_once(manager, lines, tmp_path, modules):
    modules("mod", "")
    (tmp_path / "one.py").write_text("x = 1\n")
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text("")
    names = ("one.py", "pack/../one.py", str(tmp_path / "one.py"), "./pack", "pack/", "mod", "mod")
    for name in names:
        manager.load_named(name, "-p", tmp_path)
    assert [info.name for info in manager.plugins()] == ["one", "pack", "mod"]
    assert lines == []


def test_one_that_has_failed_and_is_then_asked_for_stops_the_command(manager, lines, tmp_path):
    (tmp_path / "one.py").write_text("1 / 0\n")
    manager.load_named("./one.py", "configuration", tmp_path)
    assert "going on without it" in lines[0]
    with pytest.raises(PluginError, match=r"plugin 'one' .* ZeroDivisionError"):
        manager.load_named("one.py", "-p", tmp_path)


def test_hook_files_that_cannot_be_loaded(manager, lines, tmp_path):
    (tmp_path / "dangling.py").symlink_to("nowhere.py")
    (tmp_path / "silent.py").write_text(
        "class Silent(Exception):\n    def __str__(self): raise ValueError\n\nraise Silent\n"
    )
    manager.load_hook_files(tmp_path)
    assert {info.name: info.state for info in manager.plugins()} == dict.fromkeys(
        ("dangling", "silent"), "failed"
    )
    for line, said in zip(lines, ("there is no", "Silent"), strict=True):
        assert said in line
    stop = PluginManager(policy="stop", say=lines)
    with pytest.raises(PluginError, match=r"plugin 'dangling' .*there is no") as caught:
        stop.load_hook_files(tmp_path)
    assert caught.value.hint == "leave it out: -p no:dangling"


def test_add_hookspecs(manager):
    class Specs:
        @pluggy.HookspecMarker("canary")
        def theirs(self, x):
            """Ask."""

    class Plugin:
        @hookimpl
        def theirs(self, x):
            return x + 1

    manager.add_hookspecs(Specs)
    manager.add(Plugin(), "mine")
    manager.check()
    assert [answer for _, answer in manager.call("theirs", x=1)] == [2]
