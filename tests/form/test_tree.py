"""Habits that can be checked, and that the tree speaks of the project alone."""

from __future__ import annotations

import re

KINDS = ("feature", "bugfix", "doc", "internal")
SUPPRESSION = re.compile(r"#\s*(noqa|type:\s*ignore)\b(?P<rest>.*)")
WITH_REASON = re.compile(r"(: ?[A-Z]+\d+(, ?[A-Z]+\d+)*|\[[\w-]+(, ?[\w-]+)*\])\W+\w+")
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]*)?\)")
# Written so that this file does not hold what it looks for.
FORBIDDEN = {
    "a directory of one machine": re.compile(r"(?<![\w.~}>/-])/(work|root|opt/peer)" + "/"),
    "a workplace": re.compile(
        r"farm" + r"-(studio|bench)|before" + "-stop|" + r"\.\./" + r"shared\b(?!\.)"
    ),
    "a package host": re.compile("pypi" + r"\.org|pythonhosted" + r"\.org|/" + "simple/?$", re.M),
}


def texts(tracked):
    for path in tracked:
        try:
            yield path, path.read_text()
        except UnicodeDecodeError:
            continue


def test_change_notes_are_named_after_distribution_and_kind(root):
    names = {"canary-core"} | {p.name for p in root.glob("plugins/*") if p.is_dir()}
    shape = re.compile(rf"({'|'.join(sorted(names))})\.[a-z0-9-]+\.({'|'.join(KINDS)})\.md")
    notes = [p.name for p in (root / "changes").iterdir() if p.name != "README.md"]
    assert [name for name in notes if not shape.fullmatch(name)] == []


def test_every_suppression_names_its_rule_and_its_reason(core, plugins, tests):
    wrong = [
        f"{module.path}:{number}: {line.strip()}"
        for module in core + plugins + tests
        for number, line in enumerate(module.text.splitlines(), 1)
        if (found := SUPPRESSION.search(line)) and not WITH_REASON.match(found["rest"])
    ]
    assert wrong == []


def test_the_tree_speaks_of_the_project_alone(tracked, root):
    wrong = [
        f"{path.relative_to(root)}: {what}: {found.group()!r}"
        for path, text in texts(tracked)
        for what, pattern in FORBIDDEN.items()
        if (found := pattern.search(text))
    ]
    assert wrong == []


def test_links_between_pages_lead_somewhere(tracked, root):
    pages = [p for p in tracked if p.suffix == ".md"]
    assert pages
    wrong = [
        f"{page.relative_to(root)}: {target}"
        for page in pages
        for target, _ in LINK.findall(page.read_text())
        if not (page.parent / target).exists()
    ]
    assert wrong == []


def test_decisions_are_numbered_without_gaps(root):
    numbers = sorted(int(p.name[:4]) for p in (root / "docs" / "adr").glob("[0-9]*.md"))
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 6


def test_every_plugin_is_a_distribution_of_its_own(root):
    """Capped on the core's major version, found by entry point, typed, with a page and tests."""
    wrong = []
    for directory in (p for p in root.glob("plugins/*") if (p / "pyproject.toml").is_file()):
        package = directory.name.replace("-", "_")
        text = (directory / "pyproject.toml").read_text()
        if not re.search(r'"canary-core>=1\.\d+,<2"', text):
            wrong.append(f"{directory.name}: does not depend on canary-core>=1.0,<2")
        if '[project.entry-points."canary.plugins"]' not in text:
            wrong.append(f"{directory.name}: has no entry point in group canary.plugins")
        for needed in (
            "README.md",
            f"src/{package}/__init__.py",
            f"src/{package}/py.typed",
            "tests",
        ):
            if not (directory / needed).exists():
                wrong.append(f"{directory.name}: has no {needed}")
    assert wrong == []


def test_uv_takes_every_distribution_from_this_tree(root):
    """A member of the workspace without a source is an error of `uv lock`."""
    text = (root / "pyproject.toml").read_text()
    named = set(re.findall(r"^(canary-[a-z]+) = \{ workspace = true \}$", text, re.M))
    plugins = {p.parent.name for p in root.glob("plugins/*/pyproject.toml")}
    assert named == {"canary-core", *plugins}
