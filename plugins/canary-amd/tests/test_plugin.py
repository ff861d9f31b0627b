"""The installed command line on trees of machines with AMD GPUs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from canary_amd.plugin import AmdSettings, Plugin

USE = """
tests:
  use:
    command: echo "=${ROCR_VISIBLE_DEVICES-unset}=${HIP_VISIBLE_DEVICES-unset}=$CANARY_GPU_IDS="
    parameters: {gpus: [%s]}
"""


def uuid(n):
    return f"GPU-{n:016x}"


@pytest.fixture
def outputs(canary, tree, library, tmp_path):
    """`outputs(text)` runs tests: the finished process, and what each has printed, by its name."""

    def run(text, *words, env=None, expect=0):
        (tmp_path / "a.canary.yaml").write_text(text)
        ours = {"CANARY_AMD_SYSFS": str(tree.root), "ROCM_PATH": str(library)}
        env = {**ours, **(env or {})}
        done = canary(*words, "run", "--only", "all", "a.canary.yaml", env=env, expect=expect)
        files = tmp_path.glob("TestResults/*/canary-out.txt")
        return done, {file.parent.name: file.read_text().strip() for file in files}

    return run


def test_hook_canary_settings():
    assert Plugin().canary_settings() is AmdSettings
    assert AmdSettings().detect == "auto"


def test_jobs_see_the_gpus_they_were_given(tree, outputs):
    tree.cpu()
    for n in range(8):
        tree.gpu(n)  # the first has no number of its own
    done, found = outputs(USE % "0, 1, 8, 9", expect=32)
    assert "WARNING" not in done.stderr
    assert found.keys() == {"use.gpus=0", "use.gpus=1", "use.gpus=8"}
    assert found["use.gpus=0"] == "=unset=unset=="
    _, rocr, hip, ids, _ = found["use.gpus=1"].split("=")
    assert (rocr, hip) == ("0" if ids == "0" else uuid(int(ids)), "0")
    words = ",".join(["0", *(uuid(n) for n in range(1, 8))])
    assert found["use.gpus=8"] == f"={words}=0,1,2,3,4,5,6,7=0,1,2,3,4,5,6,7="


def test_what_a_scheduler_gave_is_shared_out_and_no_more(tree, outputs):
    """An older value of the second variable would leave nothing of what the first has."""
    for n in range(1, 5):
        tree.gpu(n)
    _, found = outputs(USE % "1, 2", env={"HIP_VISIBLE_DEVICES": "3"}, expect=32)
    assert found == {"use.gpus=1": f"={uuid(4)}=0=3="}


@pytest.mark.parametrize("name", ["ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"])
def test_a_test_that_sets_a_variable_keeps_it(tree, outputs, name):
    tree.gpu()
    _, found = outputs(USE % "1" + f"    environment: {{{name}: mine}}\n")
    assert "mine" in found["use.gpus=1"].split("=")
    assert "unset" in found["use.gpus=1"].split("=")


def test_gpus_can_be_hidden_from_jobs_that_ask_for_none(tree, outputs):
    tree.gpu()
    _, found = outputs(USE % "0", env={"CANARY_AMD_HIDE": "1"})
    assert found["use.gpus=0"] == "===="


def test_a_library_that_hangs_is_one_warning_and_gpus_have_no_names(tree, outputs):
    tree.gpu(1)
    env = {"STANDIN_DOES": "hang", "CANARY_AMD_TIMEOUT": "0.5"}
    done, found = outputs(USE % "1", env=env)
    (warning,) = [line for line in done.stderr.splitlines() if line.startswith("WARNING")]
    says = "canary-amd: GPUs have no names: amdsmi: no answer in 0.5 s"
    assert warning == f"WARNING: {says}"
    assert found["use.gpus=1"] == f"={uuid(1)}=0=0="


@pytest.mark.parametrize(
    ("words", "env"),
    [
        (["--gpu-backend=none"], {}),
        (["--gpu-backend=nvidia"], {}),
        ([], {"CANARY_AMD_DETECT": "never"}),
    ],
)
def test_it_can_be_switched_off(tree, outputs, words, env):
    tree.gpu()
    _, found = outputs(USE % "1", *words, env=env, expect=32)
    assert found == {}


def test_loading_the_plugin_looks_for_nothing():
    check = "import sys, canary_amd.plugin; print({'amdsmi', 'subprocess'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
