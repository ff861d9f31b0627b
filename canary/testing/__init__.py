"""Kits for the authors of plugins: base classes of tests that say what a contract asks for.

A plugin's tests subclass the kit of what the plugin offers and name their own class:
`canary.testing.generators`, `launchers` and `reporters`; `canary.testing.fixtures` runs the command
line. Nothing of the core imports this package, and it alone may import pytest.
"""

import pytest

pytest.register_assert_rewrite(
    "canary.testing.generators",
    "canary.testing.launchers",
    "canary.testing.reporters",
    "canary.testing.fixtures",
)
