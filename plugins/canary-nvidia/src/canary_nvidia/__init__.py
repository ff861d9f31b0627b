"""NVIDIA GPUs as resources of canary; see `canary_nvidia.plugin`."""
