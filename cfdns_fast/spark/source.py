"""The data source ``cloudflare_dns`` of Spark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from typing import TYPE_CHECKING

from pyspark.sql.datasource import DataSource, DataSourceReader, DataSourceStreamReader, Filter, InputPartition

from .options import Settings, settings_of
from .partitions import Objects, RowReader, grouped, objects_of, places_of
from .pruning import Period, period_of

if TYPE_CHECKING:
    import pyarrow
    from pyspark.sql.types import StructType

__all__ = ["CloudflareDns", "EventReader"]


class CloudflareDns(DataSource):
    """Objects of Logpush as rows; `Settings` has the options. `register` registers it.

    Without a schema of the caller, the rows have all columns of the layout; with one, the columns that it names.
    """

    def __init__(self, options: MutableMapping[str, str]) -> None:
        super().__init__(options)
        self._settings = settings_of(options)

    @classmethod
    def name(cls) -> str:
        """Return the name for ``format``."""
        return "cloudflare_dns"

    def schema(self) -> StructType:
        """Return the columns that the options ask for."""
        return RowReader(self._settings).schema()

    def reader(self, schema: StructType) -> DataSourceReader:
        """Return the reader of a batch query."""
        made = PrunedReader if self._settings.pushdown else EventReader
        return made(self._settings, schema)

    def streamReader(self, schema: StructType) -> DataSourceStreamReader:
        """Return the reader of a streaming query."""
        from .stream import stream_reader

        return stream_reader(self._settings, schema)


class EventReader(DataSourceReader):
    """The rows of all objects that exist when the query is planned."""

    def __init__(self, settings: Settings, schema: StructType) -> None:
        self._settings = settings
        self._rows = RowReader(settings, schema)
        self._period = Period()

    def partitions(self) -> Sequence[InputPartition]:
        """List the objects, and group them by `Settings.group_bytes`."""
        slack = self._settings.slack
        listed = objects_of(places_of(self._settings), self._settings)
        found = (each for each in listed if self._period.may_be_in(each.entry.key, slack))
        # Spark reads a partition with the value None if there is none at all.
        return list(grouped(found, self._settings.group_bytes)) or [Objects(())]

    def read(self, partition: InputPartition) -> Iterator[pyarrow.RecordBatch]:
        """Yield the rows of a partition; called on an executor."""
        assert isinstance(partition, Objects)
        return self._rows.read(partition)


class PrunedReader(EventReader):
    """An `EventReader` that takes filters. Spark refuses it if the setting `PUSHDOWN` is off."""

    def pushFilters(self, filters: list[Filter]) -> Iterable[Filter]:
        """Remember the period that the filters leave, and return all filters, because Spark must apply them."""
        if self._settings.rows == "events":
            self._period = period_of(filters, self._rows.time_column)
        return filters
