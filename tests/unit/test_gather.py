"""What plugins offer is taken as it is meant, or refused by one line that names them."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from canary import collect, config, gather, plugins
from canary.errors import PluginError, PluginStop, UsageError
from canary.hookspecs import hookimpl
from canary.job import BaseJob
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

    def make(*hooks, policy=None, **more):
        said.clear()
        manager = plugins.PluginManager(policy=policy, say=lambda level, text: said.append(text))
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
        "canary_resources": "config, machine",
        "canary_launchers": "config",
        "canary_group": "jobs, config",
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


@pytest.mark.parametrize("answer", [["id"], "id", 3, {"id": "no"}, {3: Mask(True, "no")}])
def test_masks_that_are_none_name_the_plugin(gathered, answer):
    said = "plugin 'plugin1': canary_select must return a Mapping of Mask"
    hooks = [("canary_select", {"other": Mask(True, "no")}), ("canary_select", answer)]
    with pytest.raises(PluginError, match=said):
        gather.plugin_masks({}, gathered(*hooks, policy="stop"))
    assert gather.plugin_masks({}, gathered(*hooks)) == {"other": Mask(True, "no")}
    (line,) = gathered.said
    assert line.startswith(said)


@pytest.mark.parametrize("policy", ["stop", "continue"])
def test_two_formats_that_claim_one_file_name_their_plugins(gathered, tmp_path, policy):
    (tmp_path / "a.x").touch()
    hook = "canary_spec_generators"
    made = gathered((hook, [Generator("a")]), (hook, [Generator("b")]), policy=policy)
    generators = gather.spec_generators(made)
    roots, clash = [collect.ScanRoot(str(tmp_path))], gather.clash(made)
    said = "plugin 'plugin1': its 'b' claims *.x, which 'a' of plugin 'plugin0' claims already"
    if policy == "stop":
        with pytest.raises(PluginError) as caught:
            collect.find(roots, generators, None, clash)
        assert caught.value.message == said
        assert caught.value.hint == "leave it out: -p no:plugin1"
    else:
        assert [f.generator for f in collect.find(roots, generators, None, clash)] == ["a"]
        assert gathered.said == [f"{said}; going on without its claim"]


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


def test_what_is_detected_is_of_the_node_that_this_process_is_on(gathered):
    def gpus(machine):
        made = gathered(canary_machine=machine, canary_resources={"gpus": [{"id": "0"}]})
        found = gather.find_machine(request(), made)
        return found.here, [len(node.resources["gpus"]) for node in found.nodes]

    names = ("far", os.uname().nodename)
    two = Machine(tuple(Machine.single(name, cpus=1, gpus=0).nodes[0] for name in names))
    assert gpus(two) == (names[1], [0, 1])
    assert gpus(replace(two, here="far")) == ("far", [1, 0])
    assert gpus(replace(two, here="")) == ("", [1, 0])
    assert gpus(Machine.single("only", cpus=1, gpus=0)) == ("only", [1])


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


@pytest.mark.parametrize("answer", [3, "n", {"cpus": 4}])
def test_a_machine_that_is_none_is_the_failure_of_its_plugin(gathered, answer):
    machine = gather.find_machine(request(), gathered(canary_machine=answer))
    assert machine.nodes[0].id == os.uname().nodename
    (line,) = gathered.said
    assert line.startswith("plugin 'plugin0': canary_machine must return a Machine, not ")
    with pytest.raises(PluginStop, match="plugin 'plugin0': canary_machine must return"):
        gather.find_machine(request(), gathered(canary_machine=answer, policy="stop"))


DETECTED = [
    (["gpus"], "must return a Mapping of list or tuple, not ['gpus']; going on without it"),
    ({"gpus": 3}, "must return a Mapping of list or tuple; it has 3; going on without it"),
    ({"gpus": [{"slots": 1}], "x": [{"id": "7"}]}, ": gpus: "),
    ({"gpus": [{"id": "0"}, {"id": "0"}], "x": [{"id": "7"}]}, ": gpus: "),
    ({"tokens": [{"id": "8"}], "x": [{"id": "7"}]}, ": tokens: plugin 'plugin0' detects them"),
]


@pytest.mark.parametrize(("answer", "said"), DETECTED)
def test_what_cannot_be_detected_so_is_left_out_by_policy(gathered, answer, said):
    hooks = [("canary_resources", {"tokens": [{"id": "9"}]}), ("canary_resources", answer)]
    machine = gather.with_detected(Machine.single("n", cpus=1), gathered(*hooks))
    (node,) = machine.nodes
    assert [i.id for i in node.resources["tokens"]] == ["9"]
    assert ("x" in node.resources) is said.startswith(":")
    assert "gpus" not in node.resources
    (line,) = gathered.said
    assert line.startswith("plugin 'plugin1': canary_resources")
    assert said in line
    with pytest.raises(PluginStop, match="plugin 'plugin1': canary_resources"):
        gather.with_detected(Machine.single("n", cpus=1), gathered(*hooks, policy="stop"))


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


# groups


class Holder(BaseJob):
    """Of jobs that are to be run together."""

    composite = True

    def __init__(self, *jobs):
        self.jobs = jobs

    def __getattr__(self, name):
        raise AssertionError(name)


Holder.__abstractmethods__ = frozenset()


def test_jobs_are_grouped_or_stay_as_they_are(gathered, new_job):
    a, b = new_job("a"), new_job("b")
    machine = Machine.single("n")
    assert gather.group([a, b], machine, gathered()) == [a, b]
    both = [Holder(a, b)]
    assert gather.group([a, b], machine, gathered(canary_group=both)) == both
    assert gather.group([a, b], machine, gathered(canary_group=(b, a))) == (b, a)
    assert gathered.said == []


def test_groups_that_lack_a_job_name_the_plugin(gathered, new_job):
    a, b, other = new_job("a"), new_job("b"), new_job("other")
    wrong = (3, [1], [a], [a, b, b], [Holder(a)], [Holder(a, b), a], [a, b, other], [])
    for answer in wrong:
        made = gathered(canary_group=answer)
        assert gather.group([a, b], Machine.single("n"), made) == [a, b]
        (line,) = gathered.said
        assert line.startswith("plugin 'plugin0': canary_group must return ")
        made = gathered(canary_group=answer, policy="stop")
        with pytest.raises(PluginError, match="plugin 'plugin0': canary_group must return "):
            gather.group([a, b], Machine.single("n"), made)


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


@pytest.mark.parametrize(
    ("hook", "answer", "said"),
    [
        ("canary_job_env", ["A=1"], "must return a Mapping of str or None, not ['A=1']"),
        ("canary_job_env", {"A": 3}, "must return a Mapping of str or None; it has 3"),
        ("canary_job_status", "PASS", "must return a Status, not 'PASS'"),
    ],
)
def test_what_is_no_answer_is_the_failure_of_its_plugin(gathered, new_job, hook, answer, said):
    def ask(made):
        services, job = gather.HookServices(made), new_job()
        asked = {
            "canary_job_env": lambda: services.environment(job),
            "canary_job_status": lambda: services.judge(job, Exit("i", 1.0, 0)),
        }
        return [asked[hook](), asked[hook]()]

    assert not any(ask(gathered((hook, answer))))
    assert gathered.said == [f"plugin 'plugin0': {hook} {said}; going on without it"]
    with pytest.raises(PluginStop) as caught:
        ask(gathered((hook, answer), policy="stop"))
    assert caught.value.message == f"plugin 'plugin0': {hook} {said}"


def test_no_job_goes_on_without_a_plugin_that_has_stopped_the_session(gathered, new_job):
    """Its hooks are missed from then on, others are not."""
    both = {"canary_job_env": 3, "canary_job_status": Status(Outcome.DIFFED)}
    made = gathered(*both.items(), policy="stop")
    services, job = gather.HookServices(made), new_job()
    for _ in range(2):
        with pytest.raises(PluginStop, match="plugin 'plugin0': canary_job_env"):
            services.environment(job)
    services.setup(job)
    assert services.judge(job, Exit("i", 1.0, 0)).outcome is Outcome.DIFFED


def test_measurements_that_are_none_are_a_warning(gathered, new_job):
    made = gathered(("canary_job_finish", 3), ("canary_job_finish", {"x": 1}))
    assert gather.HookServices(made).measure(new_job(), Exit("i", 1.0, 0)) == {"x": 1}
    (said,) = gathered.said
    assert "plugin 'plugin0'" in said


def test_a_setup_that_refuses_is_an_error_naming_the_plugin(gathered, new_job):
    def refuse(job):
        raise RuntimeError("no licence")

    for policy in (None, "continue"):
        services = gather.HookServices(gathered(canary_job_setup=refuse, policy=policy))
        for _ in range(2):
            with pytest.raises(PluginError, match=r"plugin 'plugin0'.*no licence") as caught:
                services.setup(new_job())
            assert not isinstance(caught.value, PluginStop)
    services = gather.HookServices(gathered(canary_job_setup=refuse, policy="stop"))
    with pytest.raises(PluginStop, match=r"plugin 'plugin0'.*no licence"):
        services.setup(new_job())
