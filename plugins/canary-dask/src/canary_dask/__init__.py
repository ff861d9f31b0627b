"""Jobs of canary on the workers of a Dask cluster; see `canary_dask.plugin`."""
