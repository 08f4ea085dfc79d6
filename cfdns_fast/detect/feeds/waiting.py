"""Names that are added to the table at the end of a load, because several entries may be about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .store import Store
from .values import BOTH

__all__ = ["NAME_BYTES", "WaitingName", "WaitingNames"]

#: About the memory of a name that waits.
NAME_BYTES = 200

#: Bits of a packed number: flags of indicators, flags of allow lists, and 1 more than the number of a row or group of
#: the store, 0 if there is none.
_ALLOW_SHIFT, _NUMBER_SHIFT, _FLAG_BITS = 2, 4, 15


class WaitingName(NamedTuple):
    """A name, the SELF and BELOW bits of its indicators and of allow lists, and its number in the store or -1."""

    name: str
    flags: int
    allow: int
    number: int


class WaitingNames:
    """The names with what entries say of them, in one number each."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._packed: dict[bytes, int] = {}

    def __contains__(self, name: bytes) -> bool:
        return name in self._packed

    def of(self, names: Sequence[bytes]) -> set[bytes]:
        """Return those of the names that wait."""
        return self._packed.keys() & names if self._packed else set()

    def allow(self, name: bytes, flags: int) -> None:
        """Add a name of an allow list."""
        self._packed[name] = self._packed.get(name, 0) | (flags & BOTH) << _ALLOW_SHIFT

    def add(self, name: bytes, flags: int, row: int) -> bool:
        """Add a name of an indicator with its row; return False if the name has too many rows."""
        packed = self._packed.get(name, 0)
        number = row
        if packed >> _NUMBER_SHIFT:
            joined = self._store.joined((packed >> _NUMBER_SHIFT) - 1, row)
            if joined is None:
                return False
            number = joined
        self._packed[name] = number + 1 << _NUMBER_SHIFT | (packed & _FLAG_BITS) | flags
        return True

    def take(self) -> Iterator[WaitingName]:
        """Yield all names, and forget them."""
        packed_names, self._packed = self._packed, {}
        for name, packed in packed_names.items():
            yield WaitingName(
                name.decode("ascii"),
                packed & BOTH,
                packed >> _ALLOW_SHIFT & BOTH,
                (packed >> _NUMBER_SHIFT) - 1,
            )
