"""What can go wrong, and what the process then exits with.

Every error that a user can cause is a `CanaryError`: one line that names the place (file, line,
key) and a hint that says what to do. The command line prints it without a traceback; any other
exception is our bug and says so. A job's failure is never an exception: it is a `Status`. This
module imports nothing of ours.
"""

from __future__ import annotations

import copy
import enum
from collections.abc import Iterable


class ExitCode(enum.IntEnum):
    """Exit codes of `canary`; those of a session are bits that add up (see
    `docs/reference/exit-codes.md`)."""

    OK = 0
    GENERIC = 1
    USAGE = 2
    COLLECTION = 3
    NOTHING_TO_RUN = 7
    # bits of a session's exit code
    DIFFED = 2
    TIMEOUT = 4
    FAILED = 8
    ABORTED = 16
    NOT_RUN = 32
    GATE = 64
    # a session ended by signal N exits with SIGNAL + N
    SIGNAL = 128


class CanaryError(Exception):
    """An error that a user can cause and mend: one line and a hint.

    `file`, `line` and `key` say where; `column` (1-based) points into `key` or the text at fault.
    """

    exit_code: int = ExitCode.COLLECTION

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        file: str | None = None,
        line: int | None = None,
        key: str | None = None,
        column: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.file = str(file) if file is not None else None
        self.line = line
        self.key = key
        self.column = column

    def located(
        self, *, file: str | None = None, line: int | None = None, key: str | None = None
    ) -> CanaryError:
        """Return the same error with the missing parts of its place filled in."""
        same = copy.copy(self)
        same.file, same.key = self.file or file, self.key or key
        same.line = line if self.line is None else self.line
        return same

    def __str__(self) -> str:
        where = ""
        if self.file:
            where = self.file + (f":{self.line}" if self.line is not None else "") + ": "
        key = f"{self.key}: " if self.key else ""
        column = f" (column {self.column})" if self.column is not None else ""
        hint = f" [{self.hint}]" if self.hint else ""
        return f"{where}{key}{self.message}{column}{hint}"


class UsageError(CanaryError):
    """The command line asks for something that does not exist or cannot be combined."""

    exit_code = ExitCode.USAGE


class ConfigError(CanaryError):
    """A wrong key, type or value in a configuration file, environment variable or `-c` option."""

    exit_code = ExitCode.USAGE


class ExpressionError(CanaryError):
    """A text in one of the small languages (`-k`, `-p`, `when`, durations) cannot be read."""


class SpecError(CanaryError):
    """A test definition is wrong."""


class GraphError(CanaryError):
    """Dependencies that cannot be resolved: unmatched, circular, doubly defined."""


class ResourceError(CanaryError):
    """A resource pool or a request on it makes no sense."""


class PluginError(CanaryError):
    """A plugin cannot be loaded, clashes with another, or raised in a hook."""


class PluginStop(PluginError):
    """By policy it stops the command, wherever it is raised: the plugin with these hooks is out."""

    hooks: tuple[str, ...] = ()


class LaunchError(CanaryError):
    """What a command needs around it (environment modules, rc files) could not be made."""


class RecordError(CanaryError):
    """The workspace's record cannot be read or written."""

    exit_code = ExitCode.GENERIC


class WorkspaceError(CanaryError):
    """The workspace is absent, locked, read-only, or of another version."""

    exit_code = ExitCode.USAGE


class NothingToRun(CanaryError):
    """The selection is empty."""

    exit_code = ExitCode.NOTHING_TO_RUN


class CanaryErrors(CanaryError):
    """Several errors of one step, shown together; the exit code is that of the first."""

    def __init__(self, errors: Iterable[CanaryError]) -> None:
        self.errors = tuple(errors)
        super().__init__(f"{len(self.errors)} errors")
        self.exit_code = self.errors[0].exit_code if self.errors else ExitCode.COLLECTION

    def located(
        self, *, file: str | None = None, line: int | None = None, key: str | None = None
    ) -> CanaryErrors:
        """Fill in the place of each of them."""
        return CanaryErrors(e.located(file=file, line=line, key=key) for e in self.errors)

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)
