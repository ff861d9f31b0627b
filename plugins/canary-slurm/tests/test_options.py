"""What `-b` means, and what a wrong one is told."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from canary.errors import SpecError, UsageError
from canary_slurm.options import Ask, HpcSettings, ask_of, batching_of


def batching(*items, launcher=None, timeout=(), **settings):
    config = SimpleNamespace(
        settings=lambda _: HpcSettings(batch=items, **settings),
        run=SimpleNamespace(launcher=launcher, timeout=dict(timeout)),
    )
    return batching_of(config)


def test_without_a_backend_nothing_is_batched():
    assert batching() is None


def test_the_launcher_slurm_alone_means_a_submission_a_test():
    made = batching(launcher="slurm")
    assert (made.backend, made.count) == ("slurm", 0)


@pytest.mark.parametrize("key", ["backend", "scheduler", "type"])
def test_a_backend_has_three_names(key):
    assert batching(f"{key}=slurm").backend == "slurm"


@pytest.mark.parametrize("text", ["count:2,nodes:any", "count=2,nodes=any"])
def test_a_spec_is_taken_with_either_sign(text):
    made = batching("backend=slurm", f"spec={text}")
    assert (made.count, made.same_nodes) == (2, False)


def test_parts_of_a_spec_may_come_apart_as_from_a_variable():
    made = batching("backend=slurm", "spec=count:2", "nodes:any")
    assert (made.count, made.same_nodes) == (2, False)


def test_all_that_a_spec_may_say():
    def of(text):
        return batching("backend=slurm", f"spec={text}")

    assert of("count:max").count == 0
    assert of("duration:1h").duration == 3600.0
    assert of("by:np").by == "np"
    assert (of("atomic").layout, of("atomic").same_nodes) == ("atomic", False)
    assert of("atomic:false").layout == "flat"
    made = of("layout:allocation,nodes:3")
    assert (made.layout, made.nodes) == ("allocation", 3)


@pytest.mark.parametrize("key", ["option", "options", "args", "with"])
def test_words_for_sbatch_are_gathered(key):
    made = batching("backend=slurm", f"{key}=-A,me", f"{key}=--mem=1G", submit_args=("-x n1",))
    assert made.ask.args == ("-x", "n1", "-A", "me", "--mem=1G")


def test_the_rest():
    made = batching(
        "backend=slurm", "workers=3", "array=true", "queue_timeout=1m", "exec=a b", "timeout=5"
    )
    assert (made.workers, made.array, made.queue_timeout) == (3, True, 60.0)
    assert made.exec == ("a", "b")
    assert batching("backend=slurm", timeout={"queue": 5.0}).queue_timeout == 5.0


@pytest.mark.parametrize(
    "items",
    [
        ("spec=count:2",),
        ("backend=pbs",),
        ("backend=slurm", "speck=1"),
        ("backend=slurm", "spec=count:0"),
        ("backend=slurm", "spec=count:many"),
        ("backend=slurm", "spec=nodes:some"),
        ("backend=slurm", "spec=duration:soon"),
        ("backend=slurm", "spec=layout:round"),
        ("backend=slurm", "spec=atomic,duration:5m"),
        ("backend=slurm", "spec=atomic,nodes:same"),
        ("backend=slurm", "workers=0"),
        ("backend=slurm", "array=perhaps"),
    ],
    ids=" ".join,
)
def test_what_is_wrong_is_a_line_with_a_hint(items):
    with pytest.raises(UsageError) as e:
        batching(*items)
    assert e.value.message.startswith("-b ")
    assert e.value.hint


def job(**attributes):
    return SimpleNamespace(spec=SimpleNamespace(attributes=attributes, options={}))


def test_a_test_asks_for_itself_before_the_run_does():
    usual = Ask(partition="debug", args=("-x", "n1"))
    asked = ask_of(
        job(slurm_partition="low", slurm_walltime="2m", slurm_args="--mem=1G", other=1), usual
    )
    assert asked == Ask(partition="low", walltime=120.0, args=("-x", "n1", "--mem=1G"))
    assert asked.arguments() == ["--partition=low", "-x", "n1", "--mem=1G"]
    assert ask_of(job(), usual) is usual


def test_hyperthreads_are_counted_if_either_says_so():
    assert not batching("backend=slurm").threads
    assert batching("backend=slurm", "allow_hyperthreading").threads
    assert batching("backend=slurm", allow_hyperthreading=True).threads
    assert not batching(
        "backend=slurm", "allow_hyperthreading=no", allow_hyperthreading=True
    ).threads


def test_words_are_split_as_a_shell_does_it():
    made = batching("backend=slurm", submit_args=("--comment='a b' --x", "--y"))
    assert made.ask.args == ("--comment=a b", "--x", "--y")
    assert batching("backend=slurm", "exec='/a b/canary' -x").exec == ("/a b/canary", "-x")
    with pytest.raises(UsageError, match="No closing quotation"):
        batching("backend=slurm", submit_args=("--comment='a",))


def test_one_value_of_a_parameter_is_for_flat_batches():
    with pytest.raises(UsageError, match="by:np is for flat batches"):
        batching("backend=slurm", "spec=atomic,by:np")


def a_job(options=(), **attributes):
    spec = SimpleNamespace(attributes=attributes, options=dict(options), file="/t/a.pyt")
    return SimpleNamespace(spec=spec, name="a")


def test_a_time_may_be_written_as_slurm_does():
    assert ask_of(a_job(slurm_walltime="1-12:00:00"), Ask()).walltime == 36 * 3600.0
    assert ask_of(a_job(slurm_walltime="01:30:00"), Ask()).walltime == 5400.0


def test_a_wrong_word_names_the_test_and_its_file():
    with pytest.raises(SpecError, match="slurm_walltime: a: not a duration"):
        ask_of(a_job(slurm_walltime="soon"), Ask())
    with pytest.raises(SpecError, match="slurm_partiton: a: no such word"):
        ask_of(a_job(slurm_partiton="gpu"), Ask())
    with pytest.raises(SpecError, match="slurm_foo"):
        ask_of(a_job({"slurm_foo": "gpu"}), Ask())
    assert ask_of(a_job(slurm_results="mine"), Ask()) == Ask()


def test_long_options_say_the_same(canary, tools, tmp_path):
    made = batching(backend="slurm", batch_spec="count:3", batch_workers=2, submit_arg=("--a,--b",))
    assert (made.count, made.workers, made.ask.args) == (3, 2, ("--a", "--b"))
    assert batching("backend=slurm", "spec=count:5", batch_spec="count:3").count == 5
    tools.write_test(tmp_path / "t/a.pyt", "return 0", 'parameterize("n", [0, 1, 2])')
    words = ("--scheduler=local", "--hpc-batch-spec=count:2", "--hpc-batch-workers=1")
    canary("run", *words, "--scheduler-args=-x,-y", "--hpc-batch-exact-estimate", "t", expect=0)
    assert len(list(tmp_path.glob(".canary/sessions/*/hpc.batches/*"))) == 2
