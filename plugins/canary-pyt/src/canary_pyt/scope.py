"""What the conditions and texts of one job may refer to, and their evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from canary.errors import CanaryError, SpecError
from canary.expression import parse_when, substitute
from canary.expression.when import Verdict, is_template
from canary.frozen import shared
from canary.spec import ExpandContext, SpecFile, parameter_text
from canary_pyt.digest import Data
from canary_pyt.spaces import Value

# stands in texts for a parameter that the composite base case does not have
ABSENT: Final = "\0"
_YES: Final = Verdict(True)
_NO: Final = Verdict(False, "the composite base case has no parameters")

Entry = Sequence[Any]


@dataclass(slots=True)
class Scope:
    """A family of a file, and one job of it; `parameters` None: the composite base case."""

    file: SpecFile
    data: Data
    context: ExpandContext
    family: str
    parameters: Mapping[str, Value] | None = shared()
    names: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.names.update(name=self.family, NAME=self.family)

    def of(self, parameters: Mapping[str, Value]) -> Scope:
        """The scope of one job."""
        scope = Scope(self.file, self.data, self.context, self.family, parameters)
        scope.add(parameters)
        return scope

    def of_base_case(self, keys: Sequence[str], text: str = ABSENT) -> Scope:
        """The scope of the composite base case, where `text` stands for each parameter."""
        scope = Scope(self.file, self.data, self.context, self.family, None)
        scope.names.update({k.upper(): text for k in keys}, **dict.fromkeys(keys, text))
        return scope

    def add(self, values: Mapping[str, Value]) -> None:
        """Let texts refer to these, too."""
        for key, value in values.items():
            text = parameter_text(value)
            self.names.setdefault(key.upper(), text)
            self.names[key] = text

    def verdict(self, entry: Entry) -> Verdict:
        """Does the condition of an entry hold?"""
        if entry[0] is None:
            return _YES
        try:
            when = parse_when(entry[0])
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
            raise self.wrong(e.message, entry[1], hint=e.hint, key=e.key) from None

    def active(self, key: str) -> Iterator[Entry]:
        """The entries of a directive whose conditions hold."""
        for entry in self.data.get(key, ()):
            if entry[0] is None or self.verdict(entry):
                yield entry

    def last(self, key: str) -> Entry | None:
        """The last entry of a directive whose condition holds."""
        for entry in reversed(self.data.get(key, ())):
            if entry[0] is None or self.verdict(entry):
                found: Entry = entry
                return found
        return None

    def text(self, text: str, line: int) -> str | None:
        """Put values in the place of names; None if the composite base case has no such value."""
        if not is_template(text):
            return text
        try:
            result = substitute(text, self.names)
        except CanaryError as e:
            raise self.wrong(e.message, line, hint=e.hint) from None
        return None if ABSENT in result else result

    def wrong(
        self, message: str, line: int | None, *, hint: str | None = None, key: str | None = None
    ) -> SpecError:
        """An error of this file."""
        return SpecError(message, hint=hint, file=self.file.file, line=line, key=key)
