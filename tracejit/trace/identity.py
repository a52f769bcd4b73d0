"""A mapping whose keys are objects, told apart by identity."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any, TypeVar

V = TypeVar("V")


class ById(MutableMapping[Any, V]):
    """Like a dict, for keys that cannot be hashed or whose equality is something else (arrays, tracers)."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: dict[int, tuple[Any, V]] = {}

    def __getitem__(self, key: Any) -> V:
        return self._entries[id(key)][1]

    def __setitem__(self, key: Any, value: V) -> None:
        self._entries[id(key)] = (key, value)

    def __delitem__(self, key: Any) -> None:
        del self._entries[id(key)]

    def __contains__(self, key: object) -> bool:
        return id(key) in self._entries

    def __iter__(self) -> Iterator[Any]:
        return (key for key, _ in list(self._entries.values()))

    def __len__(self) -> int:
        return len(self._entries)
