"""What the conditions and texts of one job may refer to, and their evaluation, for formats whose
files hold directives.

Such a format reads a file into `{directive: [entry, ...]}`; an entry is a condition (one, several
in a tuple, or None), where it stands, and what it says. Which directives there are, and what
becomes of them, is each format's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from canary.errors import CanaryError, SpecError
from canary.expression import parse_when, substitute
from canary.expression.when import Verdict, is_template
from canary.frozen import shared
from canary.spec import ExpandContext, SpecFile

EXPLICIT_ID: Final = re.compile(r"[0-9a-f_]{8,64}")
# stands in texts for a parameter that the composite base case does not have
ABSENT: Final = "\0"
_YES: Final = Verdict(True)
_NO: Final = Verdict(False, "the composite base case has no parameters")

Entry = Sequence[Any]
# a line of the file, or of one that it includes
Place = int | tuple[int, str]


@dataclass(slots=True)
class Scope:
    """A family of a file, and one job of it; `parameters` None: the composite base case.

    `names` are what texts may refer to: the family, and parameters as names of jobs show them.
    """

    file: SpecFile
    data: Mapping[str, Any]
    context: ExpandContext
    family: str
    parameters: Mapping[str, Any] | None = shared()
    names: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.names.update(name=self.family, NAME=self.family)

    def of(self, parameters: Mapping[str, Any] | None, texts: Mapping[str, str]) -> Scope:
        """The scope of one job; `texts` are its parameters as names show them."""
        scope = Scope(self.file, self.data, self.context, self.family, parameters)
        scope.add(texts)
        return scope

    def of_base_case(self, keys: Sequence[str], text: str = ABSENT) -> Scope:
        """The scope of the composite base case, where `text` stands for each parameter."""
        return self.of(None, dict.fromkeys(keys, text))

    def add(self, texts: Mapping[str, str]) -> None:
        """Let texts refer to these, too."""
        for key, text in texts.items():
            self.names.setdefault(key.upper(), text)
            self.names[key] = text

    def verdict(self, entry: Entry) -> Verdict:
        """Do the conditions of an entry hold?"""
        conditions = entry[0] if isinstance(entry[0], tuple) else entry[:1]
        verdicts = (self._verdict(condition, entry[1]) for condition in conditions)
        return next((verdict for verdict in verdicts if not verdict), _YES)

    def _verdict(self, condition: str | Mapping[str, str] | None, place: Place) -> Verdict:
        try:
            when = parse_when(condition)
            if when is None:
                return _YES
            if when.templated:
                when = when.substituted(self.names)
                if self.parameters is None and any(ABSENT in text for _, text in when.texts()):
                    return _NO
            return when.evaluate(
                platforms=self.context.platforms,
                testname=self.family,
                options=self.context.options,
                keywords=(),
                parameters=self.parameters,
            )
        except CanaryError as e:
            raise self.wrong(e.message, place, hint=e.hint, key=e.key) from None

    def active(self, key: str) -> Iterator[Entry]:
        """The entries of a directive whose conditions hold."""
        for entry in self.data.get(key, ()):
            if entry[0] is None or self.verdict(entry):
                yield entry

    def last(self, key: str) -> Entry | None:
        """The last entry of a directive whose conditions hold."""
        entries: Iterator[Entry] = reversed(self.data.get(key, ()))
        return next((e for e in entries if e[0] is None or self.verdict(e)), None)

    def text(self, text: str, place: Place) -> str | None:
        """Put values in the place of names; None if the composite base case has no such value."""
        if not is_template(text):
            return text
        try:
            result = substitute(text, self.names)
        except CanaryError as e:
            raise self.wrong(e.message, place, hint=e.hint) from None
        return None if ABSENT in result else result

    def explicit_id(self) -> str | None:
        """What the directive `set_id` says."""
        entry = self.last("set_id")
        if entry is None:
            return None
        text = (self.text(entry[2], entry[1]) or "").lower()
        if not EXPLICIT_ID.fullmatch(text):
            message, hint = f"{entry[2]!r} becomes {text!r}, which is no ID", "8 to 64 of 0-9 a-f _"
            raise self.wrong(message, entry[1], hint=hint, key="set_id")
        return text

    def wrong(
        self, message: str, place: Place, *, hint: str | None = None, key: str | None = None
    ) -> SpecError:
        """An error of this file, or of one that it includes."""
        line, file = place if isinstance(place, tuple) else (place, self.file.file)
        return SpecError(message, hint=hint, file=file, line=line, key=key)
