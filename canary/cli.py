"""The command line: main options, configuration, plugins, then one command; the way in and out.

Nothing is imported before it is needed: `--version` needs nothing, `--help` the discovery cache,
a question to the workspace no plugin. From here on errors are one line each, and every way out is
an exit code: only `canary.__main__` ends the process. What commands do is not known here.
"""

from __future__ import annotations

import io
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from canary.config import Config, Layer, Places
    from canary.declare import Command
    from canary.discovery import Installed
    from canary.options import Option, Schema
    from canary.plugins import PluginManager
    from canary.words import MainOptions

_LEVELS = ("TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
# commands that have a distribution of their own, and those that are gone
_ELSEWHERE = (
    ("rebaseline", "pip install canary-baseline"),
    ("edit docs fetch learn", "pip install canary-extras"),
    ("history compare", "pip install canary-history"),
    ("hpc batch", "pip install canary-slurm"),
    ("tui", "pip install canary-tui"),
    ("flux", "it needs a Flux instance to be built against; run jobs through canary hpc"),
    ("dist", "its server was never published; run jobs through canary hpc"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; nothing is raised but by a second Ctrl-C.

    What is asked to end by another signal ends as with Ctrl-C.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words == ["--version"]:
        from canary import version

        sys.stdout.write(f"{version}\n")
        return 0
    if sys.platform == "win32":
        sys.stderr.write("ERROR: canary runs on Linux and macOS, not on Windows\n")
        return 1
    while (null := os.open(os.devnull, os.O_RDWR)) < 3:
        pass  # that stream was closed: no file of ours must get its number
    os.close(null)
    sys.stdout, sys.stderr = (s or open(os.devnull, "w") for s in (sys.stdout, sys.stderr))  # noqa: SIM115 - it is left open for as long as we live
    import signal

    from canary.signals import ENDING, Interrupted, heard, in_main_thread

    sent: list[int] = []

    def end(number: int) -> None:
        if number not in sent:  # a terminal that is closed sends several, and one is enough
            sent.append(number)
            raise Interrupted(number)

    try:
        for stream in (sys.stdout, sys.stderr):
            # names of files need not be text in the encoding of the terminal
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        if in_main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            # a shell's `&`; while jobs run, too
            signal.signal(signal.SIGINT, signal.default_int_handler)
        with heard({number: end for number in ENDING[1:]}):
            code = _guarded(words)
        sys.stdout.flush()
    except BrokenPipeError:
        # whoever read our output has had enough; the interpreter must not complain when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt as e:
        from canary import fsio
        from canary.table import say

        try:
            say("error", " ".join(["interrupted", *map(str, e.args)]))
        except OSError:
            pass  # the terminal is gone
        fsio.drop_output()
        return 128 + (sent or [2])[0]
    return code


def _guarded(words: list[str]) -> int:
    """Run, and turn what is raised into lines and an exit code."""
    from canary.errors import CanaryError, CanaryErrors

    call = _Call(dict(os.environ))
    try:
        return call.run(words)
    except CanaryError as e:
        if call.debug:
            _show_trace(e)
        for error in e.errors if isinstance(e, CanaryErrors) else (e,):
            call.say("ERROR", str(error))
        return int(e.exit_code)
    except (BrokenPipeError, KeyboardInterrupt):
        raise
    except OSError as e:
        # the system refuses what was asked for: a name that is too long, a disk that is full
        if call.debug:
            _show_trace(e)
        call.say("ERROR", f"{e.filename}: {e.strerror}" if e.filename else f"{e}")
        return 1
    except Exception as e:  # noqa: BLE001 - the last place where a bug can be told from an error
        _show_trace(e)
        call.say("ERROR", f"this is a bug in canary, please report it: {type(e).__name__}: {e}")
        return 3


def _show_trace(error: BaseException) -> None:
    """Show the traceback of an exception."""
    import traceback

    traceback.print_exception(error)


class _Call:
    """One use of the command line, from its words to its exit code."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.debug = bool(environ.get("CANARY_RERAISE_ERRORS"))
        self.level = _LEVELS.index("INFO")

    def say(self, level: str, text: str) -> None:
        """Show a line to people, on the error stream."""
        from canary.table import clean

        trace = level == "TRACE" and self.environ.get("CANARY_TRACE_HOOKS")
        if trace or _LEVELS.index(level) >= self.level:
            sys.stdout.flush()
            sys.stderr.write(f"{level}: {text if trace else clean(text)}\n")

    def run(self, words: list[str]) -> int:
        """Main options, configuration, plugins, command."""
        from canary import config, discovery, settings, version
        from canary.words import MainOptions, expand

        here = _here()
        core = settings.core_options()
        installed = discovery.read(version) or self.ask(None)
        schema = _schema(core, installed)
        main = MainOptions(expand(words, self.environ), schema)
        if main.has("--version"):
            sys.stdout.write(f"{version}\n")
            return 0
        cwd = here.joinpath(*main.values("-C"))
        if not cwd.is_dir():
            raise _usage(f"-C {cwd}: no such directory")
        named = (main.values("--canary-dir") or [self.environ.get("CANARY_DIR", "")])[-1]
        places = config.find_places(cwd, self.environ, cwd / named if named else None)
        files = [cwd / name for name in main.values("-f")]
        layers = config.read_layers(places, self.environ, schema, files)
        layers.append(config.Layer("command line", entries=tuple(main.entries())))
        first = config.merge(layers, schema, cwd=cwd, places=places, strict=False, tolerant=True)
        self.settle(first, main)
        if main.has("-v", "-q"):
            level = config.Entry(("log_level",), _LEVELS[self.level], "options -v and -q")
            layers.append(config.Layer("command line", entries=(level,)))
        self.warn_of_old_tool(installed)
        boot = _Boot(self, main, core, installed, places, layers, first)
        word, rest = main.command, main.rest
        if word is None or (word == "help" and not rest):
            return boot.overview()
        if word == "help" and not rest[0].startswith("-"):
            word, rest = rest[0], [*rest[1:], "--help"]
        if main.has("--profile"):
            return _profiled(lambda: boot.dispatch(word, rest))
        return boot.dispatch(word, rest)

    def settle(self, config: Config, main: MainOptions) -> None:
        """Know from now on what to show."""
        self.debug = self.debug or config.main.debug
        level = _LEVELS.index("DEBUG" if config.main.debug else config.main.log_level)
        level += len(main.values("-q")) - len(main.values("-v"))
        self.level = min(max(level, 0), len(_LEVELS) - 2)

    def warn_of_old_tool(self, installed: Installed) -> None:
        """Both distributions install `canary/` and the script `canary`."""
        if installed.old_tool:
            remedy = "pip uninstall -y canary-wm && pip install --force-reinstall canary-core"
            self.say(
                "WARNING",
                f"canary-wm {installed.old_tool} is installed in this environment too, and each "
                f"overwrites files of the other: {remedy}",
            )

    def ask(self, installed: Installed | None, blocked: Collection[str] = ()) -> Installed:
        """Look what is installed and, given that, ask plugins what they offer; remember both."""
        from canary import discovery, plugins, version

        if installed is None:
            installed = plugins.scan()
        else:
            manager = plugins.PluginManager(policy="continue", blocked=blocked, say=self.say)
            missing = frozenset(installed.without(blocked).unasked)
            todo = tuple(p for p in installed.plugins if p.name in missing)
            manager.load_installed(installed._replace(plugins=todo))
            manager.check()
            declared = {**(installed.declared or {}), **manager.declared()}
            installed = installed._replace(declared=declared)
        discovery.write(installed, version)
        return installed


class _Boot:
    """Plugins and the command, once it is known what is wanted."""

    def __init__(
        self,
        call: _Call,
        main: MainOptions,
        core: list[Option],
        installed: Installed,
        places: Places,
        layers: list[Layer],
        first: Config,
    ) -> None:
        self.call, self.main, self.core = call, main, core
        self.places, self.layers, self.first = places, layers, first
        names = first.main.plugins
        self.blocked = frozenset(n[3:] for n in names if n.startswith("no:"))
        self.names = tuple(n for n in names if not n.startswith("no:"))
        self.all = installed
        self.installed = installed.without(self.blocked)

    def cached(self) -> Installed:
        """What the installed plugins offer, without loading them if that is known."""
        if self.installed.unasked:
            self.all = self.call.ask(self.all, self.blocked)
            self.installed = self.all.without(self.blocked)
        return self.installed

    def plugins(self, *, installed: bool) -> PluginManager:
        """Load plugins: those asked for by name or by hook files, and the `installed` ones."""
        from pathlib import Path

        from canary import discovery
        from canary.plugins import PluginManager

        self.refuse_shared()
        manager = PluginManager(
            blocked=self.blocked,
            policy=self.first.main.plugin_errors,
            hook_limit=self.first.main.hook_limit,
            trace=bool(self.call.environ.get("CANARY_TRACE_HOOKS")),
            say=self.call.say,
        )
        if installed:
            manager.load_installed(self.all)
        for directory in self.places.hooks:
            manager.load_hook_files(directory)
        asked = self.main.values("-p")
        for name in self.names:
            source = "-p" if name in asked else "configuration"
            manager.load_named(name, source, self.first.cwd)
        manager.check()
        stems = (Path(name).stem for name in self.names)
        known = discovery.names((*manager.names(), *self.names, *stems))
        for name in [n[3:] for n in asked if n.startswith("no:")] if installed else ():
            if not discovery.names((name,)) <= known:
                self.call.say("WARNING", f"no:{name} blocks nothing: there is no such plugin")
        return manager

    def refuse_shared(self) -> None:
        """Take no code from files that others may write to, unless that is allowed elsewhere."""
        from canary import home

        own = self.first.origin("run.shared_workspace").startswith(("project ", "workspace "))
        allowed = self.first.run.shared_workspace and not own
        if not (allowed or _has(self.main.rest, "--shared-workspace")):
            home.refuse_shared(*self.places.unnamed())

    def overview(self) -> int:
        """`canary --help`."""
        from canary.commands.help import overview

        offered = self.cached().commands()
        if self.names or self.places.hooks:
            more = self.plugins(installed=False).commands()
            offered |= {name: command.help for name, command in more.items()}
        sys.stdout.write(overview(offered, self.first.schema))
        return 0

    def dispatch(self, word: str, rest: list[str]) -> int:
        """Run a command of the core, an alias, or a command of a plugin."""
        from canary.commands import CORE, load
        from canary.words import split

        known = {name: loads for name, _, loads in CORE}
        word, rest = self.unaliased(word, rest, known)
        if self.main.has("-h", "--help"):
            rest = [*rest, "--help"]
        added = self.call.environ.get(f"CANARY_{word.upper()}_ADDOPTS")
        if added:
            rest = [*split(added), *rest]
        if word in known:
            command = load(word)
            if not known[word]:
                schema = _schema(self.core, self.installed)
                return self.execute(command, rest, schema, None)
            # the help of a reporter is the reporter's
            if _has(rest, "-h", "--help") and not (word == "report" and rest[0][:1] != "-"):
                schema = _schema(self.core, self.cached())
                if self.names or self.places.hooks:
                    options = list(schema.options.values())
                    schema = self.plugins(installed=False).schema(options)
                return self.execute(command, rest, schema, None)
            manager = self.plugins(installed=True)
        else:
            manager = self.plugins(installed=True)
            offered = manager.commands(known)
            if word not in offered:
                raise self.unknown(word, [*known, *offered, *self.first.main.aliases])
            command = offered[word]
        return self.execute(command, rest, manager.schema(self.core), manager)

    def unaliased(self, word: str, rest: list[str], known: Iterable[str]) -> tuple[str, list[str]]:
        """Replace an alias by what it stands for."""
        from canary.words import split

        aliases = self.first.main.aliases
        seen = set()
        while word in aliases and word not in known and word not in seen:
            seen.add(word)
            self.refuse_shared()
            package = os.path.dirname(__file__)  # noqa: PTH120 - a text for a text
            body = split(aliases[word].replace("$canary", package))
            if not body:
                raise _usage(f"the alias {word!r} stands for nothing")
            if "$@" in body:
                at = body.index("$@")
                body[at : at + 1] = rest
            else:
                body += rest
            word, rest = body[0], body[1:]
        return word, rest

    def unknown(self, word: str, names: Iterable[str]) -> Exception:
        """The error for a command that does not exist."""
        from canary.options import closest

        for gone, where in _ELSEWHERE:
            if word in gone.split():
                return _usage(f"there is no command {word!r} here", where)
        hint = closest(word, names) or "canary --help lists all"
        if os.path.exists(self.first.cwd / word):  # noqa: PTH110 - as typed
            hint = f"to run it: canary run {word}"
        return _usage(f"there is no command {word!r}", hint)

    def execute(
        self, command: Command, rest: list[str], schema: Schema, manager: PluginManager | None
    ) -> int:
        """Parse the command's words, merge the configuration, and do it."""
        from canary import config, parser
        from canary.words import flag_entries, main_names

        flagged = schema.of_command(command.name)
        try:
            args = parser.parser_of(command, flagged, main_names(schema)).parse(rest)
            flags = [(o, o.flag or "", v) for o, v in parser.given_options(args, flagged)]
            entries = tuple(flag_entries(flags))
            variables = config.environment_layer(self.call.environ, schema)
            layers = [variables if x.scope == "environment" else x for x in self.layers]
            if command.name == "resume":  # goes on as that session was asked to
                from canary.commands.asked import take_over

                at = [layer.scope for layer in layers].index("command line")
                layers.insert(at, take_over(args, self.places.workspace))
            layers.append(config.Layer("command line", entries=entries))
            strict, cwd = manager is not None, self.first.cwd
            final = config.merge(layers, schema, cwd=cwd, places=self.places, strict=strict)
            for line in final.warnings:
                self.call.say("WARNING", line)
            if manager is None:
                return int(command.run(args, final))
            final = final.with_plugins(manager)
            try:
                manager.call("canary_configure", config=final)
                return int(command.run(args, final))
            finally:
                manager.call("canary_unconfigure", lenient=True, config=final)
        except parser.Finished:  # also of a parser that the command has for words of its own
            return 0


def _schema(core: Iterable[Option], installed: Installed) -> Schema:
    """The core's options and those that installed plugins are known to have, clashes left out."""
    from canary.errors import PluginError
    from canary.options import Schema

    options = list(core)
    try:
        return Schema([*options, *installed.options()])
    except PluginError:
        # named when the plugins are loaded
        return Schema(options)


def _here() -> Path:
    """The current directory."""
    from pathlib import Path

    try:
        return Path.cwd()
    except OSError as e:
        raise _usage(f"the current directory is gone: {e.strerror}") from None


def _profiled(run: Callable[[], int]) -> int:
    """Run, and show where the time went."""
    import cProfile
    import pstats

    profile = cProfile.Profile()
    try:
        return profile.runcall(run)
    finally:
        pstats.Stats(profile, stream=sys.stderr).sort_stats("cumulative").print_stats(40)


def _has(words: list[str], *names: str) -> bool:
    own = words[: words.index("--")] if "--" in words else words
    return any(name in own for name in names)


def _usage(message: str, hint: str | None = None) -> Exception:
    from canary.errors import UsageError

    return UsageError(message, hint=hint)
