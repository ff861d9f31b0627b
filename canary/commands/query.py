"""`canary query`: jobs and sessions as JSON."""

from __future__ import annotations

import argparse
from typing import Any

from canary.commands import shapes
from canary.config import Config
from canary.declare import Command
from canary.errors import ExitCode, UsageError
from canary.expression import compile_where


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary query`."""
    kinds = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    job = kinds.add_parser("job", help="one job's latest result")
    job.add_argument("id", metavar="ID", help="ID, beginning of it, or name")
    job.add_argument(
        "path", nargs="?", metavar="PATH", help="a key in it: status.reason, measurements, env"
    )
    job.add_argument("--list", dest="list_keys", action="store_true", help="the keys there are")
    job.add_argument("--all-runs", action="store_true", help="every session's result")
    job.add_argument("--terse", action="store_true", help="name and status alone")
    jobs = kinds.add_parser("jobs", help="the latest result of every job")
    jobs.add_argument("--session", metavar="S", help="the results of this session")
    _add_filters(jobs)
    jobs.add_argument(
        "--excluded", action="store_true", help="jobs that were left out, with the reason"
    )
    session = kinds.add_parser("session", help="one session")
    session.add_argument("id", metavar="NAME", help="its name, the beginning of it, or latest")
    session.add_argument("path", nargs="?", metavar="PATH", help="a key in it")
    session.add_argument("--expand-jobs", action="store_true", help="the jobs instead of their IDs")
    _add_filters(session)
    sessions = kinds.add_parser("sessions", help="all sessions")
    sessions.add_argument(
        "--where", metavar="EXPR", help="only those for which 'key.path OP value' holds"
    )


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--where", metavar="EXPR", help="only jobs for which 'key.path OP value' holds"
    )
    parser.add_argument("--digest", action="store_true", help="a line a job: name and category")


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    answer: Any = {"job": _job, "jobs": _jobs, "session": _session, "sessions": _sessions}[
        args.what
    ](args, config)
    print(answer if isinstance(answer, str) else shapes.as_json(answer))
    return ExitCode.OK


def _job(args: argparse.Namespace, config: Config) -> Any:
    workspace, book = shapes.open_store(config)
    result = shapes.select_job(args.id, book)
    if args.all_runs:
        return [shapes.job_record(r) for r in book.results(id=result.id)]
    if args.terse:
        return {
            "id": result.id,
            "name": result.name,
            "status": result.category,
            "outcome": result.outcome,
        }
    from canary.catalog import Catalog  # one job alone needs specs
    from canary.commands import documents

    data = documents.job_document(result, Catalog(workspace.database))
    if args.list_keys:
        return "\n".join(sorted(shapes.dig(data, args.path) if args.path else data))
    return shapes.dig(data, args.path) if args.path else data


def _jobs(args: argparse.Namespace, config: Config) -> Any:
    workspace, book = shapes.open_store(config)
    name = shapes.select_session(args.session, workspace, book) if args.session else None
    if args.excluded:
        last = name or shapes.select_session("latest", workspace, book)
        return [{"id": i, "fullname": n, "reason": r} for i, n, r in book.excluded(last)]
    return _listed([shapes.job_record(r) for r in book.results(session=name)], args)


def _listed(records: list[dict[str, Any]], args: argparse.Namespace) -> Any:
    if args.where:
        matches = compile_where(args.where).matches
        records = [r for r in records if matches(r)]
    records.sort(key=lambda r: (r["fullname"], r["id"]))
    if args.digest:
        return "\n".join(f"{r['fullname']} {r['status']['category']}" for r in records)
    return records


def _session(args: argparse.Namespace, config: Config) -> Any:
    workspace, book = shapes.open_store(config)
    name = shapes.select_session(args.id, workspace, book)
    if args.expand_jobs or args.digest or args.where:
        return _listed([shapes.job_record(r) for r in book.results(session=name)], args)
    data = book.session(name)
    if data is None:
        raise UsageError(
            f"session {name} has not ended", hint="canary query jobs --session " + name
        )
    data["started_on"] = shapes.stamp(data.get("started_on"))
    data["finished_on"] = shapes.stamp(data.get("finished_on"))
    data["job_ids"] = [
        r[0] for r in book.query("select spec_id from results where session=?", (name,))
    ]
    return shapes.dig(data, args.path) if args.path else data


def _sessions(args: argparse.Namespace, config: Config) -> Any:
    _, book = shapes.open_store(config)
    records = [shapes.session_record(name, book) for name in book.sessions()]
    if args.where:
        matches = compile_where(args.where).matches
        records = [r for r in records if matches(r)]
    return records


COMMAND = Command(
    name="query",
    help="jobs and sessions as JSON",
    run=run,
    arguments=arguments,
    examples=(
        "canary query jobs --digest",
        "canary query jobs --where 'status.category == FAIL'",
        "canary query job 7316cd5 status.reason",
        "canary query session latest",
    ),
)
