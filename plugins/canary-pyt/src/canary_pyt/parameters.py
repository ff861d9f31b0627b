"""How a test sees parameters: `p.name`, `p["name"]`, `p["a,b"]`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, NoReturn


class Parameters:
    """The parameters of one job. Equal to a dict of the same items; not iterable, by contract."""

    __slots__ = ("_data",)

    def __init__(self, data: Mapping[str, Any]) -> None:
        object.__setattr__(self, "_data", dict(data))

    def __getitem__(self, key: str | Sequence[str]) -> Any:
        data: dict[str, Any] = self._data
        if isinstance(key, str):
            if key in data or "," not in key:
                return data[key]
            key = [k.strip() for k in key.split(",")]
        return self._several(key)

    def _several(self, keys: Sequence[str]) -> tuple[Any, ...]:
        return tuple(self._data[k] for k in keys)

    def __getattr__(self, name: str) -> Any:
        if name != "_data" and name in self._data:
            return self._data[name]
        raise AttributeError(f"{type(self).__name__} object has no attribute {name!r}")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"parameters cannot be changed: {name}")

    def __contains__(self, key: object) -> bool:
        return key in self._data

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Parameters):
            return bool(self._data == other._data)
        return bool(self._data == other)

    def __hash__(self) -> int:
        return hash(tuple(self._data))

    def __iter__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} object is not iterable; use keys(), values() or items()"
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self._data.items())})"

    def __dir__(self) -> list[str]:
        return [*object.__dir__(self), *self._data]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._data,)

    def items(self) -> Iterable[tuple[str, Any]]:
        """Pairs of name and value."""
        return self._data.items()  # type: ignore[no-any-return]  # of the dict that __init__ made

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._data.keys()  # type: ignore[no-any-return]  # as above

    def values(self) -> Iterable[Any]:
        """The values."""
        return self._data.values()  # type: ignore[no-any-return]  # as above

    def get(self, key: str, default: Any = None) -> Any:
        """A parameter, or the default."""
        return self._data.get(key, default)

    def asdict(self) -> dict[str, Any]:
        """A dict of one's own."""
        return dict(self._data)


class MultiParameters(Parameters):
    """The parameters of a composite base case: for each name the values of all children."""

    __slots__ = ()

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> MultiParameters:
        """Collect those of the children."""
        table: dict[str, list[Any]] = {}
        for row in rows:
            for key, value in row.items():
                table.setdefault(key, []).append(value)
        return cls({key: tuple(values) for key, values in table.items()})

    def _several(self, keys: Sequence[str]) -> tuple[Any, ...]:
        return tuple(zip(*(self._data[k] for k in keys), strict=True))
