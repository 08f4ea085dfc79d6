"""The form of Parquet files: names of columns, selection of columns, partitions and compression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["DEFAULT_PARTITION", "NAMES", "PARTITIONS", "Layout"]

#: How columns are named.
NAMES = ("underscore", "nested", "dotted")
#: The allowed values of `Layout.partition_by`. Amazon Security Lake has days in folders of the name ``eventDay``.
PARTITIONS: tuple[tuple[str, ...], ...] = (("date", "hour"), ("date",), ("eventDay",), ())
#: Hive's name for the value of events without one.
DEFAULT_PARTITION = "__HIVE_DEFAULT_PARTITION__"
#: Levels of zstd.
_MAX_COMPRESSION_LEVEL = 22


@dataclass(frozen=True, slots=True)
class Layout:
    """The form of Parquet files; ValueError if an option has a value that it cannot have.

    Immutable, hashable, and may be used by any thread. ``Layout(**layout.as_dict())`` is equal to it.

    Attributes
    ----------
    names : {"underscore", "nested", "dotted"}
        The names of columns. ``"underscore"``: the field's name in lower case, without ``@`` and with ``_`` for each
        dot (``dns_question_name``), which needs quotes in no engine. ``"nested"``: a struct for each object of the
        event (``dns.question.name`` is a member of a member of ``dns``). ``"dotted"``: the field's name, as
        `Normalizer.to_arrow` has it.
    partition_by : tuple of str
        ``("date", "hour")``, ``("date",)``, ``("eventDay",)`` or ``()``: the folders of `PartitionedOutput`, by event
        time in UTC: ``date=2026-08-25/hour=12``, ``date=2026-08-25`` or ``eventDay=20260825``.
    columns : tuple of str, optional
        The fields that are written; all if it is None. A field has its name in the event (``dns.question.name``), and
        the name of an object (``dns.question``) stands for all its fields. The order is always that of the mapping.
    without : tuple of str
        Fields that are not written, named in the same way.
    compression_level : int
        The level of zstd, 1 to 22.
    """

    names: str = "underscore"
    partition_by: tuple[str, ...] = ("date", "hour")
    columns: tuple[str, ...] | None = None
    without: tuple[str, ...] = ()
    compression_level: int = 1

    def __post_init__(self) -> None:
        if self.names not in NAMES:
            raise ValueError(f"names must be one of {', '.join(map(repr, NAMES))}, not {self.names!r}")
        partition_by = _texts("partition_by", self.partition_by)
        if partition_by not in PARTITIONS:
            allowed = ", ".join(map(repr, PARTITIONS))
            raise ValueError(f"partition_by must be one of {allowed}, not {partition_by!r}")
        level = self.compression_level
        if not isinstance(level, int) or isinstance(level, bool) or not 1 <= level <= _MAX_COMPRESSION_LEVEL:
            raise ValueError(
                f"compression_level must be a whole number from 1 to {_MAX_COMPRESSION_LEVEL}, not {level!r}"
            )
        object.__setattr__(self, "partition_by", partition_by)
        object.__setattr__(self, "without", _texts("without", self.without))
        if self.columns is not None:
            columns = _texts("columns", self.columns)
            if not columns:
                raise ValueError("columns must name at least one field")
            object.__setattr__(self, "columns", columns)

    def as_dict(self) -> dict[str, Any]:
        """Return the options by name, as JSON can hold them."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def _texts(name: str, value: object) -> tuple[str, ...]:
    """Return a sequence of texts, which may come from JSON, as a tuple."""
    texts = tuple(value) if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else None
    if texts is None or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{name} must be a sequence of names, not {value!r}")
    return texts
