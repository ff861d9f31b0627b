"""The store's other half: specs and dependencies, written when collected, read when run again.

Apart from the results because who asks for those needs no specs, and reading none is faster.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from canary.errors import CanaryError, RecordError
from canary.graph import Edge, SpecGraph
from canary.spec import JobSpec
from canary.store import Store


class Catalog(Store):
    """A store that also knows specs."""

    def specs(self, ids: Iterable[str] | None = None) -> dict[str, JobSpec]:
        """Stored specs by ID, all of them or those named."""
        sql = "select spec_id, data from specs"
        if ids is None:
            rows = self.query(sql)
        else:
            rows = [row for id in ids for row in self.query(f"{sql} where spec_id=?", (id,))]
        return {id: self._spec(data) for id, data in rows}

    def _spec(self, text: str) -> JobSpec:
        try:
            return JobSpec.fromdict(json.loads(text))
        except (ValueError, TypeError, LookupError, AttributeError, CanaryError) as e:
            raise RecordError(
                f"the store holds a test that cannot be read: {e}",
                hint="collect it again: canary run PATH; or canary doctor --rebuild",
                file=str(self.path),
            ) from None

    def edges(self) -> dict[str, tuple[Edge, ...]]:
        """All stored dependencies, those of a job in the order of its file."""
        out: dict[str, tuple[Edge, ...]] = {}
        found = "select spec_id, dep_id, condition from spec_deps order by spec_id, position"
        for id, other, when in self.query(found):
            out[id] = (*out.get(id, ()), Edge(other, when))
        return out

    def graph(self) -> SpecGraph:
        """All stored specs and their dependencies."""
        specs = self.specs()
        edges = {
            i: tuple(e for e in x if e.id in specs) for i, x in self.edges().items() if i in specs
        }
        return SpecGraph(specs, edges)


def spec_rows(
    specs: Mapping[str, JobSpec], edges: Mapping[str, Sequence[Edge]], texts: Mapping[str, str]
) -> list[tuple[str, Iterable[Sequence[Any]]]]:
    """The statements that store specs (`texts` is their JSON) and their dependencies."""
    return [
        ("insert or replace into specs values(?,?)", [(id, texts[id]) for id in specs]),
        (
            "insert or replace into specs_meta values(?,?,?)",
            [(id, spec.file, spec.result_path) for id, spec in specs.items()],
        ),
        ("delete from spec_deps where spec_id=?", [(id,) for id in specs]),
        (
            "insert into spec_deps values(?,?,?,?)",
            [(id, n, e.id, e.when) for id in specs for n, e in enumerate(edges.get(id, ()))],
        ),
    ]
