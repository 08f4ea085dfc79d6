"""Record batches divided by the date or the hour of their events, in UTC, and the names of these partitions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Literal

from .layout import DEFAULT_PARTITION, Layout
from .schema import floor_divided

try:
    import pyarrow
    import pyarrow.compute
except ImportError as error:
    raise ImportError("Parquet files need pyarrow: pip install 'cfdns-fast[files]'", name="pyarrow") from error

__all__ = ["Hours", "PartitionKey"]

#: The number of the hour or of the day since 1970; None for events without a time.
PartitionKey = int | None

_HOUR_NS = 3_600_000_000_000
_DAY_NS = 24 * _HOUR_NS
_EPOCH = datetime(1970, 1, 1)


class Hours:
    """The partitions of a layout. Immutable; may be used by any thread.

    Parameters
    ----------
    layout : Layout
    time_column : int
        The position of the event time in batches, which is in nanoseconds. It is not used without partitions.
    """

    def __init__(self, layout: Layout, time_column: int) -> None:
        self._names = layout.partition_by
        self._time_column = time_column
        self._unit_ns = _HOUR_NS if "hour" in layout.partition_by else _DAY_NS

    def common_key(self, batch: pyarrow.RecordBatch) -> PartitionKey | Literal["mixed"]:
        """Return the partition of all rows, of which there is at least one; ``"mixed"`` if they are of several."""
        if not self._names:
            return 0
        times = batch.column(self._time_column)
        if times.null_count:
            return None if times.null_count == len(times) else "mixed"
        ends = pyarrow.compute.min_max(times)
        first: int = ends["min"].value // self._unit_ns
        return first if first == ends["max"].value // self._unit_ns else "mixed"

    def divided(self, batch: pyarrow.RecordBatch) -> Iterator[tuple[PartitionKey, Any]]:
        """Yield the rows of each partition in their order; partitions ascend, and that of no time is last."""
        keys = floor_divided(batch.column(self._time_column).cast(pyarrow.int64()), self._unit_ns)
        counts = {each["values"]: each["counts"] for each in pyarrow.compute.value_counts(keys).to_pylist()}
        # This order is stable, and nulls are last in it.
        order = pyarrow.compute.sort_indices(keys)
        start = 0
        for key in sorted(counts, key=lambda each: (each is None, each)):
            # A copy: a slice would keep the memory of the whole batch, also for a single row that waits for long.
            yield key, batch.take(order.slice(start, counts[key]))
            start += counts[key]

    def name(self, key: PartitionKey) -> str:
        """Return the folders of a partition, for example ``date=2026-08-25/hour=12``; empty without partitions."""
        if key is None or not self._names:
            return "/".join(f"{name}={DEFAULT_PARTITION}" for name in self._names)
        start = _EPOCH + timedelta(microseconds=key * self._unit_ns // 1000)
        values = {"date": f"{start:%Y-%m-%d}", "hour": f"{start:%H}", "eventDay": f"{start:%Y%m%d}"}
        return "/".join(f"{name}={values[name]}" for name in self._names)
