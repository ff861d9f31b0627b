"""The directives of a test file: `canary.directives` and `canary_pyt.directives` are this module.

A test file is executed twice. When it is read, `canary_pyt.reader` sets a list to record calls in;
when it runs as a test, there is none and every directive does nothing. One signature serves both,
so that a call accepted while reading cannot fail while running. What arguments mean is checked by
`canary_pyt.digest`; this module imports nothing, because every test pays for it.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from os import PathLike
    from typing import Any, TypeVar

    from canary_pyt.enums import enums

    Call = tuple[str, int, tuple[Any, ...]]
    When = str | dict[str, str] | bool | None
    Path = str | PathLike[str]
    F = TypeVar("F", bound=Callable[..., Any])

# Set by the reader while it executes a file, and only then. It cannot be handed in: the file that
# calls the directives is the user's.
_calls: "list[Call] | None" = None
_file: str = ""


def _take(name: str, *args: "Any") -> None:
    """Record a call with the line of the test file that it stands in; nothing when a test runs."""
    if _calls is not None:
        frame = sys._getframe(2)
        while frame.f_code.co_filename != _file and frame.f_back is not None:
            frame = frame.f_back  # the directive was called by a helper outside the test file
        _calls.append((name, frame.f_lineno, args))


def __getattr__(name: str) -> "Any":
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from difflib import get_close_matches

    names = [k for k in globals() if not k.startswith("_") and k.islower() and k != "sys"]
    near = get_close_matches(name, names, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise AttributeError(f"unknown directive {name!r}{hint}")


def testname(arg: str) -> None:
    """Add a family: the file makes its jobs once for each. Default: the stem of the file's name."""
    _take("testname", arg)


def name(arg: str) -> None:
    """See `testname`."""
    _take("testname", arg)


def keywords(*args: str, when: "When" = None) -> None:
    """Add keywords, by which jobs are selected."""
    _take("keywords", args, when)


def owners(*args: str) -> None:
    """Add people to ask about the test."""
    _take("owners", args)


def owner(*args: str, name: str | None = None) -> None:
    """See `owners`."""
    _take("owners", args if name is None else (*args, name))


def description(text: str) -> None:
    """Say what the test is for; shown by `canary describe`."""
    _take("description", text)


def parameterize(
    names: "str | Sequence[str]",
    values: "Iterable[Any]",
    *,
    when: "When" = None,
    type: "enums | str | None" = None,
    samples: int = 10,
    random_seed: float = 1234.0,
) -> None:
    """Make a job for each row of values; several calls make every combination.

    `type` is `canary.list_parameter_space` (default: one row for each case),
    `canary.centered_parameter_space` (a row `(initial, step, nsteps)` for each name) or
    `canary.random_parameter_space` (a row `(low, high)` for each name; `samples` cases).
    """
    _take("parameterize", names, values, when, type, samples, random_seed)


def cpus(arg: int | None = None, *, n: int | None = None, when: "When" = None) -> None:
    """Ask for a number of CPUs without putting it in the job's name."""
    _take("cpus", n if arg is None else arg, when)


def gpus(arg: int | None = None, *, n: int | None = None, when: "When" = None) -> None:
    """Ask for a number of GPUs without putting it in the job's name."""
    _take("gpus", n if arg is None else arg, when)


def nodes(arg: int | None = None, *, n: int | None = None, when: "When" = None) -> None:
    """Ask for a number of nodes without putting it in the job's name."""
    _take("nodes", n if arg is None else arg, when)


def timeout(arg: "str | float", when: "When" = None) -> None:
    """Limit the run time: seconds, or a text such as `1h20m` or `00:05:00`; the last one holds."""
    _take("timeout", arg, when)


def copy(
    *files: "Path", src: "Path | None" = None, dst: "Path | None" = None, when: "When" = None
) -> None:
    """Copy files into the job's directory; `dst` gives the copy of `src` another name."""
    _take("copy", files, src, dst, when)


def link(
    *files: "Path", src: "Path | None" = None, dst: "Path | None" = None, when: "When" = None
) -> None:
    """Link files into the job's directory; `dst` gives the link to `src` another name."""
    _take("link", files, src, dst, when)


def sources(*files: "Path", when: "When" = None) -> None:
    """Name files that the test uses where they are."""
    _take("sources", files, None, None, when)


def baseline(
    src: "Path | None" = None,
    dst: "Path | None" = None,
    when: "When" = None,
    flag: str | None = None,
) -> None:
    """Say how to rebaseline: copy `src` over `dst` beside the test file, or run it with `flag`."""
    _take("baseline", src, dst, when, flag)


def depends_on(
    arg: "str | dict[str, Any] | Sequence[str | dict[str, Any]]" = (),
    when: "When" = None,
    **legacy: "Any",
) -> None:
    """Wait for other jobs: a pattern, `{"job": pattern, "when": …, "expects": …}`, or a list."""
    _take("depends_on", arg, when, legacy)


def aggregate(
    *,
    when: "When" = None,
    flag: str | None = None,
    script: "Path | None" = None,
    requires: str = "success",
) -> None:
    """Add a job without parameters that runs after all others of the family."""
    _take("aggregate", when, flag, script, requires)


def generate_composite_base_case(
    *,
    when: "When" = None,
    flag: str | None = None,
    script: "Path | None" = None,
    requires: str = "success",
) -> None:
    """See `aggregate`."""
    _take("aggregate", when, flag, script, requires)


def analyze(
    *,
    when: "When" = None,
    flag: str | None = None,
    script: "Path | None" = None,
    requires: str = "success",
) -> None:
    """See `aggregate`; without `flag` and `script` the flag is `--analyze`."""
    _take("analyze", when, flag, script, requires)


def xfail(*, code: int = -1, when: "When" = None) -> None:
    """Expect the test to fail: with any code but 0, or exactly with `code`."""
    _take("xfail", code, when)


def xdiff(*, when: "When" = None) -> None:
    """Expect the test to differ (exit code 64)."""
    _take("xdiff", when)


def skipif(arg: bool, *, reason: str) -> None:
    """Leave the file's jobs out if `arg` is true; `reason` is shown."""
    _take("skipif", arg, reason)


def enable(*args: bool, when: "When" = None) -> None:
    """Leave jobs out unless `when` holds; `enable(False, when=…)`: if it holds."""
    _take("enable", args, when)


def exclusive(*, when: "When" = None) -> None:
    """Run the job alone."""
    _take("exclusive", when)


def launcher(name: str, *, when: "When" = None, **options: "Any") -> None:
    """Run the job by this launcher, whatever the command line says; `options` are for it alone."""
    _take("launcher", name, when, options)


def artifact(file: "Path", *, when: "When" = None, save_on: str = "always") -> None:
    """Name files worth keeping: a pattern; `save_on` is `always`, `success` or `failure`."""
    _take("artifact", file, when, save_on)


def set_attribute(*, when: "When" = None, **attributes: "Any") -> None:
    """Attach values, which the test finds in `instance.attributes`."""
    _take("set_attribute", when, attributes)


def set_id(id: str, *, when: "When" = None) -> None:
    """Give jobs an ID of your own: 8 to 64 of `0-9 a-f _`; `{parameter}` is replaced."""
    _take("set_id", id, when)


def execution_path(path: "Path", *, when: "When" = None) -> None:
    """Give the job's directory another path below the session's; `{parameter}` is replaced."""
    _take("execution_path", path, when)


def load_module(name: str, *, use: "Path | None" = None, when: "When" = None) -> None:
    """Load an environment module before the job; `use` is put before MODULEPATH."""
    _take("load_module", name, use, when)


def source(name: "Path", *, when: "When" = None) -> None:
    """Source a file with bash before the job and keep what it exports."""
    _take("source", name, when)


def preload(arg: str, *, when: "When" = None, source: bool = False) -> None:
    """Kept with the job, without effect."""
    _take("preload", arg, when, source)


def filter_warnings(arg: bool) -> None:
    """Accepted for old files: reading a file gives no warnings."""
    _take("filter_warnings", arg)


def setup(func: "F") -> "F":
    """Call a function of the file with the job before its body; if it raises, the job is BROKEN."""
    _take("setup", func)
    return func


def teardown(func: "F") -> "F":
    """Call a function of the file with the job after its body; if it raises, that is logged."""
    _take("teardown", func)
    return func
