"""The discovery cache: believed only while nothing has changed, and only if it is ours."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from canary import discovery
from canary.discovery import Declared, EntryPoint, Installed, Stamp
from canary.options import Option

SPY = EntryPoint("spy", "canary_spy", "canary-spy", "1.0")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def site(tmp_path) -> Path:
    """A directory of `sys.path` with one distribution in it."""
    info = tmp_path / "site" / "canary_spy-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "entry_points.txt").write_text("[canary.plugins]\nspy = canary_spy\n")
    return tmp_path / "site"


@pytest.fixture
def installed(tmp_path) -> Installed:
    file = tmp_path / "plugin.py"
    file.write_text("")
    mark = discovery.stamp(str(file))
    assert mark is not None
    option = Option(
        section="spy", name="x", kind="list", default=("a",), help="h", choices=("a", "b")
    )
    declared = Declared((("hello", "say hello", ("hi",)),), (option,), (("csv", "table"),), (mark,))
    return Installed((SPY,), (), "", {"spy": declared})


def test_what_is_written_is_read(site, installed):
    discovery.write(installed, "1.0.0", [str(site)])
    again = discovery.read("1.0.0", [str(site)])
    assert again == installed
    assert again is not None
    assert again.commands() == {"hello": "say hello"}
    assert again.reporters() == {"csv": "table"}
    assert [o.key for o in again.options()] == ["spy.x"]
    assert again.unasked == []


def test_nothing_there():
    assert discovery.read("1.0.0", []) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda site: (site / "new-1.0.dist-info").mkdir(),
        lambda site: site.rename(site.with_name("elsewhere")),
        lambda site: _touch(site / "canary_spy-1.0.dist-info" / "entry_points.txt"),
        lambda site: discovery.cache_file().write_text("{"),
        lambda site: discovery.cache_file().write_text("[]"),
        lambda site: discovery.cache_file().write_text(
            discovery.cache_file().read_text().replace('"plugins"', '"plagins"')
        ),
        lambda site: discovery.cache_file().chmod(0o666),
        lambda site: discovery.cache_file().unlink(),
    ],
)
def test_out_of_date_or_not_ours(site, installed, change):
    discovery.write(installed, "1.0.0", [str(site)])
    assert discovery.read("1.0.0", [str(site)]) is not None
    change(site)
    assert discovery.read("1.0.0", [str(site)]) is None


def _touch(file: Path) -> None:
    os.utime(file, ns=(1, 1))


def test_another_release_or_interpreter(site, installed, monkeypatch):
    discovery.write(installed, "1.0.0", [str(site)])
    assert discovery.read("1.0.1", [str(site)]) is None
    monkeypatch.setattr("sys.hexversion", 0)
    assert discovery.read("1.0.0", [str(site)]) is None


def test_another_users_file_is_not_believed(site, installed, monkeypatch):
    discovery.write(installed, "1.0.0", [str(site)])
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert discovery.read("1.0.0", [str(site)]) is None


def test_directories_without_distributions_do_not_matter(site, installed, tmp_path):
    """The current directory, say, which is another one each time."""
    discovery.write(installed, "1.0.0", [str(site)])
    (tmp_path / "here").mkdir()
    assert discovery.read("1.0.0", [str(tmp_path / "here"), str(site), "/nowhere"]) == installed
    (tmp_path / "here" / "x.egg-info").mkdir()
    assert discovery.read("1.0.0", [str(tmp_path / "here"), str(site)]) is None


def test_a_changed_plugin_is_asked_again(site, installed, tmp_path):
    discovery.write(installed, "1.0.0", [str(site)])
    (tmp_path / "plugin.py").write_text("changed = True\n")
    again = discovery.read("1.0.0", [str(site)])
    assert again == installed._replace(declared={})
    assert again is not None
    assert again.unasked == ["spy"]


def test_blocked_ones_are_left_out(installed):
    other = EntryPoint("other", "m", "Canary_Other", "1")
    both = installed._replace(plugins=(SPY, other))
    assert both.unasked == ["other"]
    assert both.without(["canary-other"]).unasked == []
    left = both.without(["spy"])
    assert left.plugins == (other,)
    assert left.commands() == {}


def test_a_cache_that_cannot_be_written_is_no_matter(site, installed, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    discovery.write(installed, "1.0.0", [str(site)])
    assert discovery.read("1.0.0", [str(site)]) is None


def test_it_is_written_for_its_owner_alone(site, installed):
    old = os.umask(0)
    try:
        discovery.write(installed, "1.0.0", [str(site)])
    finally:
        os.umask(old)
    assert discovery.cache_file().stat().st_mode & 0o777 == 0o600
    assert json.loads(discovery.cache_file().read_text())["plugins"] == [list(SPY)]
    assert [p.name for p in discovery.cache_file().parent.iterdir()] == [
        discovery.cache_file().name
    ]


def test_stamp(tmp_path):
    assert discovery.stamp(str(tmp_path / "none")) is None
    mark: Stamp | None = discovery.stamp(str(tmp_path))
    assert mark is not None
    assert mark[0] == str(tmp_path)
