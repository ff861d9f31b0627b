"""Trees like those below `/sys`, and a stand-in for the vendor's library, compiled here."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytest_plugins = ["canary.testing.fixtures"]
CASES = Path(__file__).parent / "cases"
REAL = re.compile(r"^int (\w+)\(", re.MULTILINE)
WANTED = re.compile(r"_libraries\['libamd_smi\.so'\]\.(\w+)")


class Tree:
    """`gpu()` and `cpu()` add a node of the topology; `root` is what stands for `/sys`."""

    def __init__(self, root):
        self.root = root
        self.count = 0

    def node(self, gpu_id, text):
        node = self.root / "class" / "kfd" / "kfd" / "topology" / "nodes" / str(self.count)
        node.mkdir(parents=True)
        (node / "gpu_id").write_text(f"{gpu_id}\n")
        (node / "properties").write_text(text)
        self.count += 1
        return node

    def cpu(self):
        self.node(0, "cpu_cores_count 64\nsimd_count 0\n")

    def gpu(self, unique_id=None, *, bus=1):
        number = 0xA0 + self.count if unique_id is None else unique_id
        node = self.node(
            40000 + self.count,
            f"simd_count 440\nunique_id {number}\nlocation_id {bus << 8}\ndomain 0\n"
            "gfx_target_version 90010\nvendor_id 4098\n",
        )
        for bank, (kind, size) in enumerate([(1, 32 << 30), (2, 32 << 30), (5, 64 << 10)]):
            directory = node / "mem_banks" / str(bank)
            directory.mkdir(parents=True)
            (directory / "properties").write_text(f"heap_type {kind}\nsize_in_bytes {size}\n")
        return node


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path / "sys")


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """What `ROCM_PATH` is to be, for the installed binding to load the stand-in."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler to make a stand-in for amdsmi with")
    directory = tmp_path_factory.mktemp("rocm")
    (directory / "lib").mkdir()
    binding = Path(importlib.util.find_spec("amdsmi").origin).with_name("amdsmi_wrapper.py")
    source = CASES / "amdsmi.c"
    rest = set(WANTED.findall(binding.read_text())) - set(REAL.findall(source.read_text()))
    stubs = directory / "rest.c"
    stubs.write_text("".join(f"int {name}(void) {{ return 2; }}\n" for name in sorted(rest)))
    target = directory / "lib" / "libamd_smi.so"
    words = [compiler, "-shared", "-fPIC", "-Wall", "-Werror", "-o", target, source, stubs]
    subprocess.run(words, check=True)
    return directory
