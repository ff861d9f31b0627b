from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from canary.detect import GpuPlugin, GpuSettings
from canary.job import Job
from canary.resources import Machine, Node
from canary.spec import JobSpec
from canary.workspace import ExecutionSpace

HERE = Machine((Node("n", {}), Node("m", {})), here="n")


@dataclass(frozen=True, slots=True)
class Settings(GpuSettings):
    """GPUs of a vendor that there is not."""

    section = "none-such"


class Plugin(GpuPlugin):
    settings = Settings
    variables = ("ONE", "TWO")
    prefixes = ("uuid-",)

    def __init__(self):
        super().__init__()
        self.looked = 0

    def find(self, config):
        self.looked += 1
        yield "0", "uuid-a", {"memory": 1}
        yield "1", "uuid-b", {}

    def show(self, words):
        return {"ONE": ",".join(words)}


class Config:
    """What a plugin asks of the configuration."""

    def __init__(self, backend="auto", **values):
        self.backend = backend
        self.values = values

    def get(self, key):
        assert key == "gpu_backend"
        return self.backend

    def settings(self, kind):
        return kind(**self.values)


@pytest.fixture
def job(tmp_path):
    def make(*gpus, environment=None):
        spec = JobSpec(
            file_root="/r",
            file_path="a.t",
            id="a" * 64,
            family="a",
            name="a",
            command=("true",),
            environment=environment or {},
        )
        made = Job(spec, ExecutionSpace(tmp_path, "a", "s"))
        made.assign_resources({"gpus": [{"id": i, "slots": 1, "node": n} for i, n in gpus]})
        return made

    return make


def plugin(config):
    made = Plugin()
    made.canary_configure(config)
    return made


def test_gpus_are_resources_and_jobs_see_those_that_they_were_given(job):
    one = plugin(Config())
    assert one.canary_settings() is Settings
    assert one.canary_resources(Config(), HERE) == {
        "gpus": [{"id": "0", "properties": {"memory": 1}}, {"id": "1", "properties": {}}]
    }
    assert one.canary_job_env(job(("1", "n"), ("0", "n"))) == {"ONE": "uuid-b,uuid-a"}
    assert one.looked == 1


def test_ids_are_looked_up_where_no_machine_was_looked_for(job):
    one = plugin(Config())
    assert one.canary_job_env(job(("1", "n"))) == {"ONE": "uuid-b"}
    assert one.canary_job_env(job(("1", "n"), ("of another kind", "n"))) is None
    assert one.looked == 1


def test_gpus_of_this_host_are_nothing_to_a_machine_elsewhere(job):
    one = plugin(Config())
    assert one.canary_resources(Config(), replace(HERE, here="")) is None
    assert one.canary_job_env(job(("1", "n"))) is None
    assert one.looked == 0


def test_what_gpus_of_another_node_are_called_is_not_known_here(job):
    one = plugin(Config())
    assert one.canary_resources(Config(), HERE) is not None
    assert one.canary_job_env(job(("1", "m"))) is None
    assert one.canary_job_env(job(("1", "n"))) == {"ONE": "uuid-b"}
    # a node that was made up, by -r nodes=2, is this one
    assert one.canary_job_env(job(("1", "n-1"))) == {"ONE": "uuid-b"}


def test_an_id_that_is_the_word_is_not_looked_up(job):
    one = plugin(Config())
    assert one.canary_job_env(job(("uuid-z", "n"))) == {"ONE": "uuid-z"}
    assert one.looked == 0


@pytest.mark.parametrize("name", ["ONE", "TWO"])
def test_a_job_with_a_variable_of_its_own_keeps_it(job, name):
    assert plugin(Config()).canary_job_env(job(("0", "n"), environment={name: "x"})) is None


def test_nothing_is_hidden_from_a_job_over_several_nodes(job):
    assert plugin(Config()).canary_job_env(job(("0", "n"), ("0", "m"))) is None


def test_gpus_are_hidden_on_request_where_there_are_any(job):
    assert plugin(Config()).canary_job_env(job()) is None
    assert plugin(Config(hide=True)).canary_job_env(job()) == {"ONE": ""}
    assert plugin(Config("amd", hide=True)).canary_job_env(job()) is None


@pytest.mark.parametrize("config", [Config("amd"), Config("none"), Config(detect="never")])
def test_nothing_is_looked_for_that_nobody_wants(config):
    one = plugin(config)
    assert one.canary_resources(config, HERE) is None
    assert one.looked == 0
