"""YAML as people hand it to canary: plain data, read with limits. Loaded only where PyYAML is.

The loader is the safe one, and refuses what makes a small file expensive or ambiguous: deep
nesting, many aliases, and a key written twice. Nothing here knows what the data means.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Final

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import Resolver
from yaml.scanner import Scanner

from canary.errors import ConfigError

try:
    from yaml._yaml import CParser
except ImportError:  # built without libyaml: the parser in Python takes five times as long

    class CParser(Reader, Scanner, Parser):  # type: ignore[no-redef]  # it takes its place
        """What reads text, as one."""

        def __init__(self, text: str) -> None:
            Reader.__init__(self, text)
            Scanner.__init__(self)
            Parser.__init__(self)


MAX_DEPTH: Final = 50
MAX_ALIASES: Final = 100
MAX_DIGITS: Final = 400


class _Loader(Composer, CParser, SafeConstructor, Resolver):
    """`SafeLoader`, with the parser of libyaml and a ceiling."""

    def __init__(self, text: str) -> None:
        CParser.__init__(self, text)
        for part in (Composer, SafeConstructor, Resolver):
            part.__init__(self)
        self._depth = 0
        self._aliases = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            self._aliases += 1
            if self._aliases > MAX_ALIASES:
                self._refuse(f"more than {MAX_ALIASES} aliases", self._mark())
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._refuse(f"nested more than {MAX_DEPTH} deep", self._mark())
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:merge" and isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    self._refuse(f"the key {key.value!r} is written twice", key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        if node.tag == "tag:yaml.org,2002:int" and len(node.value) > MAX_DIGITS:
            self._refuse("a number of too many digits", node.start_mark)
        return super().construct_scalar(node)

    def _mark(self) -> Any:
        return getattr(self.peek_event(), "start_mark", None)

    def _refuse(self, problem: str, mark: Any) -> None:
        raise yaml.MarkedYAMLError(None, None, problem, mark)


def parse(text: str, file: str) -> Any:
    """The one document in `text`; ConfigError naming file and line if it cannot be read."""
    return load(text, file)[0]


def load(text: str, file: str) -> tuple[Any, yaml.Node | None]:
    """As `parse`, with the node of it all: what says where each part stands."""
    loader = _Loader(text)
    try:
        node: yaml.Node | None = loader.get_single_node()
        return loader.construct_document(node) if node else None, node
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        # of a second document PyYAML says half a sentence
        said = (e.problem or e.context or "not YAML").replace("but found another", "more than one")
        raise ConfigError(said, file=file, line=mark.line + 1 if mark else None) from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as e:
        raise ConfigError(f"not YAML: {str(e).splitlines()[0]}", file=file) from None


def dump(data: Any) -> str:
    """Plain data as YAML, in its own order."""
    return yaml.safe_dump(data, sort_keys=False)
