"""Layers of configuration: which wins, where a value came from, and what is wrong with it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from canary import config, textdata
from canary.config import Config, Layer, find_places, load, merge, override, read_layers
from canary.declare import Settings
from canary.errors import CanaryError, CanaryErrors, ConfigError
from canary.options import Schema, options_of
from canary.settings import core_options


@dataclass(frozen=True)
class Mine(Settings):
    section: ClassVar[str] = "mine"
    depth: int = field(default=3, metadata={"help": "how deep"})
    names: tuple[str, ...] = field(default=(), metadata={"help": "whom"})


@pytest.fixture
def homes(tmp_path, monkeypatch):
    """Directories of site and user, for this test alone."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "site"))
    (tmp_path / "project" / "below").mkdir(parents=True)
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def strict(cwd: Path, *overrides: str, environ: dict[str, str] | None = None) -> Config:
    """The configuration as a command that loads plugins has it."""
    schema = Schema([*core_options(), *options_of(Mine, "plugin 'mine'")])
    places = find_places(cwd, environ or {})
    layers = read_layers(places, environ or {}, schema)
    layers.append(Layer("command line", entries=tuple(map(override, overrides))))
    return merge(layers, schema, cwd=cwd, places=places, strict=True)


def test_defaults(homes):
    made = load(homes)
    assert made.run.grace == 2.0
    assert made.view.name == "TestResults"
    assert made.run.timeout["default"] == 300.0
    assert made.output.limit == 1 << 30
    assert made.origin("run.grace") == "default"
    assert (made.workspace, made.project) == (None, None)
    assert made.cwd == homes


def test_each_layer_is_over_the_one_before(homes):
    """Site, user, project, workspace, environment, -f, -c."""
    project = homes / "project"
    written = []
    (project / ".canary").mkdir()
    (project / ".canary" / "WORKSPACE.TAG").touch()
    files = [
        homes / "site" / "canary" / "config.toml",
        homes / "user" / "canary" / "config.toml",
        project / "canary.toml",
        project / ".canary" / "config.toml",
    ]
    for number, file in enumerate(files, 1):
        written.append(write(file, f"[run]\nworkers = {number}\n"))
        made = load(project / "below")
        assert made.run.workers == number
        assert str(file) in made.origin("run.workers")
    assert made.project == project / "canary.toml"
    assert made.workspace == project / ".canary"
    environ = {"CANARY_RUN_WORKERS": "5"}
    made = load(project, environ=environ)
    assert (made.run.workers, made.origin("run.workers")) == (5, "CANARY_RUN_WORKERS")
    made = load(project, environ=environ, overrides=["run:workers:6"])
    assert (made.run.workers, made.origin("run.workers")) == (6, "-c run:workers:6")


def test_file_of_dash_f_is_over_the_environment(homes):
    file = write(homes / "more.toml", "[run]\nworkers = 9\n")
    schema = Schema(core_options())
    places = find_places(homes, {})
    environ = {"CANARY_RUN_WORKERS": "5"}
    layers = read_layers(places, environ, schema, [file])
    assert merge(layers, schema, cwd=homes, places=places, strict=True).run.workers == 9


def test_tables_are_merged_and_lists_replaced(homes):
    write(homes / "user" / "canary" / "config.toml", "[run.timeout]\nlong = '1h'\na = 1\n")
    write(homes / "project" / "canary.toml", "[run.timeout]\na = 2\n[environment]\nunset = ['X']\n")
    made = load(homes / "project", overrides=["environment:unset:Y"])
    assert made.run.timeout["long"] == 3600.0
    assert made.run.timeout["a"] == 2.0
    assert made.run.timeout["default"] == 300.0
    assert "user" in made.origin("run.timeout.long")
    assert "project" in made.origin("run.timeout.a")
    assert made.origin("run.timeout.default") == "default"
    assert made.environment.unset == ("Y",)


def test_plugins_add_up_and_their_paths_are_relative_to_the_file(homes):
    write(homes / "project" / "canary.toml", "plugins = ['./a.py', 'module', '~/b.py']\n")
    made = load(homes / "project" / "below", environ={"CANARY_PLUGINS": "other,no:x"})
    home = os.environ["HOME"]
    first = str(homes / "project" / "a.py")
    assert made.main.plugins == (first, "module", f"{home}/b.py", "other", "no:x")


def test_pyproject(homes):
    write(homes / "project" / "pyproject.toml", "[tool.canary.run]\nworkers = 4\n")
    write(homes / "project" / "below" / "pyproject.toml", "[project]\nname = 'x'\n")
    made = load(homes / "project" / "below")
    assert made.run.workers == 4
    assert made.project == homes / "project" / "pyproject.toml"
    write(homes / "project" / "below" / "canary.toml", "")
    assert load(homes / "project" / "below").run.workers is None


def test_places_of_the_older_tool(homes):
    """Its YAML is read where there is no TOML; what we do not know is a warning."""
    text = "canary:\n  run:\n    timeout: {long: 1h}\n    cache: {dir: x}\n  cmake: {project: p}\n"
    text += "  build: {project: p, options: [a]}\n"  # of CMake's making: for people, not for canary
    file = write(homes / "user" / "canary.yaml", text)
    made = strict(homes)
    assert made.run.timeout["long"] == 3600.0
    assert len(made.warnings) == 2
    assert f"ignored: {file}:4: run.cache: unknown setting" in made.warnings[0]
    file.unlink()
    write(homes / "user" / "canary" / "config.yaml", "debug: true\n")
    assert strict(homes).main.debug
    write(homes / "user" / "canary" / "config.toml", "")
    assert not strict(homes).main.debug


def test_variables_of_the_older_tool(homes):
    write(homes / "elsewhere.toml", "debug = true\n")
    made = load(homes, environ={"CANARY_GLOBAL_CONFIG": "elsewhere.toml"})
    assert made.main.debug
    made = load(homes, environ={"CANARY_MAX_WORKERS": "3", "CANARY_LOG_LEVEL": "debug"})
    assert made.run.workers == 3
    assert made.main.log_level == "DEBUG"


def test_workspace_that_is_named(homes):
    write(homes / "w" / ".canary" / "config.toml", "debug = true\n")
    for name in ("w", "w/.canary"):
        places = find_places(homes, {}, homes / name)
        assert places.workspace == homes / "w" / ".canary"
        assert [scope for scope, _ in places.files] == ["workspace"]


WRONG = """\
lgo_level = 3
[run]
wrokers = 3
workers = "x"
[workspace]
view = 3
[mine]
dpeth = 1
depth = 1.5
[nobody]
a = 1
"""


def test_all_that_is_wrong_is_told_at_once(homes):
    file = write(homes / "project" / "canary.toml", WRONG)
    with pytest.raises(CanaryErrors) as caught:
        strict(homes / "project", "run:grace:x", environ={"CANARY_DEBUG": "maybe"})
    assert str(caught.value).splitlines() == [
        f"{file}:1: lgo_level: unknown setting [did you mean log_level?]",
        f"{file}:3: run.wrokers: unknown setting [did you mean run.workers?]",
        f"{file}:4: run.workers: must be a whole number, or none, not 'x'",
        f"{file}:6: workspace.view: must be a table",
        f"{file}:8: mine.dpeth: unknown setting [did you mean mine.depth?]",
        f"{file}:9: mine.depth: must be a whole number, not 1.5",
        f"{file}:10: nobody: unknown setting [no plugin that is installed has settings [nobody]]",
        "CANARY_DEBUG: must be true or false, not 'maybe'",
        str(caught.value).splitlines()[-1],
    ]
    assert str(caught.value).splitlines()[-1].startswith("-c run:grace:x: not a duration: 'x'")
    assert caught.value.exit_code == 2


def test_each_entry_of_a_table_is_told(homes):
    file = write(homes / "canary.toml", "[run.timeout]\na = 'soon'\nb = 1\nc = true\n")
    with pytest.raises(CanaryErrors) as caught:
        strict(homes)
    first, second = str(caught.value).splitlines()
    assert first.startswith(f"{file}:2: run.timeout.a: not a duration: 'soon'")
    assert second.startswith(f"{file}:4: run.timeout.c: not a duration: True")


def test_sections_of_plugins_that_are_not_loaded_are_passed_over(homes):
    write(homes / "canary.toml", "[mine]\ndpeth = 1\n[run]\nworkers = 2\n")
    assert load(homes).run.workers == 2
    with pytest.raises(ConfigError, match="unknown setting"):
        load(homes, declared=[Mine])


def test_files_that_cannot_be_read_are_told_together(homes):
    write(homes / "site" / "canary" / "config.toml", "[run\n")
    write(homes / "user" / "canary" / "config.toml", "a = \n")
    with pytest.raises(CanaryErrors) as caught:
        load(homes)
    assert len(caught.value.errors) == 2
    write(homes / "site" / "canary" / "config.toml", "")
    write(homes / "user" / "canary" / "config.yaml", "")
    (homes / "user" / "canary" / "config.toml").unlink()
    write(homes / "user" / "canary" / "config.yaml", "- a\n")
    with pytest.raises(ConfigError, match="must be a table of settings"):
        load(homes)


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("run:timeout:long:1h", "run.timeout.long", 3600.0),
        ("run.timeout.long=1h", "run.timeout.long", 3600.0),
        ("environment:set:PATH:/a:/b", "environment.set.PATH", "/a:/b"),
        ("environment:prepend-path:PATH:/a", "environment.prepend_path.PATH", "/a"),
        ("run:default_tag::all:", "run.default_tag", ":all:"),
        ("resource_pool:cpus:4", "resource_pool.cpus", 4),
        ("scratch:a:b", "scratch.a", "b"),
        ("run:launcher:none", "run.launcher", None),
        ("plugins:a,b", "plugins", ("a", "b")),
    ],
)
def test_overrides(homes, text, key, value):
    assert load(homes, overrides=[text]).get(key) == value


@pytest.mark.parametrize("text", ["", "debug", ":a:b"])
def test_no_override(text):
    with pytest.raises(ConfigError, match="not an override"):
        override(text)


def test_get_and_asdict(homes):
    made = load(homes, overrides=["run:timeout:long:60"])
    assert made.get("run:timeout:long") == 60.0
    assert made.get("run.timeout.nothing") is None
    assert made.get("workspace.view")["mode"] == "symlink"
    assert made.get("")["debug"] is False
    assert made.asdict()["run"]["timeout"]["long"] == 60.0
    with pytest.raises(ConfigError, match="no such setting") as caught:
        made.get("run.wrokers")
    assert caught.value.hint == "did you mean run.workers?"
    with pytest.raises(ConfigError, match="no such setting"):
        made.origin("nothing")


def test_settings_of_a_plugin(homes):
    write(homes / "canary.toml", "[mine]\ndepth = 5\nnames = ['a']\n")
    made = load(homes, declared=[Mine])
    assert made.settings(Mine) == Mine(depth=5, names=("a",))
    assert made.settings(Mine) is made.settings(Mine)
    # a class that was not declared when the values were merged has its defaults
    assert load(homes).settings(Mine) == Mine()


def test_it_does_not_change(homes):
    made = load(homes)
    with pytest.raises(AttributeError):
        made.cwd = homes  # type: ignore[misc] # that is what is tried
    with pytest.raises(TypeError):
        made.run.timeout["a"] = 1.0  # type: ignore[index] # that is what is tried
    made.asdict()["run"]["timeout"]["a"] = 1.0
    assert "a" not in made.run.timeout


def test_plugins_that_were_not_loaded(homes):
    with pytest.raises(RuntimeError, match="loads no plugins"):
        _ = load(homes).plugins


def test_hook_directories(homes):
    for directory in ("site/canary/hooks", "user/canary/hooks", "project/canary-hooks"):
        (homes / directory).mkdir(parents=True)
    assert find_places(homes / "project", {}).hooks == (
        homes / "site" / "canary" / "hooks",
        homes / "user" / "canary" / "hooks",
    )
    write(homes / "project" / "canary.toml", "")
    assert find_places(homes / "project" / "below", {}).hooks[-1].name == config.HOOKS


# whatever is in it

KEYS = st.sampled_from(sorted({p for o in core_options() for p in o.path})) | st.text(max_size=5)
VALUES = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(KEYS, VALUES, max_size=3), st.sampled_from(["toml", "json", "yaml"]))
def test_any_data_is_a_configuration_or_lines_that_name_the_file(homes, data, suffix):
    file = homes / f"given.{suffix}"
    try:
        text = textdata.format_document(data) if suffix == "toml" else json.dumps(data)
        file.write_text(text, encoding="utf-8")
    except (UnicodeEncodeError, TypeError):
        return
    schema = Schema(core_options())
    places = find_places(homes, {})
    told = []
    try:
        layers = read_layers(places, {}, schema, [file])
        made = merge(layers, schema, cwd=homes, places=places, strict=True)
        assert made.run.grace is not None
    except CanaryError as e:
        told += e.errors if isinstance(e, CanaryErrors) else (e,)
    assert all(file.name in str(error) for error in told)
