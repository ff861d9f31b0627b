"""AMD GPUs as resources of canary; see `canary_amd.plugin`."""
