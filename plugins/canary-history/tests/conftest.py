pytest_plugins = ["canary.testing.fixtures"]
