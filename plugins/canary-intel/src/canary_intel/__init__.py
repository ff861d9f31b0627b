"""Intel GPUs as resources of canary; see `canary_intel.plugin`."""
