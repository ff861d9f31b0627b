"""The installed command line on machines with the stand-in's GPUs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from canary_nvidia.plugin import NvidiaSettings, Plugin, has_driver

FOUND = {"CANARY_NVIDIA_DETECT": "always"}
UUID = "GPU-%08x-0000-0000-0000-000000000000"
USE = """
tests:
  use:
    command: echo "=${CUDA_VISIBLE_DEVICES-unset}=$CANARY_GPU_IDS="
    parameters: {gpus: [%s]}
"""


@pytest.fixture
def outputs(canary, standin, tmp_path):
    """`outputs(text)` runs tests: the finished process, and what each has printed, by its name."""

    def run(text, *words, env=None, expect=0):
        (tmp_path / "a.canary.yaml").write_text(text)
        env = {**FOUND, **standin.environment, **(env or {})}
        done = canary(*words, "run", "--only", "all", ".", env=env, expect=expect)
        files = tmp_path.glob("TestResults/*/canary-out.txt")
        return done, {file.parent.name: file.read_text().strip() for file in files}

    return run


def test_hook_canary_settings():
    assert Plugin().canary_settings() is NvidiaSettings
    assert NvidiaSettings().detect == "auto"


def test_jobs_see_the_gpus_they_were_given(standin, outputs):
    standin(GPUS=8)
    done, found = outputs(USE % "0, 1, 2")
    assert "WARNING" not in done.stderr
    assert found["use.gpus=0"] == "=unset=="
    _, seen, ids, _ = found["use.gpus=1"].split("=")
    assert seen == UUID % int(ids)
    _, seen, ids, _ = found["use.gpus=2"].split("=")
    assert seen.split(",") == [UUID % int(id) for id in ids.split(",")]
    assert len(set(ids.split(","))) == 2


def test_no_two_jobs_have_a_gpu_at_once(standin, outputs):
    """Each holds its GPU until the other runs too; so they have different ones."""
    standin(GPUS=2)
    meet = """
tests:
  meet:
    command: |
      touch "${source_dir}/ran${n}"
      until [ -e "${source_dir}/ran1" ] && [ -e "${source_dir}/ran2" ]; do sleep 0.01; done
      echo "$CUDA_VISIBLE_DEVICES"
    parameters: {n: [1, 2]}
    resources: {gpus: 1}
    timeout: 20
"""
    _, found = outputs(meet, "-r", "cpus=2")
    assert sorted(found.values()) == [UUID % 0, UUID % 1]


def test_slices_are_given_one_by_one(standin, outputs):
    standin(GPUS=1, MIG=1)
    _, found = outputs(USE % "1, 2")
    assert found["use.gpus=2"] == (
        "=MIG-00000000-0000-0000-0000-000000000000,MIG-00000000-0000-0000-0000-000000000002"
        "=0:0,0:2="
    )
    assert found["use.gpus=1"].startswith("=MIG-00000000-0000-0000-0000-")


def test_what_a_scheduler_gave_is_shared_out_and_no_more(standin, outputs):
    standin(GPUS=8)
    _, found = outputs(USE % "1, 2, 3", env={"CUDA_VISIBLE_DEVICES": "5,3"}, expect=32)
    assert found.keys() == {"use.gpus=1", "use.gpus=2"}
    assert sorted(found["use.gpus=2"].split("=")[1].split(",")) == [UUID % 3, UUID % 5]


def test_a_test_that_sets_the_variable_keeps_it(standin, outputs):
    standin(GPUS=2)
    own = USE % "1" + "    environment: {CUDA_VISIBLE_DEVICES: mine}\n"
    _, found = outputs(own)
    assert found["use.gpus=1"].startswith("=mine=")


def test_gpus_can_be_hidden_from_jobs_that_ask_for_none(standin, outputs):
    standin(GPUS=1)
    _, found = outputs(USE % "0, 1", env={"CANARY_NVIDIA_HIDE": "1"})
    assert found["use.gpus=0"] == "==="
    assert found["use.gpus=1"] == f"={UUID % 0}=0="


def test_ids_of_a_pool_file_are_looked_up(standin, outputs, tmp_path):
    standin(GPUS=2)
    for ids, seen in ((["1"], UUID % 1), (["GPU-of-my-own"], "GPU-of-my-own"), (["x"], "unset")):
        resources = {"cpus": [{"id": "0"}], "gpus": [{"id": id} for id in ids]}
        pool = {"nodes": [{"id": "here", "resources": resources}]}
        (tmp_path / "pool.json").write_text(json.dumps(pool))
        _, found = outputs(USE % "1", env={"CANARY_RESOURCE_POOL_FILE": "pool.json"})
        assert found["use.gpus=1"] == f"={seen}={ids[0]}="


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"ERROR": 9}, "NVMLError_DriverNotLoaded: Driver Not Loaded"),
        ({"DOES": "crash"}, "NVML: its process ended with code -6"),
        ({"DOES": "hang"}, "NVML: no answer in 0.5 s"),
    ],
)
def test_a_library_that_fails_is_one_warning_and_the_run_goes_on(standin, outputs, values, says):
    standin(**values)
    done, found = outputs(USE % "0, 1", env={"CANARY_NVIDIA_TIMEOUT": "0.5"}, expect=32)
    (warning,) = [line for line in done.stderr.splitlines() if line.startswith("WARNING")]
    assert "canary-nvidia 1.0.0" in warning
    assert says in warning
    assert found == {"use.gpus=0": "=unset=="}


def test_a_gpu_that_is_lost_is_one_warning(standin, outputs):
    standin(GPUS=2, LOST=0)
    done, found = outputs(USE % "1")
    (warning,) = [line for line in done.stderr.splitlines() if line.startswith("WARNING")]
    assert warning == "WARNING: canary-nvidia: GPU 0: GPU is lost"
    assert found["use.gpus=1"] == f"={UUID % 1}=1="


@pytest.mark.parametrize(
    ("words", "env"),
    [
        (["--gpu-backend=none"], {}),
        (["--gpu-backend=amd"], {}),
        ([], {"CANARY_NVIDIA_DETECT": "never"}),
    ],
)
def test_it_can_be_switched_off(standin, outputs, words, env):
    standin(DOES="crash")
    done, found = outputs(USE % "0, 1", *words, env=env, expect=32)
    assert "WARNING" not in done.stderr
    assert found == {"use.gpus=0": "=unset=="}


def test_it_can_be_asked_for_by_name(standin, outputs):
    standin(GPUS=1)
    _, found = outputs(USE % "1", "--gpu-backend=nvidia")
    assert found["use.gpus=1"] == f"={UUID % 0}=0="


def test_looking_for_a_driver(tmp_path):
    assert not has_driver([str(tmp_path / "nvidiactl")])
    (tmp_path / "nvidiactl").touch()
    assert has_driver([str(tmp_path / "nvidiactl")])


def test_looking_for_gpus_where_there_is_no_driver_loads_nothing():
    if has_driver():
        pytest.skip("there is a driver here")
    check = """
import sys
from canary.resources import Machine
from canary_nvidia.plugin import NvidiaSettings, Plugin

class Config:
    def settings(self, kind):
        return kind()

    def get(self, key):
        return "auto"

assert Plugin().canary_resources(Config(), Machine.single("here", cpus=1)) is None
print({"pynvml", "subprocess", "canary_nvidia.detect"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
