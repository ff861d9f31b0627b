"""The fixtures that canary offers to the tests of plugins."""

pytest_plugins = ["canary.testing.fixtures"]
