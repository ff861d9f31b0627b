"""What the words of a command line name: a workspace, files to collect, or jobs known from before.

A word is a path of the view, a tag, a path to scan, a name or an ID, in this order; kinds are not
mixed. Nothing is collected here and nothing is run.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from canary import collect, home, view
from canary.catalog import Catalog
from canary.errors import CanaryError, UsageError
from canary.home import Workspace
from canary.options import near
from canary.request import RunRequest


def open_workspace(request: RunRequest) -> Workspace:
    """The workspace around, or a new one here."""
    here = Path(request.cwd)
    found = home.find(here, request.canary_dir)
    if found is not None:
        home.refuse_foreign(found)
        if not request.shared_workspace:
            home.refuse_shared(found.root, found.sessions)
        return found
    if not request.words and not request.roots:
        raise UsageError("there is no workspace here and no path to run", hint="canary run PATH")
    if request.canary_dir is not None:
        here = request.canary_dir
        here = here.parent if here.name == home.DIRECTORY else here
    try:
        return home.create(here)
    except CanaryError:
        if home.find(here, here) is None:
            raise
        return open_workspace(request)  # another run was faster


def resolve_names(request: RunRequest, book: Catalog, *, tags: bool = True) -> RunRequest:
    """Turn the words of a command line into scan roots, or into an explicit choice of jobs.

    Unless there are to be no `tags`, a tag hides a directory of its name.
    """
    shown = _shown(request, book)
    if shown is not None:
        return _explicit(request, shown)
    words = collect.classify(request.words, request.cwd, book.tag if tags else collect.no_tag)
    if roots := (*request.roots, *words.roots):
        if any(Path(root.root, "_").is_relative_to(book.path.parent) for root in roots):
            hint = "run jobs by name, or by their place in the view"
            raise UsageError("what is inside the workspace are no tests", hint=hint)
        return replace(request, words=(), roots=roots)
    if not words.names:
        return _default(replace(request, words=()), book)
    ids: set[str] = set()
    stored = book.query("select spec_id, spec_fullname, spec_name from results")
    stored += [(i, s.fullname, s.name) for i, s in book.specs().items()]
    for name in words.names:
        found = _named(name, book, stored)
        if not found:
            raise UsageError(
                f"{name!r} is no path, and no job or tag of this workspace",
                hint=near(name, request.cwd, stored) or "canary status lists jobs",
            )
        ids |= found
    return _explicit(request, ids, again=any(book.tag(name) is None for name in words.names))


def _explicit(request: RunRequest, ids: Collection[str], *, again: bool = True) -> RunRequest:
    """These jobs; `again`: also those that passed, unless a strategy was given."""
    only = "all" if again and not request.only_given else request.criteria.only
    criteria = replace(request.criteria, named=frozenset(ids), only=only)
    return replace(request, words=(), criteria=criteria)


def _shown(request: RunRequest, book: Catalog) -> set[str] | None:
    """The jobs at the paths of a view, if the words are such paths."""
    directory = book.path.parent.parent / request.view.name
    if not request.words or not view.is_view(directory):
        return None
    paths = [Path(os.path.normpath(Path(request.cwd, word))) for word in request.words]
    if not all(path == directory or directory in path.parents for path in paths):
        return None
    ids: set[str] = set()
    for word, path in zip(request.words, paths, strict=True):
        found = view.entry_at(directory, path)
        if not found:
            raise UsageError(f"{word!r}: no job of the view is there")
        ids.update(found)
    return ids


def _default(request: RunRequest, book: Catalog) -> RunRequest:
    """Without words: the default tag, or (`:all:`) everything the workspace knows."""
    tag = request.default_tag
    if tag in (":all:", "") or request.criteria.named is not None:
        return request
    ids = book.tag(tag)
    if ids is None:
        raise UsageError(f"run.default_tag names no tag of this workspace: {tag!r}")
    return replace(request, criteria=replace(request.criteria, named=frozenset(ids)))


def _named(name: str, book: Catalog, stored: Sequence[tuple[str, str, str]]) -> set[str]:
    tagged = book.tag(name)
    if tagged is not None:
        return set(tagged)
    exact = {row[0] for row in stored if name in row}
    if exact:
        return exact
    prefix = name.lstrip("/")
    found = {row[0] for row in stored if row[0].startswith(prefix)}
    if len(found) > 1:
        raise UsageError(
            f"{name!r} begins the IDs of {len(found)} jobs",
            hint="give more characters, or the name",
        )
    return found
