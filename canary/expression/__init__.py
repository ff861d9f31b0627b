"""The small languages of test definitions and of the command line.

Names (`-k`), parameters (`-p`), conditions on a dependency's result, `when`, and `--where`: one
module each over one tokeniser and parser. Nothing is ever handed to Python to evaluate. A text is
compiled once into closures, and matching a job is one call. Bad text is an ExpressionError that
points at a column; depth and the size of numbers are bounded, so that no text exhausts stack,
memory or time. Nothing in here knows of jobs, specs or configuration.
"""

from canary.expression.names import compile_condition as compile_condition
from canary.expression.names import compile_names as compile_names
from canary.expression.parameters import compile_parameters as compile_parameters
from canary.expression.when import Verdict as Verdict
from canary.expression.when import When as When
from canary.expression.when import located as located
from canary.expression.when import parse_when as parse_when
from canary.expression.when import platform_names as platform_names
from canary.expression.when import substitute as substitute
from canary.expression.where import compile_where as compile_where
