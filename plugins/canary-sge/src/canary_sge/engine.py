"""Grid Engine's programs: what they are asked, what their answers mean.

Every call has a time limit; an answer that did not come is an `OSError`, never an empty answer.
Nothing here knows launches, records or files of ours.
"""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree

from canary.process import ask

# what the programs say when they could not ask the master
_SILENCE: Final = re.compile(r"commlib error|qmaster using port|answer list from qmaster|timeout")
_GONE: Final = re.compile(r"do(es)? not exist")
# letters of a queue's state with which it takes no job: unknown, disabled, error, orphaned, …
_CLOSED: Final = frozenset("udDEcoS")


@dataclass(frozen=True, slots=True)
class Seen:
    """What Grid Engine says of a task: the name of its job, and letters for its state."""

    name: str
    state: str

    @property
    def failed(self) -> bool:
        """Could it not be started? It then waits until somebody clears that."""
        return "E" in self.state


class Refused(Exception):
    """A program of Grid Engine has refused what it was asked, with its reason in a line."""


class Engine:
    """The programs of Grid Engine that are on the path; `limit` seconds a call."""

    def __init__(self, limit: float = 10.0) -> None:
        self.limit = limit

    def call(self, *words: str) -> str:
        """What the program prints; Refused if it fails, OSError if it cannot answer."""
        code, out, errors = ask(words, self.limit)
        if code == 0:
            return out
        said = f"{errors}\n{out}".strip()
        line = re.sub(r"^(Unable to run job|error): ", "", said.split("\n")[0].strip())
        if _SILENCE.search(said):
            raise ConnectionError(f"{words[0]}: {line}")
        raise Refused(f"{words[0]}: {line or f'exit code {code}'}")

    def submit(self, words: Sequence[str], script: str, tasks: int) -> str:
        """Submit a script as an array of so many tasks, numbered from 1; the number of its job."""
        array = ("-terse", "-t", f"1-{tasks}")
        answer = self.call("qsub", *array, *words, script)
        found = re.search(r"^(\d+)\.", answer, re.MULTILINE)  # warnings may come before it
        if found is None:
            raise ConnectionError(f"qsub: {answer.strip()!r} is no job")
        return found[1]

    def states(self) -> dict[str, Seen]:
        """One call for all: `{"job.task": what is said of it}` of this user's tasks that are not
        over."""
        user = pwd.getpwuid(os.geteuid()).pw_name
        try:
            text = self.call("qstat", "-u", user, "-g", "d", "-xml")
        except Refused as e:
            raise ConnectionError(str(e)) from None
        found = {}
        for row in _elements(text, "qstat").iter("job_list"):
            number, task = row.findtext("JB_job_number"), row.findtext("tasks")
            seen = Seen(row.findtext("JB_name", ""), row.findtext("state", ""))
            found[f"{number}.{task}"] = seen
        return found

    def error_of(self, ticket: str) -> str:
        """Why a task could not be started, in a line; empty if that cannot be told."""
        job, _, task = ticket.partition(".")
        try:
            text = self.call("qstat", "-j", job)
        except (Refused, OSError):
            return ""
        found = re.search(rf"^error reason\s+{task}:\s+(.*)$", text, re.MULTILINE)
        # a date and the shepherd's numbers come first
        return re.sub(r"^\S+ \S+ \[[\d:]+\]: ", "", found[1]) if found else ""

    def accounted(self, ticket: str) -> str:
        """What the accounting says of the end of a task, in a line; empty without it."""
        job, _, task = ticket.partition(".")
        try:
            text = self.call("qacct", "-j", job, "-t", task)
        except (Refused, OSError):
            return ""
        rows = (line.split(None, 1) for line in text.splitlines())
        said = {row[0]: row[1].strip() for row in rows if len(row) == 2}
        status = re.sub(r"\s+", " ", said.get("exit_status", ""))
        return f"failed {said['failed']}, exit status {status}" if "failed" in said else ""

    def cancel(self, tickets: Collection[str]) -> None:
        """Cancel these; one that is over already is no error."""
        if not tickets:
            return
        try:
            self.call("qdel", *sorted(tickets))
        except Refused as e:
            if "denied" in str(e) and not _GONE.search(str(e)):
                raise ConnectionError(str(e)) from None

    def hosts(self, queue: str | None = None) -> dict[str, int]:
        """`{host: slots}` of the queues that take jobs, or of one queue: the most that a queue has
        there."""
        which = ["-q", queue] if queue else []
        out: dict[str, int] = {}
        try:
            root = _elements(self.call("qstat", "-f", *which, "-xml"), "qstat")
        except Refused:
            if queue is None:
                raise
            return out  # there is no such queue
        for row in root.iter("Queue-List"):
            host = row.findtext("name", "").partition("@")[2]
            open_ = not _CLOSED & {*row.findtext("state", "")}
            if host and open_ and "B" in row.findtext("qtype", ""):
                out[host] = max(out.get(host, 0), int(row.findtext("slots_total", "0")))
        return out


def _elements(text: str, program: str) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as e:  # it was cut off
        raise ConnectionError(f"{program}: no answer that can be read: {e}") from None


def limits(seconds: float) -> Mapping[str, str]:
    """What a job that may take so long asks for: the limit after which it is killed."""
    return {"h_rt": str(max(1, int(seconds + 0.999)))}
