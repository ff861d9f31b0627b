"""A test for a GPU, enabled by `-o gpu` only.

    canary run -o gpu examples/demo

On a machine without GPUs it is then OVERSIZED: shown, with the reason, and part of the exit code.
"""

import sys

import canary
from canary_pyt import directives

directives.keywords("gpu")
directives.gpus(1)
directives.enable(True, when="options=gpu")


def test():
    instance = canary.get_instance()
    print(f"this job has GPU {instance.gpu_ids[0]} to itself")
    assert len(instance.gpu_ids) == 1
    return 0


if __name__ == "__main__":
    sys.exit(test())
