"""Read objects as rows for Spark: events, rejects, or counts of objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pyarrow

from .. import InputFormatError, Normalizer, Result
from ..files import Entry, Store, StoreError
from ..files.schema import Shaper
from ..io import InputFault, read_plain

__all__ = ["OBJECTS", "REJECTS", "ObjectReader", "counts_of", "events_of", "rejects_of"]

#: Columns of rejects, as `Reject` has them.
REJECTS = pyarrow.schema(
    [
        ("input", pyarrow.string()),
        ("line", pyarrow.int64()),
        ("byte_offset", pyarrow.int64()),
        ("byte_length", pyarrow.int64()),
        ("code", pyarrow.string()),
        ("raw", pyarrow.binary()),
    ]
)

#: Columns of objects. Records are events and rejects.
OBJECTS = pyarrow.schema(
    [
        ("input", pyarrow.string()),
        ("size_bytes", pyarrow.int64()),
        ("etag", pyarrow.string()),
        ("events", pyarrow.int64()),
        ("rejects", pyarrow.int64()),
        ("blank", pyarrow.int64()),
        ("problems", pyarrow.map_(pyarrow.string(), pyarrow.int64())),
        ("fault", pyarrow.string()),
    ]
)


class ObjectReader:
    """The conversion of one object; for one thread.

    Attributes
    ----------
    fault : CfdnsError or None
        Why the object could not be read to its end; known after the last result. All complete records before the
        fault are in the results.
    """

    def __init__(self, store: Store, entry: Entry, normalizer: Normalizer) -> None:
        self._store = store
        self._entry = entry
        self._normalizer = normalizer
        self.fault: InputFault | InputFormatError | StoreError | None = None

    def results(self) -> Iterator[Result[Any]]:
        """Yield the results of the object, record batches, in order."""
        with self._normalizer.stream(output="arrow") as stream:
            try:
                with closing(self._store.open(self._entry.key, self._entry.etag)) as raw:
                    for piece in read_plain(raw):
                        yield from stream.parts(piece)
            except (InputFault, StoreError) as error:
                self.fault = error
                yield from stream.cut_parts()
            except InputFormatError as error:
                self.fault = error
            else:
                try:
                    yield from stream.parts(b"", final=True)
                except InputFormatError as error:
                    self.fault = error


def events_of(reader: ObjectReader, shaper: Shaper) -> Iterator[pyarrow.RecordBatch]:
    """Yield the events of an object in the columns of a layout."""
    for result in reader.results():
        if result.events:
            yield shaper.shape(result.output)


def rejects_of(reader: ObjectReader, name: str) -> Iterator[pyarrow.RecordBatch]:
    """Yield the rejects of an object."""
    for result in reader.results():
        if result.rejects:
            rows = [(name, *reject) for reject in result.rejects]
            yield pyarrow.RecordBatch.from_arrays([*map(list, zip(*rows, strict=True))], schema=REJECTS)


def counts_of(reader: ObjectReader, name: str, entry: Entry) -> Iterator[pyarrow.RecordBatch]:
    """Yield one row: the counts of an object, and its fault."""
    events = rejects = blank = 0
    problems: Counter[str] = Counter()
    for result in reader.results():
        events += result.events
        rejects += len(result.rejects)
        blank += result.blank
        problems.update(result.problems)
    fault = None if reader.fault is None else str(reader.fault)
    row = (name, entry.size_bytes, entry.etag, events, rejects, blank, sorted(problems.items()), fault)
    yield pyarrow.RecordBatch.from_arrays([[value] for value in row], schema=OBJECTS)
