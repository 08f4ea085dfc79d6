"""Counts of values in bounded memory: exact up to a number of different values, then with an error that is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .arrow_library import compute, pyarrow, whole

__all__ = ["MAX_DISTINCT", "ValueCounts"]

#: The number of different values above which the rarest ones are dropped.
MAX_DISTINCT = 1_000_000
#: The bytes of all values above which the same happens.
MAX_BYTES = 128 << 20
#: Rows that wait for the next merge; merging few rows is not worth its costs.
_MIN_PENDING_ROWS = 1 << 17

_COUNT = "count"


class ValueCounts:
    """The number of times of each value; a value may have several columns. Use it on one thread at a time.

    Batches of counts wait until they are as many as the values that are kept, and are merged then. If there are more
    than `max_distinct` values after that, the rarest are dropped, until at most half are left, and the count up to
    which values were dropped is added to `max_error`. A value that comes again begins at 0, so a count is too low by at
    most `max_error`.

    Parameters
    ----------
    keys : tuple of str
        The names of the columns of a value, whose type is text.
    max_distinct : int
        As `MAX_DISTINCT`.
    on_drop : callable, optional
        Called with a table of the values that are dropped.

    Attributes
    ----------
    max_error : int
        The greatest number by which a count is too low.
    dropped : int
        The number of values that were dropped. A value that was dropped twice counts twice.
    """

    def __init__(
        self,
        keys: tuple[str, ...] = ("value",),
        max_distinct: int = MAX_DISTINCT,
        on_drop: Callable[[Any], None] | None = None,
    ) -> None:
        self.max_error = 0
        self.dropped = 0
        self._keys = keys
        self._max_distinct = max_distinct
        self._on_drop = on_drop
        schema = pyarrow.schema([*((key, pyarrow.string()) for key in keys), (_COUNT, pyarrow.int64())])
        self._kept = pyarrow.Table.from_batches([], schema)
        self._pending: list[Any] = []
        self._pending_rows = self._pending_bytes = 0

    def add(self, *columns: Any) -> None:
        """Add a batch: the columns of values, and the column of their counts. Values may be repeated."""
        batch = pyarrow.RecordBatch.from_arrays(list(columns), schema=self._kept.schema)
        if batch.num_rows:
            self._pending.append(batch)
            self._pending_rows += batch.num_rows
            self._pending_bytes += batch.nbytes
            if self._pending_rows > max(self._kept.num_rows, _MIN_PENDING_ROWS) or self._pending_bytes > MAX_BYTES:
                self._merge()

    def table(self) -> Any:
        """Return all values that are kept, with the column ``count``."""
        self._merge()
        return self._kept

    def distinct(self) -> int:
        """Return the number of different values, which is too high if values that were dropped came again."""
        self._merge()
        return int(self._kept.num_rows) + self.dropped

    def top(self, count: int) -> list[tuple[str, int]]:
        """Return the most frequent values of the first column and their counts; equal counts are sorted by value."""
        return top_rows(self.table(), self._keys[0], count)

    def _merge(self) -> None:
        if not self._pending:
            return
        joined = pyarrow.concat_tables([self._kept, pyarrow.Table.from_batches(self._pending)])
        self._pending, self._pending_rows, self._pending_bytes = [], 0, 0
        grouped = joined.group_by(list(self._keys), use_threads=False).aggregate([(_COUNT, "sum")])
        counts = grouped.column(f"{_COUNT}_sum")
        self._kept = pyarrow.Table.from_arrays([*map(grouped.column, self._keys), counts], schema=self._kept.schema)
        max_rows = self._max_distinct
        if self._kept.nbytes > MAX_BYTES:
            max_rows = min(max_rows, max(1, self._kept.num_rows * MAX_BYTES // self._kept.nbytes))
        if self._kept.num_rows > max_rows:
            self._drop(max_rows // 2)

    def _drop(self, max_rows: int) -> None:
        """Drop the values with the lowest counts, so that at most `max_rows` are left."""
        counts = self._kept.column(_COUNT)
        limit = _limit_of(counts, max_rows)
        limit_scalar = whole(limit)
        above = self._kept.filter(compute.greater(counts, limit_scalar))
        equal = self._kept.filter(compute.equal(counts, limit_scalar))
        room = max_rows - above.num_rows
        rest = pyarrow.concat_tables([self._kept.filter(compute.less(counts, limit_scalar)), equal.slice(room)])
        self._kept = pyarrow.concat_tables([above, equal.slice(0, room)])
        self.max_error += limit
        self.dropped += rest.num_rows
        if self._on_drop is not None:
            self._on_drop(rest)


def top_rows(table: Any, key: str, count: int) -> list[tuple[str, int]]:
    """Return the values of one column with the greatest counts; equal counts are sorted by value."""
    counts = table.column(_COUNT)
    if not table.num_rows or count < 1:
        return []
    if table.num_rows > count:
        limit = counts.take(compute.top_k_unstable(counts, count)[-1:])[0]
        above = table.filter(compute.greater(counts, limit))
        equal = table.filter(compute.equal(counts, limit))
        first = compute.bottom_k_unstable(equal.column(key), count - above.num_rows)
        table = pyarrow.concat_tables([above, equal.take(first)])
    rows = zip(table.column(key).to_pylist(), table.column(_COUNT).to_pylist(), strict=True)
    return sorted(rows, key=lambda row: (-row[1], row[0]))


def _limit_of(counts: Any, max_rows: int) -> int:
    """Return the lowest count that is in the counts and above which there are at most `max_rows` values."""
    found = compute.value_counts(counts)
    pairs = zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True)
    limit, rows = 0, 0
    for value, number in sorted(pairs, reverse=True):
        rows += number
        if rows > max_rows:
            limit = value
            break
    return limit
