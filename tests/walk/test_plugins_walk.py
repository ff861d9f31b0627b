"""Plugins as people meet them: wheels that come and go, files, and what goes wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "contrib" / "plugin-template"


def run(*command: str | Path, cwd: Path | None = None, **environ: str) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.args}\n{done.stdout}\n{done.stderr}"
    return done.stdout


class Environment:
    """A Python environment of its own, with canary from its wheel and what canary needs."""

    def __init__(self, home: Path) -> None:
        self.home = home
        run(sys.executable, "-m", "venv", "--without-pip", home / "venv")
        self.python = home / "venv" / "bin" / "python"
        [self.site] = (home / "venv").glob("lib/python*/site-packages")
        # what the tests run with, but for canary itself and its plugins
        here = Path(pytest.__file__).parents[1]
        (home / "others").mkdir()
        for entry in here.iterdir():
            if not entry.name.startswith(("canary", "_canary", "_editable", "__pycache__")):
                (home / "others" / entry.name).symlink_to(entry)
        (self.site / "others.pth").write_text(f"{home / 'others'}\n")
        self.wheels = home / "wheels"
        self.build(ROOT)
        self.install("canary_core")

    def build(self, project: Path) -> None:
        run(
            sys.executable,
            "-m",
            "hatchling",
            "build",
            "-t",
            "wheel",
            "-d",
            self.wheels,
            cwd=project,
        )

    def pip(self, *words: str | Path) -> None:
        quiet = ("-q", "--disable-pip-version-check", "--no-input")
        run(sys.executable, "-m", "pip", *quiet, "--python", self.python, *words)

    def install(self, name: str) -> None:
        [wheel] = self.wheels.glob(f"{name}-*.whl")
        self.pip("install", "--no-index", "--no-deps", wheel)

    def uninstall(self, name: str) -> None:
        self.pip("uninstall", "-y", name)

    def files(self) -> set[str]:
        names = (str(p.relative_to(self.site)) for p in self.site.rglob("*") if p.is_file())
        return {name for name in names if "__pycache__" not in name}

    def canary(self, *words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.python), "-m", "canary", *map(str, words)],
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    return Environment(tmp_path_factory.mktemp("environment"))


def test_core_alone(environment, tmp_path):
    """No plugin at all: the commands answer, and nothing is asked of what is not there."""
    assert environment.canary("--version", cwd=tmp_path).stdout == "1.0.0\n"
    done = environment.canary("--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "commands of plugins" not in done.stdout
    assert environment.canary("plugins", cwd=tmp_path).stdout == "no plugins\n"
    asked = [environment.python, "-c", "import canary; canary.get_instance"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert "pip install canary-pyt" in done.stderr


@pytest.mark.timeout(120)
def test_template_comes_works_and_goes_without_a_trace(environment, tmp_path):
    (tmp_path / "a.steps").write_text("hello: echo hello\n")
    before = environment.files()
    environment.build(TEMPLATE)
    environment.install("canary_example")
    try:
        assert "list the steps" in environment.canary("--help", cwd=tmp_path).stdout
        assert "--example-tokens" in environment.canary("run", "--help", cwd=tmp_path).stdout
        options = ["-q", "-c", TEMPLATE / "pyproject.toml", "-p", "no:cacheprovider"]
        run(environment.python, "-m", "pytest", *options, TEMPLATE / "tests", cwd=tmp_path)
        done = environment.canary("run", "a.steps", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    finally:
        environment.uninstall("canary-example")
    assert environment.files() == before
    done = environment.canary("steps", "a.steps", cwd=tmp_path)
    assert done.returncode == 2
    assert "no command 'steps'" in done.stderr
    assert "steps" not in environment.canary("--help", cwd=tmp_path).stdout
    assert "--example" not in environment.canary("run", "--help", cwd=tmp_path).stdout
    assert environment.canary("plugins", cwd=tmp_path).stdout == "no plugins\n"
    # its jobs are still in the record
    assert "hello" in environment.canary("status", cwd=tmp_path).stdout


def wheel(directory: Path, name: str, plugin: str, *, group: str = "canary.plugins") -> Path:
    """A wheel of one module, written by hand: `canary-NAME` with the plugin NAME."""
    module = f"canary_{name}"
    distribution = f"canary-{name.replace('_', '-')}"
    info = f"canary_{name}-0.5.dist-info"
    files = {
        f"{module}.py": textwrap.dedent(plugin),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 0.5\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[{group}]\n{name.partition('_')[0]} = {module}\n",
    }
    record = "".join(f"{file},,\n" for file in (*files, f"{info}/RECORD"))
    path = directory / f"{module}-0.5-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as f:
        for file, text in {**files, f"{info}/RECORD": record}.items():
            f.writestr(file, text)
    return path


@pytest.fixture
def installed(environment, tmp_path):
    """`installed(name, source)` installs a plugin for one test, as pip does: by unpacking it."""
    files = []

    def install(name: str, plugin: str, **more: str) -> None:
        with zipfile.ZipFile(wheel(tmp_path, name, plugin, **more)) as archive:
            archive.extractall(environment.site)
            files.extend(environment.site / file for file in archive.namelist())

    yield install
    for file in files:
        file.unlink()
    for directory in {file.parent for file in files} - {environment.site}:
        directory.rmdir()


HELLO = """
import canary

def run(args, config):
    print("hello", args.name)
    return 5

@canary.hookimpl
def canary_commands():
    return [canary.Command(name="hello", help="say hello", run=run,
                           arguments=lambda p: p.add_argument("name"), aliases=("hi",))]
"""


def test_help_imports_no_plugin(environment, installed, tmp_path):
    """The second time: the first one asked it, and the answer is kept."""
    installed("spy", HELLO + "\nopen('imported', 'a').close()\n")
    first = environment.canary("--help", cwd=tmp_path)
    assert "say hello" in first.stdout
    (tmp_path / "imported").unlink()
    again = environment.canary("--help", cwd=tmp_path)
    assert again.stdout == first.stdout
    environment.canary("run", "--help", cwd=tmp_path)
    environment.canary("status", cwd=tmp_path)
    assert not (tmp_path / "imported").exists()
    done = environment.canary("hello", "world", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (5, "hello world\n")
    assert (tmp_path / "imported").exists()
    assert environment.canary("hi", "you", cwd=tmp_path).stdout == "hello you\n"


def test_blocked_plugin_is_not_imported(environment, installed, tmp_path):
    installed("spy", HELLO + "\nopen('imported', 'a').close()\n")
    for words in (
        ("-p", "no:spy", "plugins"),
        ("-p", "no:canary-spy", "--help"),
        ("-c", "plugins:no:spy", "hello", "x"),
    ):
        done = environment.canary(*words, cwd=tmp_path)
        assert "say hello" not in done.stdout
        assert "hello x" not in done.stdout
    assert not (tmp_path / "imported").exists()


def test_plugin_that_cannot_be_imported(environment, installed, tmp_path):
    """One line naming plugin, distribution and place; the rest goes on, unless told to stop."""
    installed("broken", "import no_such_module\n")
    installed("spy", HELLO)
    line = (
        "plugin 'broken' (canary-broken 0.5): cannot be imported: "
        "ModuleNotFoundError: No module named 'no_such_module' (canary_broken.py:1)"
    )
    done = environment.canary("hello", "you", cwd=tmp_path)
    assert done.stdout == "hello you\n"
    assert done.stderr == f"WARNING: {line}; going on without it\n"
    done = environment.canary("--plugin-errors", "stop", "hello", "you", cwd=tmp_path)
    assert done.returncode == 3
    assert done.stderr == f"ERROR: {line} [leave it out: -p no:broken]\n"
    rows = json.loads(environment.canary("plugins", "--json", cwd=tmp_path).stdout)
    assert {row["name"]: row["state"] for row in rows} == {"broken": "failed", "spy": "active"}
    (environment.site / "canary_broken.py").write_text("")
    assert environment.canary("hello", "you", cwd=tmp_path).stderr == ""


@pytest.mark.parametrize(
    "source", ["raise SystemExit(0)\n", "assert False, 'no'\n", "def f(:\n", "1 / 0\n"]
)
def test_whatever_an_import_does_is_one_line(environment, installed, tmp_path, source):
    installed("broken", source)
    done = environment.canary("plugins", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("WARNING: plugin 'broken' (canary-broken 0.5): cannot be impor")


def test_two_plugins_of_one_name(environment, installed, tmp_path):
    installed("twin_a", HELLO)
    installed("twin_b", HELLO.replace("hello", "goodbye"))
    done = environment.canary("plugins", cwd=tmp_path)
    assert "canary-twin-a 0.5" in done.stderr
    assert "canary-twin-b 0.5" in done.stderr


def test_two_commands_of_one_name(environment, installed, tmp_path):
    installed("one", HELLO)
    installed("two", HELLO)
    done = environment.canary("hello", "you", cwd=tmp_path)
    assert done.stdout == "hello you\n"
    clash = "there is a command 'hello' already, from plugin 'one' (canary-one 0.5)"
    assert f"plugin 'two' (canary-two 0.5): {clash}" in done.stderr
    done = environment.canary("-c", "plugin_errors:stop", "hello", "you", cwd=tmp_path)
    assert done.returncode == 3
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("hook", "answer"),
    [
        ("commands", "3"),
        ("commands", "[3]"),
        ("reporters", "3"),
        ("settings", "3"),
        ("settings", "[int]"),
    ],
)
def test_offers_that_are_none_name_the_plugin(environment, installed, tmp_path, hook, answer):
    source = f"import canary\n\n@canary.hookimpl\ndef canary_{hook}():\n    return {answer}\n"
    installed("wrong", source)
    installed("spy", HELLO)
    done = environment.canary("hello", "you", cwd=tmp_path)
    assert done.stdout == "hello you\n" or hook == "reporters"
    for words in (("--help",), ("plugins",)):
        done = environment.canary(*words, cwd=tmp_path)
        assert done.returncode == 0
        assert all("'wrong' (canary-wrong 0.5)" in x for x in done.stderr.splitlines())


def test_unknown_hook(environment, installed, tmp_path):
    installed("typo", "import canary\n\n@canary.hookimpl\ndef canary_comands():\n    return []\n")
    done = environment.canary("plugins", cwd=tmp_path)
    problem = "there is no hook canary_comands; did you mean canary_commands?"
    assert f"plugin 'typo' (canary-typo 0.5): {problem}" in done.stderr


def test_plugin_of_the_older_tool_is_named_and_not_loaded(environment, installed, tmp_path):
    source = """
    open("imported", "a").close()
    import canary

    @canary.hookimpl
    def canary_addoption(parser):
        pass
    """
    installed("old", source, group="canary")
    rows = json.loads(environment.canary("plugins", "--json", cwd=tmp_path).stdout)
    [row] = [row for row in rows if row["name"] == "old"]
    assert row["state"] == "old"
    assert row["hooks"] == ["canary_addoption"]
    assert "canary_addoption -> canary_settings" in row["error"]
    assert not (tmp_path / "imported").exists()
    done = environment.canary("-p", "canary_old", "plugins", cwd=tmp_path)
    assert done.returncode == 3
    assert "it is one of canary-wm, use canary_settings()" in done.stderr


def test_older_tool_in_the_same_environment(environment, installed, tmp_path):
    """Both install `canary/`: every command says so, with the remedy."""
    installed("wm", "", group="canary")
    for words in (("status",), ("plugins",), ("--help",)):
        done = environment.canary(*words, cwd=tmp_path)
        assert "canary-wm 0.5 is installed in this environment too" in done.stderr
        assert "pip uninstall -y canary-wm" in done.stderr


def test_upgrade_is_seen_at_once(environment, installed, tmp_path):
    """A plugin that changed in place, as an editable one does, is asked again."""
    installed("spy", HELLO)
    assert "say hello" in environment.canary("--help", cwd=tmp_path).stdout
    source = environment.site / "canary_spy.py"
    source.write_text(HELLO.replace("say hello", "say good morning"))
    assert "say good morning" in environment.canary("--help", cwd=tmp_path).stdout


# plugins that are files


@pytest.fixture
def plugin_file(tmp_path):
    def write(text: str, name: str = "mine.py") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("import canary\n\n" + textdedent(text))
        return path

    return write


def textdedent(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


def test_file_module_directory_configuration_and_environment(canary, plugin_file, tmp_path):
    file = plugin_file(HELLO.replace("import canary\n", ""))
    package = plugin_file(
        "from .part import hello\n\n@canary.hookimpl\ndef canary_commands():\n    return [hello]\n",
        "package/__init__.py",
    )
    (package.parent / "part.py").write_text(
        "import canary\n\n\ndef run(args, config):\n    print('package')\n    return 0\n\n\n"
        "hello = canary.Command(name='hello', help='h', run=run)\n"
    )
    assert canary("-p", file, "hello", "a", expect=5).stdout == "hello a\n"
    assert canary("-p", "mine.py", "hello", "a", expect=5).stdout == "hello a\n"
    assert canary("-p", package.parent, "hello", expect=0).stdout == "package\n"
    env = {"PYTHONPATH": str(tmp_path)}
    assert canary("-p", "mine", "hello", "a", env=env, expect=5).stdout == "hello a\n"
    assert canary("hello", "a", env={"CANARY_PLUGINS": "./mine.py"}, expect=5).stdout == "hello a\n"
    (tmp_path / "canary.toml").write_text('plugins = ["./mine.py"]\n')
    (tmp_path / "below").mkdir()
    assert canary("hello", "a", cwd=tmp_path / "below", expect=5).stdout == "hello a\n"
    assert "say hello" in canary("--help", expect=0).stdout
    assert canary("-p", "no:mine", "hello", "a").returncode == 2


def test_hook_files_of_site_user_and_project(canary, tmp_path):
    config = Path(os.environ["XDG_CONFIG_HOME"]) / "canary" / "hooks"
    site = Path(os.environ["XDG_CONFIG_DIRS"]) / "canary" / "hooks"
    project = tmp_path / "canary-hooks"
    (tmp_path / "canary.toml").write_text("")
    text = HELLO.replace('"hello"', "__name__").replace("name=__name__", 'name="NAME"')
    places = {"fromuser": config, "fromsite": site, "fromproject": project}
    try:
        for name, directory in places.items():
            directory.mkdir(parents=True)
            source = text.replace("NAME", name).replace('aliases=("hi",)', "")
            (directory / f"{name}.py").write_text(source)
        for name in places:
            assert canary(name, "x", expect=5).stdout.endswith(" x\n")
        rows = json.loads(canary("plugins", "--json", expect=0).stdout)
        kinds = {row["name"]: row["kind"] for row in rows}
        assert [kinds[name] for name in places] == ["hook file"] * 3
        assert canary("-p", "no:fromsite", "fromsite", "x").returncode == 2
        (project / "fromproject.py").chmod(0o666)
        done = canary("fromproject", "x", env={"CI": ""})
        assert done.returncode == 2
        assert "anybody may write to it" in done.stderr
    finally:
        for name, directory in places.items():
            (directory / f"{name}.py").unlink(missing_ok=True)


def test_named_plugin_that_fails_stops_the_command(canary, plugin_file, tmp_path):
    done = canary("-p", "no_such_plugin", "plugins")
    assert done.returncode == 3
    assert "plugin 'no_such_plugin'" in done.stderr
    assert "Traceback" not in done.stderr
    # one that was written down is only missed
    done = canary("plugins", env={"CANARY_PLUGINS": "no_such_plugin"}, expect=0)
    assert "WARNING: plugin 'no_such_plugin'" in done.stderr


def test_hook_for_the_older_tool_says_what_to_use(canary, plugin_file):
    plugin_file("@canary.hookimpl\ndef canary_runteststart(case):\n    pass\n")
    done = canary("-p", "mine.py", "plugins")
    assert done.returncode == 3
    assert (
        "there is no hook canary_runteststart; it is one of canary-wm, use canary_job_setup()"
        in done.stderr
    )


def test_forgotten_marker_is_noticed(canary, plugin_file):
    plugin_file("def canary_commands():\n    return []\n")
    done = canary("-p", "mine.py", "plugins", expect=0)
    assert "canary_commands lacks @canary.hookimpl" in done.stderr


def test_trace_shows_every_call(canary, plugin_file):
    plugin_file(HELLO.replace("import canary\n", ""))
    done = canary("-p", "mine.py", "hello", "x", env={"CANARY_TRACE_HOOKS": "1"}, expect=5)
    assert "TRACE: canary_commands plugin 'mine'" in done.stderr
    assert "ms -> [Command(name='hello'" in done.stderr


def test_slow_hook_is_named(canary, plugin_file):
    plugin_file(
        """
        import select

        @canary.hookimpl
        def canary_configure(config):
            select.select([], [], [], 0.06)
        """
    )
    done = canary("-p", "mine.py", "-c", "hook_limit:0.05", "plugins", expect=0)
    assert "plugin 'mine'" in done.stderr
    assert "canary_configure took 0.1 s" in done.stderr
    assert "took" not in canary("-p", "mine.py", "plugins", expect=0).stderr


# each hook by which a plugin declares itself


def test_hook_addhooks(canary, plugin_file):
    """Specifications of a plugin are known before its own and others' hooks are checked."""
    plugin_file(
        """
        class Specs:
            @canary.hookspec
            def theirs_color(self):
                "Asked by the plugin itself."

        class Answer:
            @canary.hookimpl
            def theirs_color(self):
                return "blue"

        manager = []

        @canary.hookimpl
        def canary_addhooks(pluginmanager):
            pluginmanager.add_hookspecs(Specs)
            pluginmanager.add(Answer(), "answer")
            manager.append(pluginmanager)

        def run(args, config):
            print([answer for _, answer in config.plugins.call("theirs_color")])
            return 0

        @canary.hookimpl
        def canary_commands():
            return [canary.Command(name="ask", help="ask", run=run)]
        """
    )
    assert canary("-p", "mine.py", "ask", expect=0).stdout == "['blue']\n"


SETTINGS = """
from dataclasses import dataclass, field

@dataclass(frozen=True)
class Mine(canary.Settings):
    section = "mine"
    depth: int = field(default=3, metadata={"help": "how deep to look"})
    names: tuple[str, ...] = field(default=(), metadata={"help": "whom to ask"})
    table: dict[str, str] = field(default_factory=dict, metadata={"help": "pairs"})
    fast: bool = field(default=False, metadata={"help": "hurry"})
    commands = ("show",)

@canary.hookimpl
def canary_settings():
    return Mine

def show(args, config):
    print(config.settings(Mine), config.origin("mine.depth"))
    return 0

@canary.hookimpl
def canary_commands():
    return [canary.Command(name="show", help="show them", run=show)]
"""


def test_hook_settings(canary, plugin_file, tmp_path):
    """One declaration: key, variable, flag, help; each over the one before."""
    plugin_file(SETTINGS)
    ask = ("-p", "mine.py", "show")
    assert canary(*ask, expect=0).stdout == (
        "Mine(depth=3, names=(), table={}, fast=False) default\n"
    )
    (tmp_path / "canary.toml").write_text("[mine]\ndepth = 4\ntable = {a = 'b'}\n")
    assert "depth=4" in canary(*ask, expect=0).stdout
    env = {"CANARY_MINE_DEPTH": "5", "CANARY_MINE_NAMES": "a,b"}
    out = canary(*ask, env=env, expect=0).stdout
    assert "depth=5, names=('a', 'b'), table={'a': 'b'}" in out
    words = ("--mine-depth", "6", "--mine-names", "c", "--mine-names=d", "--mine-table", "x=y=z")
    out = canary(*ask, *words, "--mine-fast", env=env, expect=0).stdout
    assert "depth=6, names=('c', 'd'), table={'a': 'b', 'x': 'y=z'}, fast=True) --mine-depth" in out
    assert "how deep to look (default: 3)" in canary(*ask, "--help", expect=0).stdout
    done = canary(*ask, "--mine-depth", "deep", expect=2)
    assert "ERROR: --mine-depth: must be a whole number, not 'deep'" in done.stderr
    (tmp_path / "canary.toml").write_text("[mine]\ndpeth = 4\n")
    done = canary(*ask, expect=2)
    assert "canary.toml:2: mine.dpeth: unknown setting [did you mean mine.depth?]" in done.stderr
    # without the plugin, its section belongs to nobody
    done = canary("config", "show", expect=2)
    assert "mine: unknown setting [no plugin that is installed has settings [mine]]" in done.stderr


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('depth: complex = field(default=1j, metadata={"help": "h"})', "its type complex is none"),
        ('depth: int = field(metadata={"help": "h"})', "it needs a default"),
        ("depth: int = 3", "metadata"),
    ],
)
def test_settings_that_cannot_be_options(canary, plugin_file, line, problem):
    plugin_file(
        f"""
        from dataclasses import dataclass, field

        @dataclass(frozen=True)
        class Mine(canary.Settings):
            section = "mine"
            {line}

        @canary.hookimpl
        def canary_settings():
            return [Mine]
        """
    )
    done = canary("-p", "mine.py", "plugins", expect=3)
    assert done.stderr.count("\n") == 1
    assert "plugin 'mine'" in done.stderr
    assert "Mine.depth" in done.stderr
    assert problem in done.stderr


def test_two_plugins_with_the_same_section(canary, plugin_file):
    plugin_file(SETTINGS)
    plugin_file(SETTINGS.replace('"show"', '"other"'), "other.py")
    done = canary("-p", "mine.py", "-p", "other.py", "plugins", expect=3)
    assert "the setting mine.depth is declared by plugin 'mine'" in done.stderr
    assert "and plugin 'other'" in done.stderr


def test_hook_commands(canary, plugin_file):
    plugin_file(HELLO.replace("import canary\n", ""))
    assert canary("-p", "mine.py", "hello", "you", expect=5).stdout == "hello you\n"
    assert "usage: canary hello" in canary("-p", "mine.py", "hello", "--help", expect=0).stdout
    done = canary("-p", "mine.py", "hello", "you", "--nmae", expect=2)
    assert "ERROR: canary hello: unknown option --nmae" in done.stderr
    plugin_file("@canary.hookimpl\ndef canary_commands():\n    return 3\n")
    done = canary("-p", "mine.py", "hello", expect=3)
    assert "canary_commands must return a list of Command, not 3" in done.stderr


def test_command_cannot_take_the_place_of_one_of_the_core(canary, plugin_file):
    plugin_file(HELLO.replace("import canary\n", "").replace('name="hello"', 'name="status"'))
    done = canary("-p", "mine.py", "hi", "x", expect=3)
    assert "there is a command 'status' already, from canary itself" in done.stderr


CONFIGURE = """
from canary.errors import ConfigError

@canary.hookimpl
def canary_configure(config):
    print("configured", config.main.log_level)
    if config.main.log_level == "ERROR":
        raise ConfigError("no licence", key="mine", hint="buy one")

@canary.hookimpl
def canary_unconfigure(config):
    print("over")
    raise RuntimeError("too late")

def run(args, config):
    print("running")
    return 7

@canary.hookimpl
def canary_commands():
    return [canary.Command(name="work", help="work", run=run)]
"""


def test_hook_configure(canary, plugin_file):
    plugin_file(CONFIGURE)
    done = canary("-p", "mine.py", "work", expect=7)
    assert done.stdout.startswith("configured INFO\nrunning\n")
    done = canary("-p", "mine.py", "--log-level", "error", "work", expect=2)
    assert "running" not in done.stdout
    assert "ERROR: mine: no licence [buy one]" in done.stderr


def test_hook_unconfigure(canary, plugin_file):
    """Also after an error; what it raises changes nothing."""
    plugin_file(CONFIGURE)
    done = canary("-p", "mine.py", "work", expect=7)
    assert done.stdout.endswith("over\n")
    assert "WARNING: plugin 'mine'" in done.stderr
    assert "canary_unconfigure raised RuntimeError: too late (mine.py:" in done.stderr
    assert canary("-p", "mine.py", "--log-level", "error", "work", expect=2).stdout.endswith(
        "over\n"
    )


def test_hook_reporters(canary, plugin_file):
    plugin_file(
        """
        class Lines(canary.Reporter):
            name = "lines"
            help = "a line a job"

            def report(self, results, options):
                return []

        @canary.hookimpl
        def canary_reporters():
            yield Lines()
        """
    )
    assert "a line a job" in canary("-p", "mine.py", "report", expect=0).stdout
    done = canary("-p", "mine.py", "report", "liens", expect=2)
    assert "lines" in done.stderr
