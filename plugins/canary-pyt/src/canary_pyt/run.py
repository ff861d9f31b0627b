"""Runs, as a script in the job's own process tree, what stands around a test.

    run.py --around FILE [ARG...]       setup function, then `python FILE ARG...`, then teardown
    run.py --exit-codes FILE [ARG...]   `python FILE ARG...`; `exit_code` of exceptions counts
    run.py --function NAME FILE         one function of a canaryconf.py

A setup function that raises makes the job BROKEN and the body is not run. A teardown function that
raises is shown in the output and changes nothing. The body is a process of its own, so that
`os._exit`, a signal or a crash of it cannot leave the teardown out.

Setup and teardown functions get the `Job` as its lock describes it. The runner has one of its own:
what they do to theirs that is meant to last goes to the body by its environment and its lock, and
to the runner by remarks.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from canary.job import Job
    from canary.status import Status


def main(args: list[str]) -> int:
    """Do what the module says; the exit code."""
    # Python has put the directory of this script first, as if it were a place to import from
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - texts
    if sys.path and os.path.abspath(sys.path[0]) == here:  # noqa: PTH100 - texts
        del sys.path[0]
    if args[0] == "--function":
        return _call_function(args[2], args[1])
    if args[0] == "--exit-codes":
        return _run_as_main(args[1], args[2:])
    own = args[1] == "--exit-codes"
    file, *rest = args[2:] if own else args[1:]
    return _run_around(file, rest, (os.path.abspath(__file__), "--exit-codes") if own else ())  # noqa: PTH100 - texts


def _call_function(file: str, name: str) -> int:
    from canary_pyt import remarks
    from canary_pyt.instance import get_instance

    sys.argv = [file]
    instance = get_instance()
    try:
        module = _module(file)
    except SystemExit as e:  # whatever its code: the function has not been called
        traceback.print_exc()
        remarks.add("broken", f"{file}: SystemExit: {e}")
        return remarks.STATED
    getattr(module, name)(instance)
    return 0


def _run_as_main(file: str, args: list[str]) -> int:
    """Execute the file in this process as Python would; the exit code."""
    import canary_pyt.errors  # noqa: F401 - installs the hook

    path = os.path.abspath(file)  # noqa: PTH100 - texts
    sys.argv = [file, *args]
    sys.path.insert(0, os.path.dirname(os.path.realpath(file)))  # noqa: PTH120 - texts
    module = ModuleType("__main__")
    module.__file__ = path
    module.__dict__.update(__builtins__=__builtins__, __cached__=None, __annotations__={})
    sys.modules["__main__"] = module
    try:
        with open(path, "rb") as f:
            code = compile(f.read(), path, "exec", dont_inherit=True)
        exec(code, module.__dict__)
    except Exception as e:  # noqa: BLE001 - shown as Python shows it, without our frames
        trace = e.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        sys.excepthook(type(e), e.with_traceback(trace), trace)
        return 1
    return 0


def _run_around(file: str, args: list[str], before: tuple[str, ...]) -> int:
    from canary_pyt import remarks
    from canary_pyt.live import load

    directory = os.getcwd()  # noqa: PTH109 - pathlib is not imported
    sys.argv = [file, *args]
    functions: dict[str, Callable[[Job], None]] = {}
    try:
        job = load(directory)
        module = _module(file)
        for kind in ("setup", "teardown"):
            name = job.attributes.get(f"__{kind}_fn__")
            if name:
                functions[kind] = getattr(module, name)
        known, verdict = dict(job.variables), job.status
        if "setup" in functions:
            functions["setup"](job)
            _hand_over(job, known)
    except (Exception, SystemExit) as e:  # noqa: BLE001 - the user's function
        traceback.print_exc()
        remarks.add("broken", f"setup: {type(e).__name__}: {e}", directory)
        return remarks.STATED
    if _states(job, verdict):
        return remarks.STATED
    _flush()
    os.chdir(directory)
    began = time.time()
    code = _body([*before, file, *args])
    if "teardown" in functions:
        code = _tear_down(functions["teardown"], directory, began, code)
    _flush()
    return code


def _hand_over(job: Job, known: Mapping[str, str | None]) -> None:
    """Give variables that setup added to the body and to the runner."""
    from canary.lockfile import public_environment
    from canary_pyt import remarks

    new = {k: v for k, v in job.variables.items() if k not in known or known[k] != v}
    if not new:
        return
    environ = dict(os.environ)
    job.set_runtime_env(environ)  # directories of the job stay first
    for name in new:  # and no other, which setup may have set in `os.environ`
        if name in environ:
            os.environ[name] = environ[name]
        else:
            os.environ.pop(name, None)
    remarks.add("variables", public_environment(new), job.workspace.text)
    job.save()  # the body reads the lock


def _tear_down(function: Callable[[Job], None], directory: str, began: float, code: int) -> int:
    """Call it with the job as the body left it; the exit code."""
    from canary_pyt import remarks
    from canary_pyt.live import load

    try:
        job = load(directory)
        job.on_started()
        job.timekeeper.started, job.timekeeper.stopped = began, time.time()
        job.update_status_from_exit_code(code=code)
        job.on_finished()
        verdict = job.status
        function(job)
    except (Exception, SystemExit):  # noqa: BLE001 - the user's function
        traceback.print_exc()
        sys.stderr.write("teardown failed; the outcome is that of the test\n")
        return code
    return remarks.STATED if _states(job, verdict) else code


def _states(job: Job, verdict: Status) -> bool:
    """Did a function give the job another status? Then the runner is told."""
    from canary_pyt import remarks

    if job.status == verdict or job.status.category.value == "NONE":
        return False
    return remarks.add("status", job.status.asdict(), job.workspace.text)


def _module(file: str) -> ModuleType:
    """The test file as a module that is neither `__main__` nor known to anyone."""
    path = os.path.realpath(file)
    sys.path.insert(0, os.path.dirname(path))  # noqa: PTH120 - as Python does for a script
    module = ModuleType("__canary_functions__")
    module.__file__ = path
    sys.modules[module.__name__] = module
    with open(path, "rb") as f:
        code = compile(f.read(), path, "exec", dont_inherit=True)
    exec(code, module.__dict__)
    return module


def _body(args: list[str]) -> int:
    """Run the test itself; its exit code, negative for a signal.

    A request to stop goes to the whole group: the test decides, and the teardown still runs.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # not SIG_IGN, which the test would inherit
        signal.signal(number, lambda *_: None)
    pid = os.posix_spawn(sys.executable, [sys.executable, *args], os.environ)
    while True:
        try:
            _, status = os.waitpid(pid, 0)
        except InterruptedError:
            continue
        return os.waitstatus_to_exitcode(status)


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()


def _leave(code: int) -> None:
    """Exit with `code`, or die by the signal that it stands for."""
    if code < 0:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the test has left its core already
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


if __name__ == "__main__":
    _leave(main(sys.argv[1:]))
