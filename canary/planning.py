"""From a request to jobs: specs are collected, chosen and made into jobs that know each other.

Every step takes frozen values and returns frozen values, jobs excepted, which nobody has seen yet.
The session calls these steps in order; so do commands that only look.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from canary import collect, gather, generate, graph, home, select, version
from canary.catalog import Catalog, spec_rows
from canary.collect import ScanRoot
from canary.config import Config
from canary.errors import CanaryError, NothingToRun, SpecError, UsageError
from canary.expression import platform_names
from canary.frozen import EMPTY
from canary.history import RunHistory
from canary.job import Dependency, InvalidTypeError, Job
from canary.lockfile import dump
from canary.request import RunRequest
from canary.resources import Machine
from canary.select import Earlier, Plan
from canary.signals import telling
from canary.spec import ExpandContext, JobSpec, SpecFile, job_id
from canary.status import Category, Outcome
from canary.store import read_object
from canary.workspace import ExecutionSpace


@dataclass(frozen=True, slots=True)
class Collected:
    """What was found: the graph, every error, the files that are wrong, and the loads worth
    keeping. The fingerprint is that of all that was read, None if it cannot be known again."""

    graph: graph.SpecGraph
    errors: tuple[CanaryError, ...]
    bad_files: tuple[SpecFile, ...]
    cache: generate.Cache
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be run, by which request (its words resolved), out of what, and what is known of
    it from before."""

    request: RunRequest
    collected: Collected
    plan: Plan
    earlier: Mapping[str, Earlier]


def find_specs(request: RunRequest, config: Config, book: Catalog | None) -> Collected:
    """Scan and expand the request's roots; without roots, what the store knows."""
    if not request.roots:
        if book is None:
            raise UsageError("no path to look for tests in", hint="canary find -r PATH")
        known = book.graph()
        if not known.specs:
            raise NothingToRun("no tests are known to this workspace", hint="canary run PATH")
        known = replace(known, specs=graph.placed(known.specs))  # they came of several runs
        if request.timeouts:
            known = _with_timeouts(known, gather.expand_context(request, config))
        return Collected(known, (), (), generate.Cache())
    generators = gather.spec_generators(config)
    files = collect.find(request.roots, generators, gather.ignore(config), gather.clash(config))
    known_files = book.query("select path, key, data from files") if book else ()
    cache = generate.Cache({path: (key, data) for path, key, data in known_files})
    context, limit = gather.expand_context(request, config), request.file_seconds
    with telling(lambda: config.plugins.say("INFO", f"reading {home.relative(cache.reading)}")):
        made = generate.expand(files, generators, context, cache=cache, file_seconds=limit)
    built, faults = graph.build(made.specs)
    errors = (*made.errors, *faults)
    twins = _twins(made.specs, built) if faults else ()
    bad = (*made.bad_files, *(file for file in files if file.file in twins))
    mark = _fingerprint(files, request, config) if not (errors or cache.loaded) else None
    return Collected(built, errors, bad, cache, mark)


def _twins(made: Sequence[JobSpec], built: graph.SpecGraph) -> set[str]:
    """Files with a job that is not in the graph, as one of another file has the same ID."""
    return {spec.file for spec in made if built.specs[spec.id].file != spec.file}


def _with_timeouts(known: graph.SpecGraph, context: ExpandContext) -> graph.SpecGraph:
    """Stored specs with the timeouts of this command line, but for those with one of their own."""
    specs = dict(known.specs)
    for id, spec in known.specs.items():
        if not spec.timeout_explicit:
            specs[id] = replace(spec, timeout=context.timeout_for(spec.keywords))
    return replace(known, specs=specs)


def _fingerprint(files: Sequence[SpecFile], request: RunRequest, config: Config) -> str:
    """Changes whenever the specs of unchanged loads may come out otherwise."""
    context = (
        sorted(request.options),
        sorted(request.timeouts.items()),
        config.asdict(),
        version,
        sorted(map(str, config.plugins.plugins())),
    )
    names = sorted(platform_names(os.environ))
    text = repr((context, names, [(f.file, f.mtime_ns, f.size, f.inode) for f in files]))
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def describe_file(root: ScanRoot, config: Config) -> Mapping[str, Any]:
    """What a test file says of itself besides its jobs."""
    generators = gather.spec_generators(config)
    for file in collect.find((root,), generators, None, gather.clash(config)):
        return generate.describe(file, generators[file.generator])
    return {}


def edited(book: Catalog, files: Collection[str]) -> list[str]:
    """Those of the files that are not as they were when they were collected."""
    keys = book.query("select path, key from files")
    return [path for path, key in keys if path in files and not key.endswith(_mark(path))]


def edited_since(choice: Choice) -> list[str]:
    """Files that changed since a job of theirs passed, which is left out for that."""
    specs, earlier, masks = choice.collected.graph.specs, choice.earlier, choice.plan.masks
    passed = [id for id, mask in masks.items() if mask.reason == select.PASSED and id in earlier]
    edited = (specs[id].file for id in passed if select.changed(specs[id], earlier[id]))
    return list(dict.fromkeys(edited))


def run_again(choice: Choice) -> list[str]:
    """Jobs that passed and are run only because their directory is gone that others need."""
    specs, earlier = choice.collected.graph.specs, choice.earlier
    known = (id for id in choice.plan.run if id in choice.plan.needed and id in earlier)
    passed = (id for id in known if earlier[id].category == Category.PASS.value)
    return [specs[id].name for id in passed if earlier[id].gone]


def _mark(path: str) -> str:
    """The end of a file's key, see `generate.cache_key`; empty if it is gone."""
    try:
        now = Path(path).stat()
    except OSError:
        return ""
    return f":{now.st_mtime_ns}:{now.st_size}:{now.st_ino}"


def save_specs(book: Catalog, collected: Collected) -> dict[str, str]:
    """Put specs, dependencies and cached loads into the store, unless they are there already;
    return the JSON of those that were put there, by ID."""
    mark = collected.fingerprint
    if mark is not None and book.meta("specs") == mark:
        return {}
    specs, edges = collected.graph.specs, collected.graph.edges
    texts = {id: dump(spec.asdict()) for id, spec in specs.items()}
    batch = spec_rows(specs, edges, texts)
    files = [(path, key, data) for path, (key, data) in collected.cache.fresh.items()]
    batch.append(("insert or replace into files values(?,?,?)", files))
    batch.append(("insert or replace into meta values('specs', ?)", [(mark or "",)]))
    book.write(batch)
    return texts


def earlier_results(book: Catalog) -> dict[str, Earlier]:
    """The last result of every job."""
    rows = book.query(
        "select spec_id, status_category, status_outcome, status_reason, status_code, timekeeper,"
        " workspace, session, attempt from results where +latest=1"
    )
    return {row[0]: Earlier(*(*row[1:6], book.here(row[6]), *row[7:])) for row in rows}


def make_plan(
    specs: graph.SpecGraph, request: RunRequest, config: Config, earlier: Mapping[str, Earlier]
) -> Plan:
    """Filters of the request, then masks of plugins, then the rerun strategy."""
    criteria = request.criteria
    if request.policy.session_timeout:
        limit = request.policy.session_timeout / (request.multiplier or 1.0)
        criteria = replace(criteria, limit=limit)
    return select.choose(specs, criteria, earlier, gather.plugin_masks(specs.specs, config))


def nothing(plan: Plan) -> str:
    """One line that says why there is nothing to run."""
    reasons = "; ".join(f"{n} left out: {reason}" for reason, n in sorted(plan.reasons().items()))
    return f"no jobs to run ({reasons or 'no tests were found'})"


def left_out(choice: Choice) -> list[tuple[str, str, str]]:
    """ID, full name and reason of each job that is not to be run."""
    specs, masks = choice.collected.graph.specs, choice.plan.masks
    return [(id, specs[id].fullname, mask.reason or "masked") for id, mask in masks.items()]


def build_jobs(
    choice: Choice, machine: Machine, session: tuple[str, Path], histories: Mapping[str, str]
) -> list[Job]:
    """The plan's jobs in order, wired to each other and to earlier results that stand in for jobs
    not run again."""
    name, directory = session
    request, earlier, capacity = choice.request, choice.earlier, machine.capacity
    specs, edges = choice.collected.graph.specs, choice.collected.graph.edges
    known = {id: _standing(specs[id], earlier[id]) for id in choice.plan.standing}
    jobs: list[Job] = []
    settings = request.launch
    if settings.environment is None:
        settings = replace(settings, environment=dict(os.environ))
    for id in choice.plan.run:
        spec = specs[id]
        needed = [Dependency(known[e.id], e.when) for e in edges.get(id, ()) if e.id in known]
        job = Job(spec, ExecutionSpace(directory, Path(spec.work_path), name, capacity), needed)
        job.settings = settings
        job.timeout_multiplier = request.multiplier
        job.script_args = request.script_args
        if id in earlier:
            job.attempt = earlier[id].next_attempt
        job.history = RunHistory.fromdict(read_object(histories.get(id)))
        known[id] = job
        jobs.append(job)
    guess_runtimes(jobs)
    return jobs


def guess_runtimes(jobs: Sequence[Job]) -> None:
    """A job that never passed is expected to take as much of its limit as others of its file that
    did, or, without such, as all others."""
    shares: dict[str, list[float]] = {}
    new: list[Job] = []
    for job in jobs:
        if job.timeout > 0 and job.history and job.history.count:
            for place in (job.spec.file, ""):
                shares.setdefault(place, []).append(job.history.mean / job.timeout)
        elif job.timeout > 0:
            new.append(job)
    for job in new:
        known = sorted(shares.get(job.spec.file) or shares.get("") or [])
        if known:
            job.guess = known[len(known) // 2] * job.timeout


def _standing(spec: JobSpec, last: Earlier) -> Job:
    directory = Path(last.directory)
    root = directory
    for _ in Path(spec.work_path).parts:
        root = root.parent
    job = Job(spec, ExecutionSpace(root, Path(os.path.relpath(directory, root)), last.session))
    job.status = last.status
    job.on_finished()
    return job


def faults_of(jobs: Sequence[Job], collected: Collected) -> dict[str, CanaryError | str]:
    """What makes jobs unsound: a resource request that is no int, an unresolved dependency."""
    faults: dict[str, CanaryError | str] = dict(collected.graph.invalid)
    for job in jobs:
        try:
            job.get_resource_parameters_from_spec()
        except InvalidTypeError as e:
            faults[job.id] = SpecError(f"{job.name}: {e}", file=job.spec.file, key=e.name)
    return faults


def invalid_jobs(choice: Choice, config: Config, session: tuple[str, Path]) -> list[Job]:
    """Under the permissive policy a bad file is a job that is over already: INVALID, with the
    file's error as reason."""
    collected, (name, directory) = choice.collected, session
    repository = gather.expand_context(choice.request, config).repository
    reasons = {error.file: str(error) for error in reversed(collected.errors)}
    jobs = []
    taken = set(collected.graph.specs)
    for file in {file.file: file for file in collected.bad_files}.values():
        family = file.path.rpartition("/")[2].rpartition(".")[0] or file.path
        id = job_id(family, repository(file.file), EMPTY)
        if id in taken:  # the same path in another repository
            id = job_id(family, file.file, EMPTY)
        taken.add(id)
        spec = JobSpec(
            file_root=file.root,
            file_path=file.path,
            id=id,
            family=family,
            name=family,
            command=(),
            generator=file.generator,
        )
        job = Job(spec, ExecutionSpace(directory, Path(spec.work_path), name))
        job.set_status(outcome=Outcome.INVALID, reason=reasons.get(file.file, "cannot be read"))
        jobs.append(job)
    return jobs
