"""Convert a batch of any shape through one normalizer's plan."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .. import _core
from ..mapping import Mapping
from ..results import Result
from .rows import FIELD_DELIMITERS
from .sniff import HEAD_BYTES, detect, known_fields
from .tabular import RowIterator, RowPlan, collect, records_of

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["ShapedInput"]


class ShapedInput:
    """The part of a `Normalizer` that knows shapes other than NDJSON. Immutable."""

    def __init__(
        self,
        plan: _core.Converter,
        mapping: Mapping,
        reading: dict[str, Any],
        *,
        input_format: str,
        columns: tuple[str, ...] | None,
        max_record_bytes: int,
        delimiter: bytes,
        raise_on_reject: bool,
    ) -> None:
        self.plan = plan
        self.input_format = input_format
        self.row_plan: RowPlan | None = None
        self._raise_on_reject = raise_on_reject
        self._known = known_fields(mapping)
        self._columns = columns
        self._max_record_bytes = max_record_bytes
        self._delimiter = delimiter
        if input_format != "json":
            self.row_plan = RowPlan(mapping, reading, self._known, columns, max_record_bytes)

    def shape(self, head: bytes, *, complete: bool) -> str | None:
        """Return the shape of input that begins with `head`; None if more of it must be seen; see `detect`."""
        if self.input_format != "auto":
            return self.input_format
        return detect(
            head[:HEAD_BYTES],
            complete=complete and len(head) < HEAD_BYTES,
            converter=self.plan,
            known=self._known,
            columns=self._columns,
            max_record_bytes=self._max_record_bytes,
            delimiter=self._delimiter,
        )

    def to_ndjson(self, data: Buffer, threads: int) -> Result[bytes]:
        """Convert a batch; see `Normalizer.to_ndjson`."""
        shape, rows = self._shape_of(data)
        if shape == "json":
            return self.plan.to_ndjson(data, raise_on_reject=self._raise_on_reject, document=True)
        if rows is None:
            return self.plan.to_ndjson(data, raise_on_reject=self._raise_on_reject, threads=threads)
        records, rejects, blank = collect(records_of(rows, shape, _copy(data)), self._raise_on_reject)
        return replace(rows.plan.to_ndjson(records), blank=blank, rejects=rejects)

    def to_dicts(self, data: Buffer) -> Result[list[dict[str, Any]]]:
        """Convert a batch; see `Normalizer.to_dicts`."""
        shape, rows = self._shape_of(data)
        if rows is None:
            return self.plan.to_dicts(data, raise_on_reject=self._raise_on_reject, document=shape == "json")
        records, rejects, blank = collect(records_of(rows, shape, _copy(data)), self._raise_on_reject)
        return replace(rows.plan.to_dicts(records), blank=blank, rejects=rejects)

    def to_arrow(self, data: Buffer, threads: int) -> Result[Any]:
        """Convert a batch; see `Normalizer.to_arrow`."""
        from .. import arrow

        shape, rows = self._shape_of(data)
        if rows is None:
            return arrow.convert(
                self.plan, data, raise_on_reject=self._raise_on_reject, threads=threads, document=shape == "json"
            )
        records, rejects, blank = collect(records_of(rows, shape, _copy(data)), self._raise_on_reject)
        return replace(arrow.convert(rows.plan, records), blank=blank, rejects=rejects)

    def iter_dicts(self, data: Buffer) -> _core.EventIterator | RowIterator:
        """Convert a batch lazily; see `Normalizer.iter_dicts`."""
        shape, rows = self._shape_of(data)
        if rows is None:
            return self.plan.iter_dicts(data, raise_on_reject=self._raise_on_reject, document=shape == "json")
        return RowIterator(rows, shape, _copy(data), raise_on_reject=self._raise_on_reject)

    def _shape_of(self, data: Buffer) -> tuple[str, RowPlan | None]:
        head = _core.first_bytes(data, HEAD_BYTES, skip_padding=True)
        shape = self.shape(head, complete=True)
        assert shape is not None
        return shape, self.row_plan if shape in FIELD_DELIMITERS else None


def _copy(data: Buffer) -> bytes:
    return data if isinstance(data, bytes) else bytes(memoryview(data))
