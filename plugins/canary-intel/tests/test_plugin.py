"""The installed command line on trees of machines with Intel GPUs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from canary_intel.plugin import NOTHING, IntelSettings, Plugin

USE = """
tests:
  use:
    command: echo "=${ZE_AFFINITY_MASK-unset}=${ZE_ENABLE_PCI_ID_DEVICE_ORDER-}=$CANARY_GPU_IDS="
    parameters: {gpus: [%s]}
"""


@pytest.fixture
def outputs(canary, tree, tmp_path):
    """`outputs(text)` runs tests; what each has printed, by its name."""

    def run(text, *words, env=None, expect=0):
        (tmp_path / "a.canary.yaml").write_text(text)
        env = {"CANARY_INTEL_SYSFS": str(tree.root), "ZE_FLAT_DEVICE_HIERARCHY": "", **(env or {})}
        done = canary(*words, "run", "--only", "all", "a.canary.yaml", env=env, expect=expect)
        assert "WARNING" not in done.stderr
        files = tmp_path.glob("TestResults/*/canary-out.txt")
        return {file.parent.name: file.read_text().strip() for file in files}

    return run


def test_hook_canary_settings():
    assert Plugin().canary_settings() is IntelSettings
    assert IntelSettings().detect == "auto"


def test_jobs_see_the_gpus_they_were_given(tree, outputs):
    tree.card("0000:00:02.0", kind="0x030000")
    for n in (3, 4, 5):
        tree.card(f"0000:0{n}:00.0")
    found = outputs(USE % "0, 1, 3, 4", expect=32)
    assert found.keys() == {"use.gpus=0", "use.gpus=1", "use.gpus=3"}
    assert found["use.gpus=0"] == "=unset==="
    assert found["use.gpus=3"] == "=1,2,3=1=1,2,3="
    assert found["use.gpus=1"] in ("=1=1=1=", "=2=1=2=", "=3=1=3=")
    found = outputs(USE % "4", env={"CANARY_INTEL_INTEGRATED": "1"})
    assert found["use.gpus=4"] == "=0,1,2,3=1=0,1,2,3="


def test_tiles_are_given_one_by_one(tree, outputs):
    tree.card("0000:03:00.0", tiles=2)
    assert outputs(USE % "2")["use.gpus=2"] == "=0,1=1=0.0,0.1="
    composite = {"ZE_FLAT_DEVICE_HIERARCHY": "COMPOSITE"}
    assert outputs(USE % "1", env=composite)["use.gpus=1"] == "=0=1=0="


def test_what_a_scheduler_gave_is_shared_out_and_no_more(tree, outputs):
    for n in (3, 4, 5):
        tree.card(f"0000:0{n}:00.0")
    found = outputs(USE % "2, 3", env={"ZE_AFFINITY_MASK": "2,0"}, expect=32)
    assert found == {"use.gpus=2": "=0,2=1=0,2="}


def test_a_test_that_sets_the_variable_keeps_it(tree, outputs):
    tree.card("0000:03:00.0")
    found = outputs(USE % "1" + "    environment: {ZE_AFFINITY_MASK: mine}\n")
    assert found["use.gpus=1"].startswith("=mine=")


def test_gpus_can_be_hidden_from_jobs_that_ask_for_none(tree, outputs):
    tree.card("0000:03:00.0")
    found = outputs(USE % "0", env={"CANARY_INTEL_HIDE": "1"})
    assert found["use.gpus=0"] == f"={NOTHING}==="


@pytest.mark.parametrize(
    ("words", "env"),
    [
        (["--gpu-backend=none"], {}),
        (["--gpu-backend=nvidia"], {}),
        ([], {"CANARY_INTEL_DETECT": "never"}),
    ],
)
def test_it_can_be_switched_off(tree, outputs, words, env):
    tree.card("0000:03:00.0")
    assert outputs(USE % "1", *words, env=env, expect=32) == {}


def test_loading_the_plugin_looks_for_nothing():
    check = "import sys, canary_intel.plugin; print('canary_intel.sysfs' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
