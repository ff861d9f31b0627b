"""What plugins offer is taken as it is meant, or refused by one line that names them."""

from __future__ import annotations

import os

import pytest

from canary import config, gather, plugins
from canary.errors import PluginError, UsageError
from canary.hookspecs import hookimpl
from canary.launch import Exit, Launcher
from canary.process import SubprocessLauncher
from canary.request import RunRequest
from canary.resources import Machine
from canary.settings import Run
from canary.spec import Loaded, Mask, SpecGenerator
from canary.status import Outcome, Status


@pytest.fixture
def gathered(tmp_path):
    """`gathered(hook=answer, …)` is a configuration with one plugin for each; `said` its lines."""
    said = []

    def make(*hooks, **more):
        manager = plugins.PluginManager(say=lambda level, text: said.append(text))
        for n, (hook, answer) in enumerate([*hooks, *more.items()]):
            manager.add(answering(hook, answer), f"plugin{n}")
        return config.load(tmp_path, environ={}).with_plugins(manager)

    make.said = said
    return make


def answering(hook, answer):
    """A plugin whose hook returns `answer`, or calls it with what the hook gets."""
    arguments = {
        "canary_spec_generators": "",
        "canary_ignore_path": "path, config",
        "canary_select": "specs, config",
        "canary_machine": "config",
        "canary_resources": "config",
        "canary_launchers": "config",
        "canary_job_setup": "job",
        "canary_job_env": "job",
        "canary_job_status": "job, exit",
        "canary_job_finish": "job, exit",
    }[hook]
    space = {"answer": answer}
    body = f"return answer({arguments}) if callable(answer) else answer"
    exec(f"def {hook}(self{', ' if arguments else ''}{arguments}):\n    {body}", space)
    return type("Plugin", (), {hook: hookimpl(space[hook])})()


def request(**more):
    return RunRequest(cwd="/", **more)


class Generator(SpecGenerator):
    patterns = ("*.x",)

    def __init__(self, name):
        self.name = name

    def load(self, file):
        return Loaded(None)

    def expand(self, file, data, context):
        return []


class Nothing(Launcher):
    def __init__(self, name):
        self.name = name

    def start(self, launches):
        pass

    def cancel(self, ids, grace):
        pass


# formats, paths, masks


def test_formats_by_name(gathered):
    a, b = Generator("a"), Generator("b")
    made = gathered(("canary_spec_generators", [a]), ("canary_spec_generators", [b]))
    assert gather.spec_generators(made) == {"a": a, "b": b}
    assert gather.spec_generators(gathered()) == {}


def test_nobody_who_ignores_paths_costs_nothing(gathered):
    assert gather.ignore(gathered()) is None
    ignore = gather.ignore(
        gathered(canary_ignore_path=lambda path, config: path.name == "x" or None)
    )
    assert ignore("/a/x")
    assert not ignore("/a/y")


def test_masks_of_plugins_are_joined(gathered, new_job):
    job = new_job("a")
    masks = {job.id: Mask(True, "no"), "other": Mask(False)}
    seen = []
    made = gathered(
        ("canary_select", masks),
        ("canary_select", lambda specs, config: seen.extend(specs)),
    )
    assert gather.plugin_masks({job.id: job.spec}, made) == {job.id: Mask(True, "no")}
    assert seen == [job.spec]


@pytest.mark.parametrize("answer", [["id"], "id", 3])
def test_masks_that_are_none_name_the_plugin(gathered, answer):
    with pytest.raises(PluginError, match="plugin 'plugin0': canary_select must return a mapping"):
        gather.plugin_masks({}, gathered(canary_select=answer))


# timeouts


@pytest.mark.parametrize(
    ("keywords", "given", "configured", "seconds"),
    [
        ((), {}, {}, 300),
        (("fast",), {}, {}, 120),
        (("long", "fast"), {}, {}, 900),
        (("other",), {}, {"default": 50}, 50),
        (("fast",), {}, {"default": 50}, 120),
        (("fast",), {}, {"fast": 7}, 7),
        (("fast",), {"default": 9}, {"fast": 7}, 9),
        (("fast",), {"long": 9}, {"fast": 7}, 7),
        (("fast",), {"fast": 3, "default": 9}, {}, 3),
        (("a", "b"), {"b": 2, "a": 1}, {}, 1),
        (("x",), {"all": 4, "default": 9}, {}, 4),
        (("x",), {"*": 4}, {}, 4),
        (("x",), {}, {"all": 4, "default": 9}, 4),
    ],
)
def test_whose_timeout_counts(keywords, given, configured, seconds):
    merged = {**Run().timeout, **configured}
    assert gather.timeout_of(keywords, given, merged) == seconds


# machine


def test_this_host_where_nobody_knows_better(gathered):
    machine = gather.find_machine(request(), gathered())
    (node,) = machine.nodes
    assert node.id == os.uname().nodename
    assert machine.count("cpus") == len(os.sched_getaffinity(0))
    assert machine.count("gpus") == 0


def test_a_machine_of_a_plugin_with_what_others_detect(gathered):
    gpu = [{"id": "0", "slots": 2}]
    made = gathered(canary_machine=Machine.single("far", cpus=7), canary_resources={"gpus": gpu})
    machine = gather.find_machine(request(), made)
    assert (machine.count("cpus"), machine.count("gpus")) == (7, 2)


def test_a_pool_that_is_given_needs_no_plugin(gathered):
    given = Machine.single("mine", cpus=3)
    made = gathered(canary_machine=Machine.single("far", cpus=7), canary_resources={"gpus": []})
    assert gather.find_machine(request(machine=given), made) == given


def test_changes_of_the_request_come_last(gathered):
    made = gathered(canary_resources={"gpus": [{"id": "0"}]})
    machine = gather.find_machine(
        request(counts=(("cpu", 4), ("nodes", 2)), oversubscribe=(("gpu", 3),)), made
    )
    assert (machine.count("cpus"), machine.count("gpus")) == (8, 6)


def test_two_who_detect_one_type_are_named(gathered):
    both = [("canary_resources", {"gpus": []})] * 2
    with pytest.raises(PluginError, match="'plugin0' and plugin 'plugin1' both detect gpus"):
        gather.find_machine(request(), gathered(*both))


@pytest.mark.parametrize(
    "answer",
    [["gpus"], {"gpus": 3}, {"gpus": [{"slots": 1}]}, {"gpus": [{"id": "0"}, {"id": "0"}]}],
)
def test_resources_that_are_none_name_the_plugin(gathered, answer):
    with pytest.raises(PluginError, match="plugin 'plugin0': canary_resources"):
        gather.find_machine(request(), gathered(canary_resources=answer))


# launchers


def test_who_launches_a_job(gathered, new_job):
    local, other = Nothing("local"), Nothing("other")
    plain, wants = new_job("a"), new_job("b", options={"launcher": "other"})
    with_both = gathered(canary_launchers=[local, other])
    choose = gather.choose_launcher(request(), with_both)
    assert (choose(plain), choose(wants)) == (local, other)
    choose = gather.choose_launcher(request(launcher="subprocess"), with_both)
    assert isinstance(choose(plain), SubprocessLauncher)
    assert choose(wants) is other
    assert isinstance(gather.choose_launcher(request(), gathered())(plain), SubprocessLauncher)


def test_a_launcher_that_is_not_there_is_named_with_those_that_are(gathered, new_job):
    with pytest.raises(UsageError, match=r"no launcher 'x' \[there are: subprocess\]"):
        gather.choose_launcher(request(launcher="x"), gathered())
    choose = gather.choose_launcher(request(), gathered())
    with pytest.raises(PluginError, match="no launcher 'y'"):
        choose(new_job(options={"launcher": "y"}))


# services


def test_services_without_plugins_lend_nothing(gathered, new_job):
    services = gather.HookServices(gathered())
    job, end = new_job(), Exit("i", 1.0, 0)
    services.setup(job)
    assert services.environment(job) == {}
    assert services.judge(job, end) is None
    assert services.measure(job, end) == {}


def test_what_plugins_add_to_a_job(gathered, new_job):
    made = gathered(
        ("canary_job_env", {"A": "1", "B": "1"}),
        ("canary_job_env", {"B": None}),
        ("canary_job_status", lambda job, exit: None),
        ("canary_job_finish", {"x": 1}),
        ("canary_job_finish", lambda job, exit: {"y": exit.code}),
    )
    services = gather.HookServices(made)
    job, end = new_job(), Exit("i", 1.0, 5)
    assert services.environment(job) == {"A": "1", "B": None}
    assert services.judge(job, end) is None
    assert services.measure(job, end) == {"x": 1, "y": 5}
    status = Status(Outcome.DIFFED)
    judged = gather.HookServices(gathered(canary_job_status=status))
    assert judged.judge(job, end) is status


def test_what_is_no_answer_is_an_error_of_that_job_alone(gathered, new_job):
    job, end = new_job(), Exit("i", 1.0, 0)
    environment = gather.HookServices(gathered(canary_job_env=["A=1"]))
    with pytest.raises(PluginError, match="canary_job_env must return a mapping"):
        environment.environment(job)
    judge = gather.HookServices(gathered(canary_job_status="FAILED"))
    with pytest.raises(PluginError, match="canary_job_status must return a Status, not 'FAILED'"):
        judge.judge(job, end)


def test_measurements_that_are_none_are_a_warning(gathered, new_job):
    made = gathered(("canary_job_finish", 3), ("canary_job_finish", {"x": 1}))
    assert gather.HookServices(made).measure(new_job(), Exit("i", 1.0, 0)) == {"x": 1}
    (said,) = gathered.said
    assert "plugin 'plugin0'" in said


def test_a_setup_that_refuses_is_an_error_naming_the_plugin(gathered, new_job):
    def refuse(job):
        raise RuntimeError("no licence")

    services = gather.HookServices(gathered(canary_job_setup=refuse))
    with pytest.raises(PluginError, match=r"plugin 'plugin0'.*no licence"):
        services.setup(new_job())
