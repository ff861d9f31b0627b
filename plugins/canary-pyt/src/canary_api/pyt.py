"""The names that this distribution gives to `canary`: what test files use while they run.

`canary/__init__.py` reads `NAMES` when such a name is first asked for. Nothing is imported here.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

NAMES: Final[Mapping[str, str]] = {
    # describing a test
    "directives": "canary_pyt.directives",
    "enums": "canary_pyt.enums",
    "list_parameter_space": "canary_pyt.enums:list_parameter_space",
    "centered_parameter_space": "canary_pyt.enums:centered_parameter_space",
    "random_parameter_space": "canary_pyt.enums:random_parameter_space",
    # asking what runs
    "get_instance": "canary_pyt.instance:get_instance",
    "TestInstance": "canary_pyt.instance:TestInstance",
    "TestMultiInstance": "canary_pyt.instance:TestMultiInstance",
    "MissingTestInstance": "canary_pyt.instance:MissingTestInstance",
    "MissingTestInstanceError": "canary_pyt.instance:MissingTestInstanceError",
    "test": "canary_pyt.instance:test",
    "get_job": "canary_pyt.live:get_job",
    "get_testcase": "canary_pyt.live:get_job",
    "add_measurement": "canary_pyt.remarks:add_measurement",
    "set_attribute": "canary_pyt.remarks:set_attribute",
    # saying how it ended
    "TestDiffed": "canary_pyt.errors:TestDiffed",
    "TestFailed": "canary_pyt.errors:TestFailed",
    "TestSkipped": "canary_pyt.errors:TestSkipped",
    # tools
    "Executable": "canary_pyt.tools.executable:Executable",
    "ProcessError": "canary_pyt.tools.executable:ProcessError",
    "filesystem": "canary_pyt.tools.filesystem",
    "shell": "canary_pyt.tools.shell",
    "module": "canary_pyt.tools.environment_modules",
    "difflib": "canary_pyt.tools.differences",
    "string": "canary_pyt.tools.strings",
    "time": "canary_pyt.tools.times",
    "color": "canary_pyt.tools.colour",
    "logging": "canary_pyt.tools.messages",
    "get_logger": "canary_pyt.tools.messages:get_logger",
    "patterns": "canary_pyt.tools.patterns",
    "make_argument_parser": "canary_pyt.tools.arguments:make_argument_parser",
    "make_std_parser": "canary_pyt.tools.arguments:make_argument_parser",
}
