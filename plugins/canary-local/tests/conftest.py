"""The command line for tests that go all the way."""

from __future__ import annotations

from canary.testing.fixtures import canary, canary_environment  # noqa: F401 - fixtures
