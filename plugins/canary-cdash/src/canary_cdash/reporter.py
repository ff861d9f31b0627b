"""`canary report cdash`: its options, and the files that `create` writes.

`post` sends files to CDash, `summary` asks CDash what it has; both have modules of their own and
need no session.
"""

from __future__ import annotations

import argparse
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from canary.declare import Reporter, Results
from canary.errors import UsageError
from canary.events import Notice, SessionStarted
from canary.reporting import add_output, target, write_file
from canary_cdash import machine, xml
from canary_cdash.cases import Job, Maker, command_line
from canary_cdash.settings import CDashSettings

if TYPE_CHECKING:
    from canary.plugins import PluginManager

CHUNK: Final = 500
_STAMP: Final = re.compile(r"\d{8}-\d{4}-\S.*")
# of the older tool, with options of its own: it is told what is there instead
_ISSUES: Final = "make-gitlab-issues"
_CONFIGURATION: Final = "${CTEST_CONFIGURATION_TYPE}"


class CDashReporter(Reporter):
    """`canary report cdash`."""

    name = "cdash"
    help = "XML for CDash as ctest writes it; upload; a summary of what CDash has"

    def __init__(
        self, settings: CDashSettings | None = None, plugins: PluginManager | None = None
    ) -> None:
        self._settings = settings or CDashSettings()
        self._plugins = plugins

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Options of `canary report cdash create|post|summary`."""
        kinds = parser.add_subparsers(dest="what", metavar="create|post|summary")
        create = kinds.add_parser("create", help="write Configure, Build and Test files")
        _add_create(create)
        # `run --report cdash` gives no words at all
        defaults = {a.dest: a.default for a in create._actions if a.dest != "help"}
        parser.set_defaults(what="create", **defaults)
        post = kinds.add_parser("post", help="send files to CDash")
        _add_server(post)
        post.add_argument("--done", action="store_true", help="say that the build is complete")
        post.add_argument("files", nargs="*", metavar="FILE", help="XML files to send")
        summary = kinds.add_parser("summary", help="what CDash has of the project, as HTML")
        _add_server(summary)
        summary.add_argument(
            "-t", "--track", action="append", default=None, help="only these groups of builds"
        )
        summary.add_argument(
            "-s",
            "--skip-site",
            action="append",
            default=[],
            metavar="REGEX",
            help="leave out sites whose name it matches",
        )
        summary.add_argument("-d", "--date", metavar="YYYY-MM-DD", help="the day (default: today)")
        summary.add_argument(
            "-m", "--mailto", metavar="A,B", help="mail it to these, through $CANARY_SMTP"
        )
        summary.add_argument("--mailfrom", metavar="A", help="as whom to mail it")
        add_output(summary, "-")
        issues = kinds.add_parser(
            _ISSUES, help="see canary report gitlab-issues", add_help=False, prefix_chars="\0"
        )
        issues.add_argument("words", nargs="*", help="whatever was given")

    def standalone(self, options: Mapping[str, Any]) -> Sequence[Path] | None:
        """`post` and `summary`."""
        if options["what"] == "create":
            return None
        if options["what"] == _ISSUES:
            hint = "canary report gitlab-issues, of canary-gitlab"
            raise UsageError("issues are made from the results, not from what CDash has", hint=hint)
        url = options["url"] or self._settings.url
        project = options["project"] or self._settings.project
        if not url or not project:
            missing = "url" if not url else "project"
            hint = f"give --{missing}, or set cdash.{missing} in canary.toml"
            raise UsageError(f"which {missing} of CDash?", hint=hint)
        if options["what"] == "post":
            from canary_cdash import upload

            return upload.post(url, project, options)
        from canary_cdash import summary

        return summary.write(url, project, options)

    def report(self, results: Results, options: Mapping[str, Any]) -> Sequence[Path]:
        """Write the files of `create`."""
        if options["chunk_size"] == 0:
            raise UsageError("-n 0: want a number of tests, or -1 for all in one file")
        jobs = list(results.jobs())
        known = machine.dart(p for job in jobs for p in _places(job))
        span = _span(jobs)
        site = self._site(options, known, span)
        directory = target(options, "directory") if options["directory"] else None
        directory = directory or results.directory / "_reports" / "cdash"
        written = []
        for name, body in self._parts(results, jobs, options, known, span):
            written += write_file(site.wrap(body), directory / name)
        return written

    def _parts(
        self,
        results: Results,
        jobs: Sequence[Job],
        options: Mapping[str, Any],
        known: Mapping[str, str],
        span: xml.Span,
    ) -> Iterator[tuple[str, Iterable[str]]]:
        """File names, and what is in them."""
        events = list(results.events())
        starts = (e.argv for e in events if isinstance(e, SessionStarted))
        command = command_line(next(starts, ("canary", "run")))
        log = "".join(f"{e.level}: {e.text}\n" for e in events if isinstance(e, Notice))
        begin = xml.Span(span.start, span.start)
        configured = known.get("ConfigureCommand") or command
        yield "Configure.xml", xml.configure(begin, configured, log, 0)
        kind = known.get("DefaultCTestConfigurationType") or "Release"
        built = known.get("MakeCommand", "").replace(_CONFIGURATION, kind) or command
        bad = [
            (job["file_path"], job["status"]["reason"])
            for job in jobs
            if job["status"]["outcome"] == "INVALID"
        ]
        yield "Build.xml", xml.build(begin, built, bad)
        maker = Maker(plugins=self._plugins, long_names=options["name_format"] == "long")
        size = options["chunk_size"] if options["chunk_size"] > 0 else len(jobs)
        for number, at in enumerate(range(0, max(1, len(jobs)), max(1, size))):
            some = jobs[at : at + size]
            yield (
                f"Test-{number}.xml",
                xml.testing(span, map(maker.make, some), map(maker.fullname, some)),
            )

    def _site(
        self, options: Mapping[str, Any], known: Mapping[str, str], span: xml.Span
    ) -> xml.Site:
        settings = self._settings
        given = machine.read_site(target(options, "file")) if options["file"] else {}
        track = options["track"] or settings.track or "Experimental"
        stamp = options["build_stamp"] or given.get("BuildStamp")
        if stamp is None:
            stamp = f"{time.strftime('%Y%m%d-%H%M', time.gmtime(span.start))}-{track}"
        elif not _STAMP.fullmatch(stamp):
            raise UsageError(f"{stamp!r} is no build stamp", hint="want YYYYmmdd-HHMM-TRACK")
        facts = machine.facts()
        system = f"{facts['OSName']}-{facts['OSPlatform']}"
        names = (options["build"], given.get("BuildName"), settings.build, known.get("BuildName"))
        sites = (options["site"], given.get("Name"), settings.site, known.get("Site"))
        labels = [*options["labels"], *options["subproject_labels"], *settings.subprojects]
        labels += filter(None, known.get("LabelsForSubprojects", "").split(";"))
        if self._plugins is not None:
            for _, more in self._plugins.call("canary_cdash_subprojects", lenient=True):
                labels += more
        return xml.Site(
            build=next(filter(None, names), system),
            stamp=stamp,
            name=next(filter(None, sites), facts["Hostname"]),
            compiler=known.get("Compiler", ""),
            compiler_version=known.get("CompilerVersion", ""),
            facts=facts,
            subprojects=tuple(dict.fromkeys(labels)),
        )


def _add_create(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--name-format",
        choices=("short", "long"),
        default="short",
        help="names as CDash shows them (default: %(default)s)",
    )
    parser.add_argument("--build", metavar="NAME", help="name of the build")
    parser.add_argument("--site", metavar="NAME", help="name of the site (default: this machine)")
    parser.add_argument(
        "-f", dest="file", metavar="FILE", help="take site, build and stamp from this XML file"
    )
    parser.add_argument(
        "-d",
        dest="directory",
        metavar="DIR",
        help="where to write (default: _reports/cdash in the session's directory)",
    )
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--track", metavar="NAME", help="group of builds on CDash (default: Experimental)"
    )
    either.add_argument(
        "--build-stamp", metavar="STAMP", help="the stamp itself: YYYYmmdd-HHMM-TRACK"
    )
    parser.add_argument(
        "-n",
        dest="chunk_size",
        metavar="N",
        type=int,
        default=CHUNK,
        help="tests in a file; -1: all in one (default: %(default)s)",
    )
    parser.add_argument(
        "-L",
        dest="labels",
        action="append",
        default=[],
        metavar="LABEL",
        help="a label that is a subproject",
    )
    parser.add_argument(
        "--subproject-labels",
        type=lambda text: [label for label in text.split(",") if label],
        default=[],
        metavar="A,B",
        help="labels that are subprojects",
    )
    parser.add_argument("--session", metavar="S", help="a session (default: latest results)")


def _add_server(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", "--cdash-url", metavar="URL", help="CDash, without the project")
    parser.add_argument("--project", "--cdash-project", metavar="P", help="the project there")


def _places(job: Job) -> Iterator[str]:
    """Where a CMake build of the job's tests may be."""
    for file in ((job.get("attributes") or {}).get("ctestfile"), job.get("file")):
        if isinstance(file, str):
            yield os.path.dirname(file)  # noqa: PTH120 - one for each job, and texts


def _span(jobs: Iterable[Job]) -> xml.Span:
    """From the first start to the last end; now, if nothing ran."""
    starts = [job["started_at"] for job in jobs if job["started_at"] > 0]
    ends = [job["stopped_at"] for job in jobs if job["stopped_at"] > 0]
    now = time.time()
    return xml.Span(min(starts, default=now), max([*ends, *starts], default=now))
