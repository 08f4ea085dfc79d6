"""The stream reader of the data source ``cloudflare_dns``.

An offset is the number of a step of the `Journal`, with its mark. Spark writes offsets to its checkpoint before it
reads them, so a query that is killed repeats its last step with the same objects. The mark shows whether the journal
was lost or replaced: the steps of another one have other objects, and some objects would never be read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pyspark.sql.datasource import DataSourceStreamReader, InputPartition

from ..files import Entry, FilesError, StoreError, open_store
from .journal import Journal
from .options import Settings
from .partitions import Objects, RowReader, Source, grouped, objects_of, places_of

if TYPE_CHECKING:
    import pyarrow
    from pyspark.sql.types import StructType

try:
    # From Spark 4.2 on, a source can limit a micro-batch, and be read up to what exists now.
    from pyspark.sql.streaming.datasource import ReadLimit, ReadMaxBytes, SupportsTriggerAvailableNow
except ImportError:
    ReadLimit = ReadMaxBytes = SupportsTriggerAvailableNow = object

__all__ = ["stream_reader"]

_STEP = "step"
_MARK = "mark"


def stream_reader(settings: Settings, schema: StructType) -> DataSourceStreamReader:
    """Return the reader for this version of Spark; FilesError if an option is missing or a column is not known."""
    made = _UnlimitedReader if ReadMaxBytes is object else _LimitedReader
    return made(settings, schema)


class _JournaledReader(DataSourceStreamReader):
    """The rows of objects, each once: the part that all versions of Spark have in common."""

    def __init__(self, settings: Settings, schema: StructType) -> None:
        if settings.state is None:
            raise FilesError(
                "spark.option", "a stream of cloudflare_dns needs the option state: a folder for its journal"
            )
        self._settings = settings
        self._rows = RowReader(settings, schema)
        self._opened: Journal | None = None

    def initialOffset(self) -> dict[str, Any]:
        """Return the offset before the first step."""
        return {_STEP: 0, _MARK: ""}

    def partitions(self, start: dict[str, Any], end: dict[str, Any]) -> Sequence[InputPartition]:
        """Return the objects of the steps after `start`, up to `end`, in groups."""
        journal = self._journal()
        journal.catch_up()
        first, last = (self._checked(offset, journal) for offset in (start, end))
        stores = {place.store.url: place.store for place in places_of(self._settings)}
        found = []
        for source, entry in journal.objects(first + 1, last):
            if source not in stores:
                raise FilesError(
                    "spark.state", f"{self._settings.state}: the journal has objects of {source}, which is not read now"
                )
            found.append(Source(stores[source], entry))
        return list(grouped(found, self._settings.group_bytes))

    def read(self, partition: InputPartition) -> Iterator[pyarrow.RecordBatch]:
        """Yield the rows of a partition; called on an executor."""
        assert isinstance(partition, Objects)
        return self._rows.read(partition)

    def _checked(self, offset: dict[str, Any], journal: Journal) -> int:
        """Return the step of an offset; FilesError if it is not one of this journal."""
        step: int = offset[_STEP]
        if step > journal.steps or journal.mark(step) != offset[_MARK]:
            raise FilesError(
                "spark.state",
                f"{self._settings.state}: this is not the journal of the checkpoint, which has step {step}; "
                "begin again with an empty journal and another checkpoint",
            )
        return step

    def _offset(self, step: int) -> dict[str, Any]:
        return {_STEP: step, _MARK: self._journal().mark(step)}

    def _extended(self) -> Journal:
        """Return the journal with a step for all objects that exist now."""
        journal = self._journal()
        journal.extend(self._listed(), self._settings.max_bytes)
        return journal

    def _listed(self) -> Iterator[tuple[str, Entry]]:
        """Yield all objects that exist now. The lack of any is an error at the start of a stream only."""
        for place in places_of(self._settings):
            try:
                for store, entry in objects_of([place], self._settings):
                    yield store.url, entry
            except StoreError as error:
                if error.code != "store.missing" or not self._journal().steps:
                    raise

    def _journal(self) -> Journal:
        if self._opened is None:
            assert self._settings.state is not None
            store = open_store(self._settings.state, self._settings.store_options, create=True)
            if not store.has_conditional_writes():
                raise FilesError(
                    "spark.state", f"{store.url}: the store ignores If-None-Match, so it cannot hold a journal"
                )
            self._opened = Journal(store)
        return self._opened


class _UnlimitedReader(_JournaledReader):
    """A stream for Spark 4.1: a micro-batch has all objects that are new."""

    def latestOffset(self) -> dict[str, Any]:
        """List the objects, and return the offset of the last step."""
        return self._offset(self._extended().steps)


class _LimitedReader(_JournaledReader, SupportsTriggerAvailableNow):
    """A stream with micro-batches of at most `Settings.max_bytes`, also for Trigger.AvailableNow."""

    _last: int | None = None

    def prepareForTriggerAvailableNow(self) -> None:
        """Remember the last step of what exists now."""
        self._last = self._extended().steps

    def getDefaultReadLimit(self) -> ReadLimit:
        """Return the limit that makes a step a micro-batch."""
        return ReadMaxBytes(self._settings.max_bytes)

    def latestOffset(self, start: dict[str, Any], limit: ReadLimit) -> dict[str, Any]:
        """Return the offset of the next step, or of the last one if there is no limit."""
        last = self._extended().steps if self._last is None else self._last
        first = self._checked(start, self._journal())
        if isinstance(limit, ReadMaxBytes):
            last = min(last, first + 1)
        return self._offset(max(last, first))
