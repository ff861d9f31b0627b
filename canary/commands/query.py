"""`canary query`: jobs and sessions as JSON."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from canary import lookup
from canary.commands import selection, shapes
from canary.config import Config
from canary.errors import ExitCode, UsageError
from canary.store import Store, read_object
from canary.table import safe_write


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary query`."""
    kinds = parser.add_subparsers(dest="what", metavar="WHAT", required=True)

    def add(name: str, help: str, answer: Callable[..., Any]) -> argparse.ArgumentParser:
        kind = kinds.add_parser(name, help=help)
        kind.set_defaults(answer=answer, watch=None)
        kind.add_argument("--terse", action="store_true", help="on one line")
        return kind

    job = add("job", "one job's latest result", _job)
    option = job.add_argument
    option("id", metavar="ID", help="ID, beginning of it, or name")
    path = "a key in it: status.reason, measurements, env"
    option("path", nargs="?", metavar="PATH", help=path)
    _, switch, _ = selection.options_of(job.add_mutually_exclusive_group())
    switch("--list", dest="list_keys", help="the keys there are")
    switch("--all-runs", help="every session's result")
    switch("--cache", help="how long it ran in the past")
    jobs = add("jobs", "the latest result of every job", _jobs)
    option, switch, _ = selection.options_of(jobs)
    option("--session", metavar="S", help="the results of this session")
    _add_filters(jobs)
    switch("--excluded", help="jobs that were left out, with the reason")
    session = add("session", "one session", _session)
    option, switch, _ = selection.options_of(session)
    option("id", metavar="NAME", help="its name, the beginning of it, or latest")
    option("path", nargs="?", metavar="PATH", help="a key in it")
    switch("--expand-jobs", help="the jobs instead of their IDs")
    switch("--list", dest="list_keys", help="the keys there are")
    _add_filters(session)
    option = add("sessions", "all sessions", _sessions).add_argument
    option("--where", metavar="EXPR", help="only those for which 'key.path OP value' holds")
    option = add("db", "the store itself", _database).add_argument
    option("words", nargs="+", metavar="schema|stats|SELECT ...", help="the question")
    for kind in (job, session):
        # locks of the older tool named its classes
        kind.add_argument("--clean", action="store_true", help=argparse.SUPPRESS)


def _add_filters(parser: argparse.ArgumentParser) -> None:
    add, switch, _ = selection.options_of(parser)
    add("--where", metavar="EXPR", help="only jobs for which 'key.path OP value' holds")
    switch("--digest", help="a line a job: name and category")
    text = "again every S seconds until every job is done (default: 10)"
    add("--watch", nargs="?", type=float, const=10.0, metavar="S", help=text)


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    while True:
        # asked first: what is shown last is how it ended
        again = args.watch is not None and _under_way(config)
        answer = args.answer(args, config)
        if isinstance(answer, tuple):
            text = "\n".join(answer)
        else:
            text = json.dumps(answer, default=str) if args.terse else shapes.as_json(answer)
        safe_write(sys.stdout, text + "\n")
        if not again:
            return ExitCode.OK
        sys.stdout.flush()
        try:
            time.sleep(min(args.watch, 3600.0) if args.watch > 0.1 else 0.1)  # no NaN
        except KeyboardInterrupt:
            return ExitCode.OK


def _under_way(config: Config) -> bool:
    """Does the latest session lack its end?"""
    workspace, book = shapes.open_store(config)
    return workspace.latest is not None and book.session(workspace.latest) is None


def _part(data: Any, args: argparse.Namespace) -> Any:
    """What PATH leads to, or with --list the keys there, as lines."""
    part = shapes.dig(data, args.path) if args.path else data
    if not args.list_keys:
        return part
    if not isinstance(part, (dict, list)):
        raise UsageError(f"{args.path} has no keys")
    return tuple(sorted(part) if isinstance(part, dict) else map(str, range(len(part))))


def _job(args: argparse.Namespace, config: Config) -> Any:
    workspace, book = shapes.open_store(config)
    result = shapes.select_job(args.id, book)
    if args.all_runs:
        return [shapes.job_record(r) for r in book.results(id=result.id)]
    if args.cache:
        return read_object(book.histories().get(result.id, "{}"))
    from canary.catalog import Catalog  # one job alone needs specs
    from canary.commands import documents

    return _part(documents.job_document(result, Catalog(workspace.database)), args)


def _jobs(args: argparse.Namespace, config: Config) -> Any:
    workspace, book = shapes.open_store(config)
    name = shapes.select_session(args.session, workspace, book) if args.session else None
    if args.excluded:
        rows = book.excluded(name) if name else lookup.left_out(workspace, book)
        return shapes.excluded_records(rows)
    return _listed(book, name, args)


def _where(records: list[dict[str, Any]], args: argparse.Namespace) -> list[dict[str, Any]]:
    if not args.where:
        return records
    from canary.expression import compile_where  # few ask, and it takes as long as the answer

    matches = compile_where(args.where).matches
    return [r for r in records if matches(r)]


def _listed(book: Store, session: str | None, args: argparse.Namespace) -> Any:
    if args.digest and not args.where:
        rows = sorted((name, id, category) for id, name, category, _ in book.outcomes(session))
        return tuple(f"{name} {category}" for name, _, category in rows)
    found = [shapes.job_record(r) for r in book.results(session=session)]
    records = sorted(_where(found, args), key=lambda r: (r["fullname"], r["id"]))
    if args.digest:
        return tuple(f"{r['fullname']} {r['status']['category']}" for r in records)
    return records


def _session(args: argparse.Namespace, config: Config) -> Any:
    workspace, book = shapes.open_store(config)
    name = shapes.select_session(args.id, workspace, book)
    if args.expand_jobs or args.digest or args.where or args.watch is not None:
        return _listed(book, name, args)
    data = book.session(name)
    if data is None:
        hint = f"canary query jobs --session {name}"
        raise UsageError(f"session {name} has not ended", hint=hint)
    data["started_on"] = shapes.stamp(data.get("started_on"))
    data["finished_on"] = shapes.stamp(data.get("finished_on"))
    rows = book.query("select spec_id from results where session=?", (name,))
    data["job_ids"] = [id for (id,) in rows]
    return _part(data, args)


def _sessions(args: argparse.Namespace, config: Config) -> Any:
    _, book = shapes.open_store(config)
    return _where([shapes.session_record(name, book) for name in book.sessions()], args)


def _database(args: argparse.Namespace, config: Config) -> Any:
    workspace, book = shapes.open_store(config)
    question = " ".join(args.words)
    if question == "schema":
        return dict(book.query("select name, sql from sqlite_master where type='table'"))
    if question == "stats":
        return {
            "spec_count": book.query("select count(*) from specs")[0][0],
            "result_count": book.query("select count(*) from results")[0][0],
            "session_count": len(book.sessions()),
            "latest_session": workspace.latest,
            "outcomes": {outcome: n for (_, outcome), n in book.tally().items()},
        }
    if not question.lower().startswith(("select", "with")):
        raise UsageError(
            f"{question!r} is no question to the store", hint="schema, stats or SELECT ..."
        )
    names, rows = book.columns(question)
    return [dict(zip(names, row, strict=True)) for row in rows]


EXAMPLES = (
    "canary query jobs --digest",
    "canary query jobs --where 'status.category == FAIL'",
    "canary query job 7316cd5 status.reason",
    "canary query session latest",
    "canary query db 'SELECT spec_name, status_outcome FROM results'",
)
