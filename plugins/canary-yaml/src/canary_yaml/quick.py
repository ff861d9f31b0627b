"""Reads the usual YAML file in a third of the time: plain maps, lists and scalars, written once.

libyaml composes the nodes, and what has only one meaning is made of them here. For anything else,
errors included, there is no answer, and `canary.yamldata` reads the file with all its checks. What
both read is the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import yaml
from yaml.resolver import Resolver

from canary.yamldata import MAX_DEPTH

try:
    from yaml._yaml import CParser
except ImportError:  # built without libyaml, so that nothing is read here
    from yaml import SafeLoader as CParser  # type: ignore[assignment]  # it takes its place

# characters; and what may nest deeper than libyaml can go
MAX_SIZE: Final = 1 << 16
MAX_NESTING: Final = 1000
_NESTS: Final = re.compile(r"[\[{?]|-\s")
_TAG: Final = "tag:yaml.org,2002:"
_STR: Final = f"{_TAG}str"
_NONE: Final = ""  # of lists and maps without a tag
_LIBYAML: Final = CParser.__module__ == "yaml._yaml"
_INT: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT: Final = re.compile(r"[-+]?[0-9]+\.[0-9]*(?:[eE][-+][0-9]+)?")
_WORDS: Final[Mapping[tuple[str, str], Any]] = {
    **{(f"{_TAG}null", word): None for word in ("", "~", "null")},
    **{(f"{_TAG}bool", word): True for word in ("true", "yes", "on")},
    **{(f"{_TAG}bool", word): False for word in ("false", "no", "off")},
}
_RESOLVERS: Final[Mapping[str, Any]] = Resolver.yaml_implicit_resolvers


class _Odd(Exception):
    """Not for here."""


class _Parser(CParser):
    """The parser of libyaml, with what `SafeLoader` resolves."""

    def descend_resolver(self, _parent: object, _index: object) -> None:
        """Tags depend on no path."""

    def ascend_resolver(self) -> None:
        """See `descend_resolver`."""

    def resolve(self, kind: type, value: str, implicit: Any) -> str:
        """The tag of a node that was given none."""
        if kind is not yaml.ScalarNode:
            return _NONE
        if implicit[0]:
            for tag, expression in _RESOLVERS.get(value[:1], ()):
                if expression.match(value):
                    return str(tag)
        return _STR


def load(text: str) -> tuple[Any, yaml.Node] | None:
    """As `canary.yamldata.load`, if the text is of the usual kind."""
    if not _LIBYAML or len(text) > MAX_SIZE or "&" in text:
        return None
    if len(_NESTS.findall(text)) > MAX_NESTING:
        return None
    try:
        node: yaml.Node | None = _Parser(text).get_single_node()
        return (_made(node, 0), node) if node is not None else None
    except (_Odd, yaml.YAMLError, ValueError):
        return None


def _made(node: yaml.Node, depth: int) -> Any:
    kind = type(node)
    if kind is yaml.ScalarNode:
        tag, value = node.tag, node.value
        return value if tag == _STR else _scalar(tag, value)
    if depth >= MAX_DEPTH or node.tag != _NONE:
        raise _Odd
    depth += 1
    if kind is yaml.SequenceNode:
        return [_made(item, depth) for item in node.value]
    out = {}
    for key, item in node.value:
        if type(key) is not yaml.ScalarNode or key.tag != _STR:
            raise _Odd
        out[key.value] = _made(item, depth)
    if len(out) < len(node.value):
        raise _Odd
    return out


def _scalar(tag: str, value: str) -> Any:
    if tag == f"{_TAG}int" and _INT.fullmatch(value):
        return int(value)
    if tag == f"{_TAG}float" and _FLOAT.fullmatch(value):
        return float(value)
    try:
        return _WORDS[tag, value.lower()]
    except KeyError:
        raise _Odd from None
