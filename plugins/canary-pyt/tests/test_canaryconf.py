from __future__ import annotations

import pytest

from canary.errors import SpecError
from canary_pyt.canaryconf import CanaryconfGenerator

BOTH = "1 / 0\ndef canary_setup(ctx): ...\ndef canary_teardown(ctx): ...\n"


@pytest.fixture
def expand(write, context):
    def make(text, name="s/canaryconf.py", **kwargs):
        generator = CanaryconfGenerator()
        file = write(text, name, "canaryconf")
        loaded = generator.load(file)
        assert loaded.cacheable
        return generator.expand(file, loaded.data, context(**kwargs))

    return make


def test_two_jobs_without_executing_the_file(expand):
    # the IDs are those that the older tool gave to /tmp/px/d/s/canaryconf.py
    one, two = expand(BOTH, repository="tmp/px/d/s/canaryconf.py")
    assert (one.name, two.name) == ("canaryconf.py::setup", "canaryconf.py::teardown")
    assert (one.id[:8], two.id[:8]) == ("4dab13bf", "52ac5c28")
    assert one.fullname == "s/canaryconf.py::setup"
    assert (one.work_path, one.result_path) == ("s/__setup__", "s/canaryconf.py::setup")
    assert (one.fixture, two.fixture) == ("setup", "teardown")
    assert one.keywords == ("canary_conftest", "setup")
    assert one.command[2:] == ("--function", "canary_setup", "canaryconf.py")
    assert one.attributes["canary_conftest"]["role"] == "setup"
    assert one.timeout == 300.0


def test_at_the_top(expand):
    (one,) = expand("def canary_setup(ctx): ...\n", "canaryconf.py")
    assert one.work_path == "__setup__"


@pytest.mark.parametrize(
    "text", ["", "def other(ctx): ...\n", "class A:\n    def canary_setup(self): ...\n"]
)
def test_nothing_to_do(expand, text):
    assert expand(text) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def broken(:\n", r"canaryconf.py:1: syntax error"),
        (
            "\nasync def canary_setup(ctx): ...\n",
            r"canaryconf.py:2: canary_setup must not be async",
        ),
        ("x = '\0'\n", r"canaryconf.py: .*null bytes"),
    ],
)
def test_errors(expand, text, message):
    with pytest.raises(SpecError, match=message):
        expand(text)
