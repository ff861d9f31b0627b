"""`canary docs`: read the manual that came with this version, or write it somewhere.

Where the pages come from is known to `pages`; here they are listed, shown through the person's
pager, and copied.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from canary.config import Config
from canary.declare import Command
from canary.errors import ExitCode, UsageError
from canary.fsio import explain, remove_tree
from canary.table import safe_write, table
from canary_extras import pages
from canary_extras.pages import Page

_DEST = "canary-docs"
_INDEX = "index.md"
_HEAD = "# canary"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary docs`."""
    how = {
        "open": "show a page",
        "build": "write the pages, or one, as Markdown",
        "list": "name the pages",
    }
    text = "; ".join(f"{word}: {meaning}" for word, meaning in how.items())
    parser.add_argument("how", choices=tuple(how), help=text)
    parser.add_argument("what", nargs="?", metavar="PAGE", help="one page, such as guide/start")
    parser.add_argument(
        "-d", dest="dest", metavar="DEST", default=_DEST, help=f"where to build (default: {_DEST})"
    )
    parser.add_argument(
        "-w", "--wipe", action="store_true", help="first remove what an earlier build wrote there"
    )
    # of the older tool, which kept what it had built
    parser.add_argument("--no-cache", action="store_true", help=argparse.SUPPRESS)


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    known = pages.all_pages()
    chosen = list(known.values()) if args.what is None else [pages.find(args.what, known)]
    if args.how == "build":
        dest = Path(config.cwd, args.dest)
        if args.wipe and _is_built(dest):
            remove_tree(dest)
        for path in build(chosen, dest):
            safe_write(sys.stdout, f"{path}\n")
    elif args.how == "list" or args.what is None:
        rows = [(page.name, page.title) for page in chosen]
        safe_write(sys.stdout, "\n".join(table(("Page", "Title"), rows)) + "\n")
    else:
        show(chosen[0].text, paged=not config.main.no_pager and sys.stdout.isatty())
    return ExitCode.OK


def _is_built(dest: Path) -> bool:
    """Was this written by `build`? Nothing else is removed."""
    try:
        return (dest / _INDEX).read_text(encoding="utf-8").startswith(_HEAD)
    except (OSError, UnicodeDecodeError):
        return False


def show(text: str, *, paged: bool) -> None:
    """Hand the text to $PAGER, or write it."""
    if paged:
        try:
            words = shlex.split(os.environ.get("PAGER", ""))
        except ValueError as e:
            raise UsageError(f"PAGER cannot be read: {e}") from None
        if words:
            try:
                subprocess.run(words, input=text.encode(), check=False)
            except BrokenPipeError:
                pass  # whoever pages has read enough
            except OSError as e:
                raise UsageError(f"PAGER={words[0]}: cannot be started: {e.strerror}") from None
            return
    safe_write(sys.stdout, text)


def build(chosen: Iterable[Page], dest: Path) -> list[Path]:
    """Write pages and an `index.md` that links to them below `dest`; return what was written.

    UsageError if there is something at `dest` that is not an empty directory.
    """
    written = []
    try:
        dest.mkdir(parents=True, exist_ok=True)
        if any(dest.iterdir()):
            raise UsageError(f"{dest} is not empty", hint="name another directory with -d")
        lines = [_HEAD, ""]
        for page in chosen:
            path = dest / f"{page.name}.md"
            path.parent.mkdir(exist_ok=True)
            path.write_text(page.text, encoding="utf-8")
            written.append(path)
            lines.append(f"- [{page.title}]({page.name}.md)")
        index = dest / _INDEX
        index.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except FileExistsError:
        raise UsageError(f"{dest} is a file", hint="name another directory with -d") from None
    except OSError as e:
        raise explain(e, dest, "write the pages") from None
    return [*written, index]


COMMAND = Command(
    name="docs",
    help="read the manual",
    run=run,
    arguments=arguments,
    examples=("canary docs list", "canary docs open guide/start", "canary docs build -d manual"),
)
