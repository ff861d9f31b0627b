"""`canary.Executable`: a program found once and called like a function."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

Stream = type[str] | IO[Any] | Path | str | int | None


class ProcessError(Exception):
    """A program ended with another code than the expected one."""


@dataclass
class Result:
    """How a call ended; `out` and `err` are texts where they were captured, else None."""

    cmd: str
    returncode: int
    out: str | None = None
    err: str | None = None

    @property
    def stdout(self) -> str | None:
        """See `out`."""
        return self.out

    @property
    def stderr(self) -> str | None:
        """See `err`."""
        return self.err

    def get_output(self) -> str:
        """The captured output; ValueError if it was not captured."""
        if self.out is None:
            raise ValueError("the output was not captured: call with stdout=str")
        return self.out

    def get_error(self) -> str:
        """The captured errors; ValueError if they were not captured."""
        if self.err is None:
            raise ValueError("the errors were not captured: call with stderr=str")
        return self.err


class Executable:
    """A program on PATH (or a path); FileNotFoundError if there is none.

    A text that names no program as it stands is split as a shell would: a program and arguments
    that come before those of each call (ValueError if a quote has no end).

    Calling it runs it and waits. `stdout` and `stderr` (or `output` and `error`): `str` captures, a
    path is written, a stream is passed on; the same path for both takes both in order. A return
    code other than `expected_returncode` is a ProcessError unless `fail_on_error` is false; after
    `timeout` seconds (none if negative) the program is killed and a TimeoutError raised.
    """

    def __init__(self, name: str | os.PathLike[str]) -> None:
        self.default_args: list[str] = []
        try:
            self.file = self.find(name)
        except FileNotFoundError:
            words = shlex.split(name) if isinstance(name, str) else []
            if not words:
                raise
            self.file = self.find(words[0])
            self.default_args.extend(words[1:])
        self.default_env: dict[str, str] = {}
        self.returncode = -1

    @staticmethod
    def find(name: str | os.PathLike[str]) -> Path:
        """The path of a program."""
        found = shutil.which(os.fspath(name))
        if found is None:
            raise FileNotFoundError(f"no program {os.fspath(name)!r} on PATH")
        return Path(found).absolute()

    def add_default_args(self, *args: str) -> None:
        """Arguments that come before those of each call."""
        self.default_args.extend(map(str, args))

    def add_default_env(self, *args: Mapping[str, str], **kwargs: str) -> None:
        """Variables that each call adds to the environment."""
        for arg in args:
            self.default_env.update(arg)
        self.default_env.update(kwargs)

    def __call__(
        self,
        *args_in: str,
        stdout: Stream = None,
        stderr: Stream = None,
        output: Stream = None,
        error: Stream = None,
        env: Mapping[str, str] | None = None,
        expected_returncode: int = 0,
        fail_on_error: bool = True,
        timeout: float = -1.0,
        verbose: bool = False,
    ) -> Result:
        """Run it; see the class. `env` replaces the environment."""
        out = output if stdout is None else stdout
        err = error if stderr is None else stderr
        argv = [str(self.file), *self.default_args, *map(str, args_in)]
        text = shlex.join(argv)
        if verbose:
            sys.stdout.write(f"running {text}\n")
        sys.stdout.flush()
        sys.stderr.flush()
        environment = {**(os.environ if env is None else env), **self.default_env}
        with _streams(out, err) as (out_file, err_file):
            try:
                end = subprocess.run(
                    argv,
                    stdout=out_file,
                    stderr=err_file,
                    env=environment,
                    timeout=None if timeout < 0 else timeout,
                    text=True,
                    errors="replace",
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise TimeoutError(f"not done after {timeout:g} s: {text}") from None
        self.returncode = end.returncode
        result = Result(text, end.returncode, end.stdout, end.stderr)
        if fail_on_error and end.returncode != expected_returncode:
            raise ProcessError(f"exited with {end.returncode}, not {expected_returncode}: {text}")
        return result

    def __repr__(self) -> str:
        return f"<exe: {self.file}>"


@contextmanager
def _streams(out: Stream, err: Stream) -> Iterator[tuple[Any, Any]]:
    """What `subprocess` wants for each."""
    with ExitStack() as stack:

        def opened(stream: Stream) -> Any:
            if stream is str:
                return subprocess.PIPE
            if isinstance(stream, (str, Path)):
                return stack.enter_context(open(stream, "w", encoding="utf-8"))
            return stream

        out_file = opened(out)
        same = (
            isinstance(out, (str, Path)) and isinstance(err, (str, Path)) and Path(out) == Path(err)
        )
        yield out_file, subprocess.STDOUT if same else opened(err)
