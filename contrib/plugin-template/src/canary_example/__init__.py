"""A plugin to start from. Importing it does nothing; canary imports `canary_example.plugin`."""
