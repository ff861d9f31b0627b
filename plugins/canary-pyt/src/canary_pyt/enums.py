"""How the values of `parameterize` make rows; test files reach these as `canary.enums`.

The doubled name in `canary.enums.enums.random_parameter_space` is what test files write.
"""

import enum


class enums(enum.Enum):
    """The value spaces of `parameterize(..., type=)`."""

    list_parameter_space = 0
    centered_parameter_space = 1
    random_parameter_space = 2


list_parameter_space = enums.list_parameter_space
centered_parameter_space = enums.centered_parameter_space
random_parameter_space = enums.random_parameter_space
