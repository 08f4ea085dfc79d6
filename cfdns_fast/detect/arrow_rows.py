"""Make the event of a row of a record batch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow

__all__ = ["event_of_row"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DETECTION_COLUMN = "cfdns.detection"


def event_of_row(batch: pyarrow.RecordBatch, row: int) -> dict[str, Any]:
    """Return the event as `Normalizer.to_dicts` returns it, except that times have nine decimal places."""
    import pyarrow

    event: dict[str, Any] = {}
    for name in batch.column_names:
        if name == _DETECTION_COLUMN:
            continue
        cell = batch.column(name)[row]
        if not cell.is_valid:
            continue
        value = _time_text(cell.value) if pyarrow.types.is_timestamp(cell.type) else cell.as_py()
        *parents, last = name.split(".")
        inner = event
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[last] = value
    return event


def _time_text(time_ns: int) -> str:
    seconds, rest_ns = divmod(time_ns, 10**9)
    return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}.{rest_ns:09}Z"
