"""`canary.module`: environment modules (Lmod, Tcl modules) for the rest of the test."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from canary_pyt.tools.shell import apply, run_and_read_environment

# `module` is a shell function that a login shell defines; MODULESHOME says where
_FIND = """
if ! type module >/dev/null 2>&1; then
  for f in "$MODULESHOME/init/bash" "$LMOD_PKG/init/bash" \\
    /etc/profile.d/modules.sh /etc/profile.d/lmod.sh; do
    [ -r "$f" ] && . "$f" && break
  done
fi
"""


class ModuleError(Exception):
    """The module command failed, or there is none."""


def _module(*args: str) -> None:
    script = f'{_FIND}\nmodule "$@" && true'
    try:
        apply(run_and_read_environment(script, *args))
    except (RuntimeError, OSError):
        raise ModuleError(f"module {' '.join(args)} failed") from None


def load(modulename: str) -> None:
    """Load a module."""
    _module("load", modulename)


def unload(modulename: str) -> None:
    """Unload a module."""
    _module("unload", modulename)


def use(path: str) -> None:
    """Look for modules in a directory first."""
    _module("use", path)


def purge() -> None:
    """Unload all modules."""
    _module("purge")


@contextmanager
def loaded(
    modulename: str, *names: str, use: str | Sequence[str] | None = None
) -> Generator[None, None, None]:
    """Load modules; at the end the environment is as it was."""
    before = dict(os.environ)
    try:
        for path in [use] if isinstance(use, str) else use or ():
            _module("use", path)
        for name in (modulename, *names):
            load(name)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
