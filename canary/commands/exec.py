"""`canary exec`: run one job here and now, in its directory, and wait for it."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from pathlib import Path

from canary import fsio, gather, home, journal
from canary.commands import shapes
from canary.config import Config
from canary.errors import ExitCode, UsageError
from canary.events import JobFinished
from canary.job import load_job_from_file
from canary.record import result_of
from canary.request import RunRequest
from canary.store import RESULT_STATEMENT, Store
from canary.table import safe_write


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary exec`."""
    parser.add_argument(
        "job", nargs="?", metavar="JOB", help="ID, name or path of a job that ran before"
    )
    parser.add_argument("--manifest", metavar="FILE", help="run the jobs of a batch instead")
    parser.add_argument("--session", metavar="S", help="the session whose directory is used")


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    if args.manifest is not None:
        from canary.commands import manifest  # the engine; a single job needs none of it

        return manifest.run(Path(config.cwd, args.manifest), config)
    if args.job is None:
        raise UsageError("which job?", hint="canary status lists jobs")
    workspace, book = shapes.open_store(config)
    if not config.run.shared_workspace:
        home.refuse_shared(workspace.root, workspace.sessions)
    result = shapes.select_job(args.job, book)
    if args.session:
        name = shapes.select_session(args.session, workspace, book)
        found = book.results(session=name, id=result.id)
        if not found:
            raise UsageError(f"{args.job!r} did not run in session {name}")
        result = found[0]
    book.close()
    job = load_job_from_file(Path(result.workspace))
    job.state.reset()
    job.measurements.reset()
    job.attempt += 1
    job.launcher = gather.choose_launcher(RunRequest(cwd=str(config.cwd)), config)(job)
    try:
        job.setup()
        job.run(gather.HookServices(config))
        job.teardown()
    except OSError as e:
        problem = fsio.explain(e, e.filename or job.workspace.text, "run the job")
        problem.exit_code = ExitCode.GENERIC  # a 2 would say that it diffed
        raise problem from None
    with closing(Store(workspace.database, writable=True)) as writer:
        end = JobFinished.of(job, job.timekeeper.finished, job.attempt)
        row = result_of(job.spec, end, result.session, job.workspace.text, job.variables)
        log = workspace.sessions / result.session / journal.LOG
        journal.append(log, [journal.encode_event(end)])
        writer.write([(RESULT_STATEMENT, [row])])
    safe_write(sys.stdout, job.read_output())
    safe_write(sys.stdout, job.statline() + "\n")
    return job.status.exit_bit or ExitCode.OK


EXAMPLES = ("canary exec 7316cd5",)
