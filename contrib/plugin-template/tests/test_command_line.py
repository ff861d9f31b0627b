"""The plugin as people use it: through the real command line, in a process of its own."""

import csv
import json

import pytest

STEPS = "keywords: fast\ntokens: 1\nhello: echo hello from a step\nbad: exit 3\n"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.steps"
    path.write_text(STEPS)
    return path


def jobs(canary):
    found = json.loads(canary("query", "jobs", expect=0).stdout)
    return {job["name"]: job["status"]["outcome"] for job in found}


def test_it_is_listed(canary):
    [info] = [p for p in json.loads(canary("plugins", "--json").stdout) if p["name"] == "example"]
    assert info["distribution"] == "canary-example"
    assert info["state"] == "active"


def test_the_command(canary, file):
    assert "a.steps: hello: echo hello from a step" in canary("steps", file, expect=0).stdout
    assert "steps" in canary("--help", expect=0).stdout
    broken = file.with_name("b.steps")
    broken.write_text("nothing\n")
    done = canary("steps", broken, expect=3)
    assert f"{broken}:1: not a step" in done.stderr
    broken.write_bytes(b"a: echo\nb: echo \xff\n")
    for command in ("steps", "run"):
        done = canary(command, broken, expect=3)
        assert f"{broken}:2: this is not UTF-8" in done.stderr
        assert "bug" not in done.stderr
    assert "cannot be read" in canary("steps", broken.with_name("gone.steps"), expect=3).stderr


def test_steps_run_as_jobs(canary, file, tmp_path):
    canary("run", "--example-tokens", "1", file, expect=8)
    assert jobs(canary) == {"a.step=hello": "SUCCESS", "a.step=bad": "FAILED"}
    [output] = tmp_path.glob("TestResults/**/a.step=hello/canary-out.txt")
    assert "hello from a step" in output.read_text()


def test_a_step_that_needs_what_the_machine_has_not(canary, file):
    canary("run", file, expect=32)
    assert set(jobs(canary).values()) == {"OVERSIZED"}


def test_settings_from_file_and_environment(canary, file, tmp_path):
    (tmp_path / "canary.toml").write_text("[example]\ntokens = 1\n")
    canary("run", file, expect=8)
    done = canary("config", "show", "example", env={"CANARY_EXAMPLE_TOKENS": "7"}, expect=0)
    assert "tokens = 7" in done.stdout
    (tmp_path / "canary.toml").write_text("[example]\ntoken = 1\n")
    done = canary("run", file, expect=2)
    assert (
        "canary.toml:2: example.token: unknown setting [did you mean example.tokens?]"
        in done.stderr
    )


def test_the_report(canary, file, tmp_path):
    canary("run", "--example-tokens", "2", file, expect=8)
    canary("report", "csv", expect=0)
    with (tmp_path / "canary.csv").open() as f:
        rows = {row["name"]: row for row in csv.DictReader(f)}
    assert rows["a.step=hello"]["category"] == "PASS"
    assert rows["a.step=bad"]["category"] == "FAIL"
