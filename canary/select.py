"""Which jobs are to run: filters, reruns and their closure, with a reason for every job that is
left out.

Nothing vanishes: a job is in the plan to run, or it has a mask. Earlier results come in as plain
statuses by ID; this room reads no store and starts nothing.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

from canary.errors import UsageError
from canary.expression import compile_condition, compile_names, compile_parameters, located
from canary.graph import SpecGraph
from canary.spec import JobSpec, Mask
from canary.status import Category, Outcome, Status
from canary.store import DAMAGED, read_object

MASKED_UPSTREAM: Final = "a job it depends on is masked"
PASSED: Final = "passed before"
# what `-p` sees of a job that asks for nothing
DEFAULT_NEEDS: Final[Mapping[str, int]] = {"cpus": 1, "gpus": 0, "nodes": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """The filters of a command line. Keyword expressions are joined by `and`, owners by `or`;
    `only` is a strategy.

    `named` is an explicit choice by ID: these jobs, and what they need. `limit` is the longest
    timeout that still fits into the session, in seconds.
    """

    keywords: tuple[str, ...] = ()
    parameters: str | None = None
    owners: tuple[str, ...] = ()
    regex: str | None = None
    only: str = "not_pass"
    named: frozenset[str] | None = None
    dependencies: bool = True
    limit: float | None = None


class Earlier(NamedTuple):
    """The last result of a job as the store has it, and where its directory is."""

    category: str
    outcome: str
    reason: str | None
    code: int
    timekeeper: str
    directory: str
    session: str
    attempt: int = 1

    @property
    def cut_off(self) -> bool:
        """Its runner was killed while it ran, so that it counts as not run."""
        interrupted = self.outcome == Outcome.INTERRUPTED.name
        return interrupted and read_object(self.timekeeper).get("stopped", 0) == -1

    @property
    def next_attempt(self) -> int:
        """The number that the next attempt gets: one that was interrupted has had its own."""
        return self.attempt + 1 if self.outcome == Outcome.INTERRUPTED.name else 1

    @property
    def gone(self) -> bool:
        """Its directory was made, and is there no more."""
        made = not os.path.isdir(self.directory) and read_object(self.timekeeper).get("staged")
        return isinstance(made, (int, float)) and made > 0

    def satisfies(self, when: str | None) -> bool:
        """Does the condition of a dependent hold for it?"""
        return bool(compile_condition(when).holds(self.category, self.outcome))

    @property
    def status(self) -> Status:
        """As a value; NONE if the record is damaged."""
        try:
            return Status.make(None, self.outcome, self.reason, self.code)
        except ValueError:
            return Status.make(None, Outcome.NONE, DAMAGED)

    @property
    def began(self) -> float:
        """When its command started, or it was found that it could not, epoch seconds; -1 if that
        is not known."""
        times = read_object(self.timekeeper)
        known = [times.get(name) for name in ("started", "finished")]
        return float(next((t for t in known if isinstance(t, (int, float)) and t >= 0), -1.0))


@dataclass(frozen=True, slots=True)
class Plan:
    """IDs to run, each after what it depends on; a mask for every other; IDs whose earlier result
    stands in; and those to run that are `needed` by others alone."""

    run: tuple[str, ...]
    masks: Mapping[str, Mask]
    standing: tuple[str, ...] = ()
    needed: frozenset[str] = frozenset()

    def reasons(self) -> dict[str, int]:
        """How many jobs are left out for which reason."""
        return dict(Counter(mask.reason or "masked" for mask in self.masks.values()))


def choose(
    graph: SpecGraph,
    criteria: Criteria,
    earlier: Mapping[str, Earlier],
    plugin_masks: Mapping[str, Mask] | None = None,
) -> Plan:
    """Filter, then choose among what is left by what is known of it."""
    earlier = {id: last for id, last in earlier.items() if not last.cut_off}
    masks = {id: spec.mask for id, spec in graph.specs.items() if spec.mask}
    masks.update((id, m) for id, m in (plugin_masks or {}).items() if id in graph.specs)
    for reason, test in _filters(criteria):
        for id, spec in graph.specs.items():
            if id not in masks and not test(spec):
                masks[id] = Mask(True, reason)
    masked = graph.descendants(masks, if_run=False)
    behind = [id for id in graph.specs if id in masked and id not in masks]
    masks.update((id, Mask(True, MASKED_UPSTREAM)) for id in behind)
    candidates = [id for id in graph.order() if id not in masks]
    wanted, needed = _strategy(graph, criteria, earlier, candidates, masks)
    chosen = wanted | needed
    run = tuple(id for id in candidates if id in chosen)
    read = {e.id for id in run for e in graph.upstream(id)} - chosen
    named, reason = criteria.named, _STRATEGIES[criteria.only].reason
    for id in candidates:
        if id not in chosen:
            masks[id] = Mask(True, reason if named is None or id in named else "not named")
    standing = tuple(id for id in candidates if id in read and id in earlier)
    return Plan(run, masks, standing, frozenset(needed))


def _filters(criteria: Criteria) -> list[tuple[str, Callable[[JobSpec], bool]]]:
    out: list[tuple[str, Callable[[JobSpec], bool]]] = [
        (f"keyword expression {text!r}", located("-k", _keyword_filter, text))
        for text in criteria.keywords
        if text.strip() not in (":all:", "__all__")
    ]
    if criteria.parameters:
        holds = located("-p", compile_parameters, criteria.parameters).matches
        reason = f"parameter expression {criteria.parameters!r}"
        out.append(
            (reason, lambda s: holds({**DEFAULT_NEEDS, **s.meta_parameters, **s.parameters}))
        )
    if criteria.owners:
        owners, reason = frozenset(criteria.owners), f"owner {' or '.join(criteria.owners)}"
        out.append((reason, lambda s: not owners.isdisjoint(s.owners)))
    if criteria.regex is not None:
        out.append((f"regular expression {criteria.regex!r}", _regex_filter(criteria.regex)))
    if criteria.limit is not None:
        limit = criteria.limit
        out.append(("its timeout is not below the session's", lambda s: s.timeout < limit))
    return out


def _keyword_filter(text: str) -> Callable[[JobSpec], bool]:
    if not text.strip():  # such as from a script's empty variable
        return lambda _: False
    matches = compile_names(text, ignore_case=True).matches
    return lambda spec: matches((*spec.keywords, spec.name, spec.family, spec.file))


def _regex_filter(text: str) -> Callable[[JobSpec], bool]:
    try:
        search = re.compile(text).search
    except re.error as e:
        raise UsageError(f"--regex {text!r}: {e}", column=(e.pos or 0) + 1) from None

    @cache
    def found(path: str) -> bool:
        try:
            with open(path, encoding="utf-8", errors="replace") as f:
                return search(f.read()) is not None
        except OSError:
            return False

    def test(spec: JobSpec) -> bool:
        here = os.path.dirname(spec.file)
        return found(spec.file) or any(found(os.path.join(here, a.src)) for a in spec.assets)

    return test


def _strategy(
    graph: SpecGraph,
    criteria: Criteria,
    earlier: Mapping[str, Earlier],
    candidates: Sequence[str],
    masks: Collection[str],
) -> tuple[set[str], set[str]]:
    """What is wanted, and what else has to run for that."""
    pool = set(candidates)
    if criteria.named is not None:
        pool &= criteria.named
    wants, _, new = _STRATEGIES[criteria.only]
    roots = {id for id in pool if (wants(graph.specs[id], earlier[id]) if id in earlier else new)}
    if not roots or (criteria.only == "all" and criteria.named is None):
        return roots, set()
    chosen = {id for id in graph.descendants(roots) if id not in masks}
    explicit = criteria.named is not None and criteria.only == "all"
    needed = _needed(graph, chosen.union(masks), chosen, earlier, again=explicit)
    if criteria.dependencies:
        return chosen, needed
    for id in sorted(needed, key=lambda id: graph.specs[id].name):
        if id not in earlier or earlier[id].gone:
            why = "its directory is gone" if id in earlier else "has not run"
            name = graph.specs[id].name
            raise UsageError(f"--no-deps: {name} is needed, and {why}", hint="leave it out")
    return chosen, set()


def _needed(
    graph: SpecGraph,
    settled: Collection[str],
    chosen: Collection[str],
    earlier: Mapping[str, Earlier],
    *,
    again: bool,
) -> set[str]:
    """What has to run before the chosen jobs can: what has not, or has left no directory; `again`:
    also what ended so that they would be blocked."""
    needed: set[str] = set()
    todo = list(chosen)
    while todo:
        for edge in graph.upstream(todo.pop()):
            if edge.when == "if_run" or edge.id in settled or edge.id in needed:
                continue
            last = earlier.get(edge.id)
            blocks = again and last is not None and not last.satisfies(edge.when)
            if last is None or blocks or graph.specs[edge.id].renew or last.gone:
                needed.add(edge.id)
                todo.append(edge.id)
    return needed


def changed(spec: JobSpec, last: Earlier) -> bool:
    """Is its file newer than its last start, or gone?"""
    try:
        return os.stat(spec.file).st_mtime > last.began
    except OSError:
        return True


class _Strategy(NamedTuple):
    """Which of the jobs that ran before run again, and what is said of the others."""

    wants: Callable[[JobSpec, Earlier], bool]
    reason: str = "not chosen"
    new: bool = True  # does it want those that never ran?


_STRATEGIES: Final[Mapping[str, _Strategy]] = {
    "all": _Strategy(lambda _, __: True),
    "not_pass": _Strategy(lambda _, last: last.category != Category.PASS.value, PASSED),
    "failed": _Strategy(
        lambda _, last: last.category == Category.FAIL.value or last.outcome == "BLOCKED",
        "did not fail before",
        new=False,
    ),
    "not_run": _Strategy(lambda _, __: False, "ran before"),
    "changed": _Strategy(changed, "did not change"),
}
