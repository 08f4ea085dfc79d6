"""Sets of domain names: the names of a feed, and the names that are allowed."""

from __future__ import annotations

import copyreg
from typing import TYPE_CHECKING, Any, Final

from .. import _core
from .._core import NameTable, SharedNameTable
from ..plan.suffix_table import suffix_table

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = [
    "ALLOW",
    "BELOW",
    "MAX_METADATA",
    "NAME_OUTCOMES",
    "SELF",
    "NameTable",
    "NameTableBuilder",
    "SharedNameTable",
]

#: Flags of a name, which can be combined: it matches itself; it matches every name below it; it is allowed, so that it
#: takes back the match of a shorter name.
SELF: Final = 1
BELOW: Final = 2
ALLOW: Final = 4

#: What may become of a name that is added, apart from that it is added:
#:
#: - ``duplicate``: it was there already. It has the flags of both and the first number. A name that one of them allows
#:   is allowed.
#: - ``public_suffix``: it is a public suffix of the ICANN or the PRIVATE section, or stands above one of the ICANN
#:   section (``kobe.jp``). It is not added as a parent, because names of many owners are below it. It is added to match
#:   itself if it has the flag `SELF`.
#: - ``single_label``, ``too_long`` (254 bytes or more), ``not_ascii``, ``address`` (an IPv4 address) and ``invalid`` (a
#:   label that is empty, longer than 63 bytes, or has other characters than letters, digits, ``-`` and ``_``): it is
#:   not added. An internationalized name is added by its A-labels.
NAME_OUTCOMES = ("duplicate", "public_suffix", "single_label", "too_long", "not_ascii", "address", "invalid")

#: Maximum number that can be given with a name.
MAX_METADATA = 2**28 - 1


class NameTableBuilder:
    """Collects names for a `NameTable`. One thread at a time may use it.

    Names are compared without regard to the case of ASCII letters. ``[.]`` and ``(.)`` count as dots, and dots at the
    ends are ignored.
    """

    __slots__ = ("_builder",)

    def __init__(self) -> None:
        self._builder = _core.NameTableBuilder(suffix_table(False), suffix_table(True))

    def __len__(self) -> int:
        return len(self._builder)

    def add(self, name: str, flags: int = SELF | BELOW, metadata: int = 0) -> str | None:
        """Add a name.

        Parameters
        ----------
        name : str
        flags : int
            Combined from `SELF`, `BELOW` and `ALLOW`; at least one of the first two.
        metadata : int
            A number that detections give back, 0 to `MAX_METADATA`. Numbers below 16 need the least memory.

        Returns
        -------
        str or None
            None if it was added as it is; otherwise one of `NAME_OUTCOMES`.

        Raises
        ------
        ValueError
            The flags or the number are not allowed, the table was built, or it would need more than 4 GiB.
        """
        _check(flags, metadata)
        outcome = self._builder.add(name.encode("utf-8", "surrogatepass"), flags, metadata)
        return None if outcome == "added" else outcome

    def add_lines(
        self, data: Buffer, flags: int = SELF | BELOW, metadata: int = 0, *, wildcard_flags: int = BELOW
    ) -> dict[str, int]:
        """Add the names of a plain list, one a line.

        Parameters
        ----------
        data : bytes-like
            Whole lines; the last one needs no newline. Spaces and tabs around names, a byte order mark, blank lines and
            comments (``#`` or ``;`` at the start of a line, or after space) are skipped. The memory that this needs
            does not depend on the sizes of lines.
        flags, metadata
            As for `add`.
        wildcard_flags : int
            The flags of a name after ``*.`` or ``.``.

        Returns
        -------
        dict
            The number of names by ``"added"`` and `NAME_OUTCOMES`, for those that occur. A line of several words counts
            as ``invalid``.

        Raises
        ------
        ValueError
            As for `add`.
        """
        _check(flags, metadata)
        _check(wildcard_flags, metadata)
        return self._builder.add_lines(data, flags, wildcard_flags, metadata)

    def build(self) -> NameTable:
        """Return the table of all names. Every later call of a method raises ValueError."""
        return self._builder.build()


def _table_of(rows: list[tuple[int, str, int, int]], networks: Any = None) -> NameTable:
    """Return the table that has these `NameTable.rows`, with the same numbers of rows, and these networks."""
    builder = _core.NameTableBuilder(suffix_table(False), suffix_table(True))
    for _, name, flags, metadata in rows:
        builder.add(name.encode("ascii"), flags, metadata)
    table = builder.build()
    return table if networks is None else table.with_networks(networks)


def _reduced(table: NameTable) -> tuple[Any, ...]:
    return _table_of, (list(table.rows()), table.networks)


# The core must not import this module.
copyreg.pickle(NameTable, _reduced)


def _check(flags: int, metadata: int) -> None:
    if not 0 < flags < 8 or not flags & (SELF | BELOW):
        raise ValueError(f"flags must be SELF, BELOW or both, with ALLOW or without, not {flags!r}")
    if not 0 <= metadata <= MAX_METADATA:
        raise ValueError(f"metadata must be a whole number from 0 to {MAX_METADATA}, not {metadata!r}")
