"""The objects of a query: listed, in groups, and read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import pyarrow
from pyspark.sql.datasource import InputPartition

from .. import Normalizer
from ..files import Entry, FilesError, Store
from ..files.listing import Place, entries, locate
from ..files.names import Hours
from ..files.schema import Shaper, events_schema
from .events import OBJECTS, REJECTS, ObjectReader, counts_of, events_of, rejects_of
from .options import Settings
from .types import spark_schema, time_column

if TYPE_CHECKING:
    from pyspark.sql.types import StructType

__all__ = ["Objects", "RowReader", "Source", "grouped", "objects_of", "places_of"]


class Source(NamedTuple):
    """An object, and the store that has it."""

    store: Store
    entry: Entry


@dataclass
class Objects(InputPartition):
    """A partition: objects that one task of Spark reads, in order."""

    sources: tuple[Source, ...]


def places_of(settings: Settings) -> list[Place]:
    """Return where the objects of a query are; StoreError as `locate` raises it."""
    return [locate(path, settings.store_options) for path in settings.paths]


def objects_of(places: Iterable[Place], settings: Settings) -> Iterator[Source]:
    """Yield the objects of a query, sorted in each place, without those that are no logs."""
    hours = Hours(settings.since, settings.until)
    for place in places:
        for entry in entries(place, hours):
            yield Source(place.store, entry)


def grouped(sources: Iterable[Source], group_bytes: int) -> Iterator[Objects]:
    """Yield consecutive sources in groups of at most this number of stored bytes, or of one object."""
    group: list[Source] = []
    size_bytes = 0
    for source in sources:
        if group and size_bytes + source.entry.size_bytes > group_bytes:
            yield Objects(tuple(group))
            group, size_bytes = [], 0
        group.append(source)
        size_bytes += source.entry.size_bytes
    if group:
        yield Objects(tuple(group))


class RowReader:
    """Reads partitions as rows of a schema. It is sent to executors, and makes its converter there.

    Parameters
    ----------
    settings : Settings
    schema : StructType, optional
        The columns that are wanted, by name; all columns if it is None. FilesError if there is no such column, or if it
        has another type.
    """

    def __init__(self, settings: Settings, schema: StructType | None = None) -> None:
        self._settings = settings
        self._all = self._arrow_schema()
        self._names = self._all.names if schema is None else _checked(schema, spark_schema(self._all))

    @property
    def time_column(self) -> str | None:
        """The name of the column of the event's time; None if it has no column."""
        return time_column(self._all)

    def schema(self) -> StructType:
        """Return all columns that the options ask for."""
        return spark_schema(self._all)

    def read(self, partition: Objects) -> Iterator[pyarrow.RecordBatch]:
        """Yield the rows of a partition.

        Raises
        ------
        FilesError
            An object could not be read to its end, and the option ``faults`` is ``fail``.
        """
        # Spark compares the schema of a batch with its own, which has no metadata.
        schema = pyarrow.schema([self._all.field(name).remove_metadata() for name in self._names])
        for store, entry in partition.sources:
            name = f"{store.url}/{entry.key}"
            reader = ObjectReader(store, entry, _converter(self._settings)[0])
            for batch in self._batches(reader, name, entry):
                columns = [batch.column(column) for column in self._names]
                yield pyarrow.RecordBatch.from_arrays(columns, schema=schema)
            if reader.fault is not None and self._settings.faults == "fail" and self._settings.rows != "objects":
                raise FilesError("spark.fault", f"{name}: {reader.fault}") from reader.fault

    def _batches(self, reader: ObjectReader, name: str, entry: Entry) -> Iterator[pyarrow.RecordBatch]:
        if self._settings.rows == "objects":
            return counts_of(reader, name, entry)
        if self._settings.rows == "rejects":
            return rejects_of(reader, name)
        return events_of(reader, _converter(self._settings)[1])

    def _arrow_schema(self) -> pyarrow.Schema:
        if self._settings.rows == "objects":
            return OBJECTS
        return REJECTS if self._settings.rows == "rejects" else _converter(self._settings)[1].schema


@lru_cache(maxsize=4)
def _converter(settings: Settings) -> tuple[Normalizer, Shaper]:
    """Return the converter of some options. Spark uses one Python process for many partitions."""
    normalizer = settings.normalizer()
    return normalizer, Shaper(events_schema(normalizer), settings.layout())


def _checked(wanted: StructType, known: StructType) -> list[str]:
    """Return the names of the wanted columns."""
    types = {each.name: each.dataType for each in known.fields}
    for each in wanted.fields:
        if each.name not in types:
            raise FilesError("spark.option", f"cloudflare_dns has no column {each.name} with these options")
        if each.dataType != types[each.name]:
            has, asked = types[each.name].simpleString(), each.dataType.simpleString()
            raise FilesError("spark.option", f"column {each.name} of cloudflare_dns is {has}, not {asked}")
    return [each.name for each in wanted.fields]
