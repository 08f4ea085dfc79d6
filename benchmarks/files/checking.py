"""Compare the rows of Parquet files with the correct events."""

from __future__ import annotations

import itertools
import json
from datetime import datetime
from functools import cached_property, reduce
from pathlib import Path
from typing import Any

from ..answers import expected
from .engines import COLUMNS
from .inputs import Tree, corpus_lines, positions_of


class Checker:
    """The correct row of every line. Rows are compared column by column, because there may be many millions."""

    def __init__(self) -> None:
        self.lines = corpus_lines()
        right = expected(b"".join(self.lines))
        self.source = right.source
        messages = (line.rstrip(b"\n").decode() for line in self.lines)
        #: The row of each message, and so each message once.
        self.rows = {message: _flat(json.loads(event)) for message, event in zip(messages, right.lines, strict=True)}

    def differing_rows(self, tree: Tree, output: Path) -> int:
        """Return the number of rows that are wrong, missing or there too often.

        A row with a message that no line has counts as wrong and as there too often.
        """
        import pyarrow.compute as pc
        import pyarrow.dataset

        left = self._wanted(tree)
        wrong = unknown = 0
        # The folders of the state have names that begin with an underscore, which the dataset leaves out.
        data = pyarrow.dataset.dataset(output, format="parquet")
        for batch in data.to_batches(columns=list(COLUMNS)):
            columns = {name: _plain(batch.column(name), self._table.schema.field(name).type) for name in COLUMNS}
            at = pc.index_in(columns["message"], value_set=self._messages)
            same = reduce(pc.and_, (_is_same(columns[name], self._table.column(name).take(at)) for name in COLUMNS))
            unknown += at.null_count
            wrong += batch.num_rows - (pc.sum(same).as_py() or 0)
            for each in pc.value_counts(at.drop_null()).to_pylist():
                left[each["values"]] -= each["counts"]
        return wrong + unknown + sum(map(abs, left))

    @cached_property
    def _table(self) -> Any:
        """The correct rows, in the order of `rows`."""
        import pyarrow

        times = pyarrow.timestamp("us")
        columns = {name: [row.get(name) for row in self.rows.values()] for name in COLUMNS}
        table = pyarrow.table({name: pyarrow.array(values) for name, values in columns.items()})
        return table.set_column(0, "timestamp", table.column("timestamp").cast(times)).combine_chunks()

    @cached_property
    def _messages(self) -> Any:
        return self._table.column("message").combine_chunks()

    def _wanted(self, tree: Tree) -> list[int]:
        """Return how often a tree has each row."""
        places = {message: place for place, message in enumerate(self.rows)}
        place_of = [places[line.rstrip(b"\n").decode()] for line in self.lines]
        counts = [0] * len(places)
        for start, end in itertools.chain.from_iterable(positions_of(tree, len(self.lines))):
            for place in place_of[start:end]:
                counts[place] += 1
        return counts


def _plain(column: Any, wanted: Any) -> Any:
    """Return a column with the type of the correct one: other integers, texts or times of the same values."""
    import pyarrow

    if pyarrow.types.is_timestamp(wanted) and pyarrow.types.is_timestamp(column.type):
        column = column.cast(pyarrow.timestamp("us", column.type.tz))
    if pyarrow.types.is_list(wanted) and pyarrow.types.is_dictionary(getattr(column.type, "value_type", wanted)):
        column = column.cast(pyarrow.list_(column.type.value_type.value_type))
    return column.cast(wanted)


def _is_same(one: Any, other: Any) -> Any:
    """Return for each row whether two columns are equal there, or both null."""
    import pyarrow
    import pyarrow.compute as pc

    if isinstance(other, pyarrow.ChunkedArray):
        other = other.combine_chunks()
    if pyarrow.types.is_list(one.type):
        lengths = _is_same(pc.list_value_length(one), pc.list_value_length(other))
        return pc.and_(lengths, _is_same(pc.binary_join(one, "\0"), pc.binary_join(other, "\0")))
    return pc.fill_null(pc.equal(one, other), pc.and_(pc.is_null(one), pc.is_null(other)))


def _flat(event: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {}

    def add(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, each in value.items():
                add(f"{prefix}_{key}" if prefix else key, each)
        else:
            row[prefix.lstrip("@").lower()] = value

    add("", event)
    row["timestamp"] = datetime.fromisoformat(row["timestamp"]).replace(tzinfo=None)
    return row
