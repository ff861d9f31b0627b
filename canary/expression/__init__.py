"""The small languages of test definitions and of the command line.

Names (`-k`), parameters (`-p`), conditions on a dependency's result, `when`, and `--where`: one
module each over one tokeniser and parser. Nothing is ever handed to Python to evaluate. A text is
compiled once into closures, and matching a job is one call. Bad text is an ExpressionError that
points at a column; depth and the size of numbers are bounded, so that no text exhausts stack,
memory or time. Nothing in here knows of jobs, specs or configuration.
"""

from canary.expression.names import Condition, NameExpression, compile_condition, compile_names
from canary.expression.parameters import ParameterExpression, compile_parameters
from canary.expression.when import Verdict, When, parse_when, platform_names, substitute
from canary.expression.where import Where, compile_where

__all__ = [
    "Condition",
    "NameExpression",
    "ParameterExpression",
    "Verdict",
    "When",
    "Where",
    "compile_condition",
    "compile_names",
    "compile_parameters",
    "compile_where",
    "parse_when",
    "platform_names",
    "substitute",
]
