"""A mapping that is never changed, of which the next one costs what differs and not what there is."""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, Mapping, ValuesView
from math import isqrt
from typing import Any, Final, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_GONE: Final[Any] = object()


class Layered(Mapping[K, V]):
    """A large dict, shared with the mappings before this one, under a small one of what differs from it.

    In a dict's order, but a key that was removed and put again may stand where it stood before.
    """

    __slots__ = ("_base", "_count", "_over")

    def __init__(self, base: dict[K, V]) -> None:
        """Over `base` itself, which nobody may change from now on."""
        self._base = base
        self._over: dict[K, V] = {}
        self._count = len(base)

    def after(self, put: Mapping[K, V], removed: Iterable[K] = ()) -> Layered[K, V]:
        """The same without `removed`, where they are in it, and then with `put`."""
        base, over, count = self._base, self._over.copy(), self._count
        for key in removed:
            if _holds(base, over, key):
                over[key] = _GONE
                count -= 1
        for key, value in put.items():
            count += not _holds(base, over, key)
            over[key] = value
        # What each step copies, and how often all is copied, are in balance at about the root of the whole.
        if len(over) > 64 + 4 * isqrt(len(base)):
            return Layered(_folded(base, over))
        new = Layered(base)
        new._over, new._count = over, count
        return new

    def __getitem__(self, key: K) -> V:
        over = self._over
        if key not in over:
            return self._base[key]
        found = over[key]
        if found is _GONE:
            raise KeyError(key)
        return found

    def __contains__(self, key: object) -> bool:
        return _holds(self._base, self._over, key)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[K]:
        return (key for key, _ in self._pairs())

    def values(self) -> ValuesView[V]:
        return _Values(self)

    def items(self) -> ItemsView[K, V]:
        return _Items(self)

    def _pairs(self) -> Iterator[tuple[K, V]]:
        base, over = self._base, self._over
        if not over:
            yield from base.items()
            return
        for key, value in base.items():
            if key not in over:
                yield key, value
            elif (now := over[key]) is not _GONE:
                yield key, now
        yield from ((key, value) for key, value in over.items() if key not in base and value is not _GONE)


class _Values(ValuesView[V]):
    """Without a look-up for each key, as scans of all take it."""

    _mapping: Layered[Any, V]

    def __iter__(self) -> Iterator[V]:
        return (value for _, value in self._mapping._pairs())


class _Items(ItemsView[K, V]):
    _mapping: Layered[K, V]

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return self._mapping._pairs()


def _holds(base: Mapping[K, V], over: Mapping[K, V], key: Any) -> bool:
    return over[key] is not _GONE if key in over else key in base


def _folded(base: dict[K, V], over: dict[K, V]) -> dict[K, V]:
    # `copy`, not `dict`: that would put every item in anew where one was ever removed.
    whole = base.copy()
    for key, value in over.items():
        if value is _GONE:
            whole.pop(key, None)
        else:
            whole[key] = value
    return whole
