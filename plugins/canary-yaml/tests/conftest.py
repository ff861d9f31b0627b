"""What the tests of this distribution share: from the text of a file to its jobs."""

from __future__ import annotations

import pytest

from canary.testing.fixtures import canary, canary_environment  # noqa: F401 - fixtures
from canary.testing.generators import context, spec_file
from canary_yaml.generator import YamlGenerator


@pytest.fixture
def jobs(tmp_path):
    """`jobs(text, name)`: the jobs of a file, by name."""

    def make(text, name="a.canary.yaml"):
        (tmp_path / name).write_text(text)
        made = YamlGenerator()
        file = spec_file(tmp_path, name, made)
        return {s.name: s for s in made.expand(file, made.load(file).data, context())}

    return make


@pytest.fixture
def job(jobs):
    """`job(fields)`: the job of one test, whose fields are lines of YAML."""

    def make(fields, command="command: 'true'"):
        lines = "".join(f"    {line}\n" for line in [command, *fields.splitlines()])
        (one,) = jobs(f"tests:\n  t:\n{lines}").values()
        return one

    return make
