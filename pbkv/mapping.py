"""The store as a mapping, for those who like dictionaries."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, MutableMapping, ValuesView
from typing import TYPE_CHECKING, Final, TypeVar, overload

from .errors import Invalid

if TYPE_CHECKING:
    from .client import Client

D = TypeVar("D")
_NONE: Final = object()


class StoreMapping(MutableMapping[str, str]):
    """Keys and values of a store; with a prefix only the keys that begin with it, without the prefix.

    ``m[k]``, ``m[k] = v``, ``del m[k]``, ``k in m`` and ``m.get(k)`` are one linearizable call each. What
    goes through all keys (``for``, ``len``, ``keys``, ``values``, ``items``, ``==``) is one listing, so it
    shows the store as it was at one point of the order; the views that ``keys``, ``values`` and ``items``
    return stay as they are then. ``dict(m)`` would read key by key, and ``list(m)`` list twice, the second
    time for the length: write ``m.snapshot()``, or ``dict(m.items())``.

    What reads and then writes is two calls, and others may write in between:

    * ``pop`` and ``popitem`` read, then delete. Of two that pop one key at the same time one gets it, the
      other ``KeyError``; a value written between the two calls is deleted unseen.
    * ``setdefault`` reads, then writes. Of two at the same time both may write, and the later one stays.
    * ``update`` is a call for each key, ``clear`` a listing and a call for each key.

    Raises ``StoreError`` as the client does, ``KeyError`` for a missing key.
    """

    def __init__(self, client: Client, prefix: str = "") -> None:
        self._client = client
        self._prefix = prefix

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self._client.nodes)}, prefix={self._prefix!r})"

    def __getitem__(self, key: str) -> str:
        value = self._client.get(self._prefix + key).value
        if value is None:
            raise KeyError(key)
        return value

    def __setitem__(self, key: str, value: str) -> None:
        self._client.put(self._prefix + key, value)

    def __delitem__(self, key: str) -> None:
        if not self._client.delete(self._prefix + key).existed:
            raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        if not isinstance(key, str):
            return False
        try:
            return self._client.get(self._prefix + key).value is not None
        except Invalid:
            return False  # no store has such a key

    def snapshot(self) -> dict[str, str]:
        """All keys and values at one point of the order."""
        items = self._client.items().items
        if not self._prefix:
            return items
        start = len(self._prefix)
        return {key[start:]: value for key, value in items.items() if key.startswith(self._prefix)}

    def __iter__(self) -> Iterator[str]:
        return iter(self.snapshot())

    def __len__(self) -> int:
        return len(self.snapshot())

    # A view of `collections.abc` asks its mapping anew for each key. Over a dict it shows one moment.

    def keys(self) -> KeysView[str]:
        return self.snapshot().keys()

    def values(self) -> ValuesView[str]:
        return self.snapshot().values()

    def items(self) -> ItemsView[str, str]:
        return self.snapshot().items()

    @overload
    def pop(self, key: str, /) -> str: ...
    @overload
    def pop(self, key: str, /, default: str) -> str: ...
    @overload
    def pop(self, key: str, /, default: D) -> str | D: ...
    def pop(self, key: str, /, default: object = _NONE) -> object:
        """Read and delete a key. Not atomic; but what somebody else has deleted meanwhile is not returned."""
        value = self._client.get(self._prefix + key).value
        if value is not None and self._client.delete(self._prefix + key).existed:
            return value
        if default is not _NONE:
            return default
        raise KeyError(key)

    def popitem(self) -> tuple[str, str]:
        """Read and delete some key. Not atomic, as ``pop``."""
        for key in self.snapshot():
            try:
                return key, self.pop(key)
            except KeyError:
                continue  # somebody else had it
        raise KeyError("there are no keys")

    def clear(self) -> None:
        """Delete all keys of one listing; what is written meanwhile stays."""
        for key in self.snapshot():
            self._client.delete(self._prefix + key)
