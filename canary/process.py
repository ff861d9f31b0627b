"""Commands as processes of this machine: the core's launcher, and running one command to its end.

`SubprocessLauncher` starts each command as a child of the runner; `run_blocking` is a session's
walk for a single launch; `ask` gives what a program answers; `sourced_environment` is what a shell
makes of rc files and modules.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final

from canary import fsio
from canary.errors import LaunchError
from canary.launch import Exit, ExitReason, Launch, Launcher, Message, Post
from canary.loop import Loop
from canary.procfs import opened
from canary.supervisor import Run, Supervisor
from canary.survivors import ABOVE, VARIABLE

SOURCING_SECONDS: Final = 60.0


class SubprocessLauncher(Supervisor):
    """The core's own launcher: each command is a child of the runner, waited for in the loop."""

    name: ClassVar[str] = "subprocess"

    def open(self, loop: Loop, post: Post) -> None:
        """See `Launcher.open`."""
        super().open(loop, post)
        self._null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)

    def close(self) -> None:
        """See `Launcher.close`."""
        super().close()
        os.close(self._null)

    def spawn(self, run: Run, out: int, err: int) -> None:
        """See `Supervisor.spawn`."""
        launch = run.launch
        bound = launch.affinity if hasattr(os, "sched_setaffinity") else ()
        before = os.sched_getaffinity(0) if bound else ()
        try:
            if bound:
                os.sched_setaffinity(0, bound)  # what this thread starts inherits it
            child = subprocess.Popen(
                launch.argv,
                stdin=self._null,
                stdout=out,
                stderr=err,
                cwd=launch.cwd,
                env=self.environment(run),
                start_new_session=True,
            )
        finally:
            if bound:
                os.sched_setaffinity(0, before)
        child.returncode = 0  # it is waited for here, not by the object
        self.started(run, child.pid, run.began)
        fd = None if self.portable else opened(child.pid)
        if fd is not None:
            self.loop.watch(fd, partial(self._over, run, child.pid, fd))
        else:
            threading.Thread(target=self._wait_apart, args=(run, child.pid), daemon=True).start()

    def _over(self, run: Run, pid: int, fd: int) -> None:
        self.loop.unwatch(fd)
        os.close(fd)
        self.ended(run, *_reaped(pid))

    def _wait_apart(self, run: Run, pid: int) -> None:
        self.loop.post(partial(self.ended, run, *_reaped(pid)))


def _reaped(pid: int) -> tuple[int, float, float, int]:
    """Wait for a child: its exit code, and what it used."""
    _, status, used = os.wait4(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return code, used.ru_utime, used.ru_stime, used.ru_maxrss


class Cancellation:
    """Kills what another thread waits for, and whatever that begins to wait for later."""

    def __init__(self) -> None:
        self.is_wanted = False
        self._kills: list[Callable[[], None]] = []

    def add(self, kill: Callable[[], None]) -> None:
        """In the thread that waits: what ends it, from any thread."""
        self._kills.append(kill)
        if self.is_wanted:
            kill()

    def cancel(self) -> None:
        """From now on."""
        self.is_wanted = True
        for kill in self._kills:
            kill()


def run_blocking(
    launch: Launch,
    launcher: Launcher | None = None,
    cancellation: Cancellation | None = None,
) -> Exit:
    """Run one launch with a loop of its own and return how it ended.

    An interrupt (where it would raise KeyboardInterrupt) ends the job first, a second one at once;
    then KeyboardInterrupt is raised. Other threads kill it by `cancellation`.
    """
    launcher = launcher or SubprocessLauncher()
    loop = Loop()
    ends: list[Exit] = []
    interrupts: list[int] = []

    def post(message: Message) -> None:
        if isinstance(message, Exit):
            ends.append(message)
            loop.stop()

    def interrupted(number: int, frame: object) -> None:  # noqa: ARG001 - what a handler is given
        interrupts.append(number)
        grace = launch.grace if len(interrupts) == 1 else 0.0
        loop.post(partial(launcher.cancel, [launch.id], grace))

    ours = threading.current_thread() is threading.main_thread()
    ours = ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    launcher.open(loop, post)
    try:
        if ours:
            # an exception in the middle of a start would lose what was just started
            signal.signal(signal.SIGINT, interrupted)
        launcher.start([launch])
        if cancellation is not None:
            cancellation.add(partial(loop.post, partial(launcher.cancel, [launch.id], 0.0)))
        loop.run()
    finally:
        launcher.close()
        loop.close()
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
    if interrupts:
        raise KeyboardInterrupt
    return ends[0]


def ask(
    words: Sequence[str], limit: float, env: Mapping[str, str] | None = None
) -> tuple[int, str, str]:
    """Run a program that answers a question: its exit code, its output and its errors.

    TimeoutError after `limit` seconds. For batch systems, whose programs hang when nobody answers.
    """
    pipe, none = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(  # Ctrl-C is for canary alone
        words, env=env, stdin=none, stdout=pipe, stderr=pipe, start_new_session=True
    ) as process:
        try:
            out, errors = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()
            try:
                process.wait(1.0)
            except subprocess.TimeoutExpired:  # it hangs in the kernel: nobody can wait for it
                process.returncode = -signal.SIGKILL
            raise TimeoutError(f"{words[0]} did not answer in {limit:g} s") from None
    return process.returncode, out.decode(errors="replace"), errors.decode(errors="replace")


def ask_script(script: str, seconds: float) -> dict[str, Any]:
    """The JSON object that a Python script prints, in a process of its own: what it loads, a
    driver's library say, may hang or crash. Then, and after `seconds`, it is `{"error": why}`."""
    try:
        code, out, _ = ask((sys.executable, script), seconds)
    except TimeoutError:
        return {"error": f"no answer in {seconds:g} s"}
    try:
        return dict(json.loads(out))
    except ValueError:
        return {"error": f"its process ended with code {code}"}


# A step is announced before it is taken, so that whatever ends the shell is blamed on the right
# one. What files print goes to the same place as the announcements; the token tells them apart.
# Files are sourced outside of functions, where `declare -x` is global.
_SOURCING: Final = r"""
_canary_token=$1; shift
_canary_steps=("$@"); set --
_canary_say() { printf '%s%s\0' "$_canary_token" "$1"; }
_canary_fail() { echo "$1"; exit 1; }
for ((_canary_i = 0; _canary_i < ${#_canary_steps[@]}; _canary_i += 3)); do
  _canary_name=${_canary_steps[_canary_i + 1]}
  _canary_use=${_canary_steps[_canary_i + 2]}
  if [ "${_canary_steps[_canary_i]}" = source ]; then
    _canary_say "the file $_canary_name"
    [ -r "$_canary_name" ] || _canary_fail 'cannot be read'
    bash -n "$_canary_name" || exit 1
    . "$_canary_name"
    continue
  fi
  _canary_say "the module $_canary_name"
  for _canary_init in "${MODULESHOME-}/init/bash" "${LMOD_PKG-}/init/bash" \
      /etc/profile.d/modules.sh /etc/profile.d/lmod.sh /usr/share/modules/init/bash; do
    type module >/dev/null 2>&1 && break
    [ -r "$_canary_init" ] && . "$_canary_init"
  done
  type module >/dev/null 2>&1 || _canary_fail 'there is no module command'
  [ -z "$_canary_use" ] || export MODULEPATH="$_canary_use${MODULEPATH:+:$MODULEPATH}"
  module load "$_canary_name" || exit 1
done
_canary_say done
command env -0
"""


def sourced_environment(
    rcfiles: Sequence[str],
    modules: Sequence[tuple[str, str | None]],
    env: Mapping[str, str],
    cwd: str,
    *,
    mark: tuple[str, int] = ("bash", 1),
    cancellation: Cancellation | None = None,
) -> dict[str, str]:
    """The environment after bash has sourced `rcfiles` and loaded `modules`, starting from `env`.

    A module is a name and a directory to put first on MODULEPATH, or None. The status that a file
    ends with is ignored, as it is in a login. Blocks for at most 60 s; LaunchError for a file that
    cannot be read or parsed, or ends the shell, and for a module that cannot be loaded. The
    shell is marked as a process of the job and attempt `mark`.
    """
    token = os.urandom(16).hex()
    steps: list[str] = []
    for name in rcfiles:
        steps += ["source", name if "/" in name else f"./{name}", ""]
    for name, use in modules:
        steps += ["load", name, use or ""]
    directory = f"{os.environ.get('TMPDIR') or '/tmp'}/canary-{token}"
    launch = Launch(
        id=mark[0],
        name="bash",
        attempt=mark[1],
        argv=("bash", "--noprofile", "--norc", "-c", _SOURCING, "canary", token, *steps),
        cwd=cwd,
        env={**env, "PWD": cwd},  # by which it is found should this runner be killed
        stdout=f"{directory}/output",
        timeout=SOURCING_SECONDS,
    )
    Path(directory).mkdir(0o700)
    try:
        end = run_blocking(launch, cancellation=cancellation)
        with fsio.open_left(launch.stdout) as f:
            said = f.read()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return _merge(env, _after(end, said, token.encode()))


def _after(end: Exit, said: bytes, token: bytes) -> bytes:
    """What was printed after the last step; LaunchError if that was never reached."""
    step, text = b"bash", b""
    for part in said.split(token)[1:]:
        step, _, text = part.partition(b"\0")
        if step.startswith(b"the module") and b":ERROR:" in text:
            break  # so do old module commands fail, with code 0
    if step == b"done" and end.code == 0:
        return text
    hint = "try it in a shell of your own"
    raise LaunchError(f"{os.fsdecode(step)}: {_reason(end, text)}", hint=hint)


def _merge(before: Mapping[str, str], data: bytes) -> dict[str, str]:
    """What `env -0` printed, but what belongs to the shell itself is as it was `before`."""
    pairs = (os.fsdecode(entry).partition("=") for entry in data.split(b"\0") if b"=" in entry)
    after = {name: value for name, _, value in pairs}
    for name in ("_", "SHLVL", "PWD", "OLDPWD", VARIABLE, ABOVE):
        after.pop(name, None)
        if name in before:
            after[name] = before[name]
    return after


def _reason(end: Exit, said: bytes) -> str:
    if end.reason is not ExitReason.EXITED:
        return end.detail
    lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else f"ended the shell with code {end.code}"
