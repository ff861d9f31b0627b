"""`canary.logging`: messages of a test on its error output, as `LEVEL: text`."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

NOTSET, DEBUG, INFO = logging.NOTSET, logging.DEBUG, logging.INFO
WARNING, ERROR, CRITICAL = logging.WARNING, logging.ERROR, logging.CRITICAL
_ROOT = "canary"


if TYPE_CHECKING:
    Handler = logging.StreamHandler[Any]
else:  # not generic on Python 3.10
    Handler = logging.StreamHandler


class _ToStderr(Handler):
    """Writes to whatever the error output is when a message comes."""

    @property
    def stream(self) -> Any:
        return sys.stderr

    @stream.setter
    def stream(self, value: Any) -> None:
        """The base class sets it; there is nothing to remember."""


def get_logger(name: str | None = None) -> logging.Logger:
    """A logger that shows INFO and above."""
    root = logging.getLogger(_ROOT)
    if not root.handlers:
        handler = _ToStderr()
        handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
        root.addHandler(handler)
        root.setLevel(INFO)
        root.propagate = False
    if not name or name == _ROOT:
        return root
    return root.getChild(name.removeprefix(f"{_ROOT}."))


def set_level(level: int | str) -> None:
    """Show messages from this level on."""
    get_logger().setLevel(level.upper() if isinstance(level, str) else level)


def get_level() -> int:
    """The level from which messages are shown."""
    return get_logger().level


def debug(*args: Any, **kwargs: Any) -> None:
    """A message for those who look for a fault."""
    get_logger().debug(*args, **kwargs)


def info(*args: Any, **kwargs: Any) -> None:
    """A message."""
    get_logger().info(*args, **kwargs)


def warning(*args: Any, **kwargs: Any) -> None:
    """A warning."""
    get_logger().warning(*args, **kwargs)


def error(*args: Any, **kwargs: Any) -> None:
    """An error."""
    get_logger().error(*args, **kwargs)


def critical(*args: Any, **kwargs: Any) -> None:
    """A fatal error."""
    get_logger().critical(*args, **kwargs)


def exception(*args: Any, **kwargs: Any) -> None:
    """An error with the traceback of the exception that is being handled."""
    get_logger().exception(*args, **kwargs)
