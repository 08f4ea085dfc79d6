"""Parquet files: settings, row groups, equal bytes, and faults of the disk."""

from __future__ import annotations

import gc
import io
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow", reason="Parquet files are written by pyarrow")

import pyarrow as pa
import pyarrow.parquet as pq

import cfdns_fast
from cfdns_fast import Normalizer
from cfdns_fast.files import parquet
from cfdns_fast.files.layout import Layout
from cfdns_fast.files.parquet import ParquetOutput


def lines(count: int, start: int = 0) -> bytes:
    return b"".join(
        b'{"QueryName":"n%d.example.com","SourceIP":"192.0.2.%d","Timestamp":%d}\n' % (each, each % 256, each)
        for each in range(start, start + count)
    )


def batch_of(count: int, start: int = 0) -> Any:
    return Normalizer().to_arrow(lines(count, start)).output


def written(*batches: Any, layout: Layout | None = None, metadata: dict[str, str] | None = None) -> bytes:
    file = io.BytesIO()
    output = ParquetOutput(file, Normalizer(), layout or Layout(), metadata)
    for batch in batches:
        output.write(batch)
    assert output.close() == sum(batch.num_rows for batch in batches)
    assert not file.closed
    return file.getvalue()


def read(data: bytes) -> pq.ParquetFile:
    return pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP_ROWS", 100)


def test_file_has_the_settings_and_metadata() -> None:
    file = read(written(batch_of(50), metadata={"task": "t-1", "schema": "sekoia"}))
    assert file.read().num_rows == 50
    wanted = {b"cfdns_fast.version": cfdns_fast.__version__, b"cfdns_fast.task": "t-1", b"cfdns_fast.schema": "sekoia"}
    assert {key: file.metadata.metadata.get(key) for key in wanted} == {
        key: text.encode() for key, text in wanted.items()
    }
    assert file.schema_arrow.field("dns_question_name").metadata == {b"ecs": b"dns.question.name"}
    group = file.metadata.row_group(0)
    for position in range(group.num_columns):
        column = group.column(position)
        assert column.compression == "ZSTD" and column.is_stats_set
        assert column.has_offset_index and column.has_column_index
        assert column.has_dictionary_page or column.physical_type == "BOOLEAN"
    assert file.metadata.format_version == "2.6"


def test_level_of_compression_has_effect() -> None:
    batch = batch_of(3000)
    assert written(batch, layout=Layout(compression_level=15)) != written(batch)


def group_rows(file: pq.ParquetFile) -> list[int]:
    return [file.metadata.row_group(each).num_rows for each in range(file.metadata.num_row_groups)]


@pytest.mark.parametrize("sizes", [[250], [100, 100, 50], [99, 1, 101, 49], [0, 250, 0], [30, 220], [200, 0, 50]])
def test_row_groups_are_independent_of_batches(sizes: list[int], small_groups: None) -> None:
    starts = [sum(sizes[:position]) for position in range(len(sizes))]
    file = read(written(*[batch_of(size, start) for size, start in zip(sizes, starts, strict=True)]))
    assert group_rows(file) == [100, 100, 50]
    assert file.read()["dns_question_name"].to_pylist() == [f"n{each}.example.com" for each in range(250)]


def test_long_records_make_smaller_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "GROUP_BYTES", 200_000)
    long = b'{"QueryName":"a.example","x":"%s"}\n' % (b"x" * 100_000)
    batch = Normalizer().to_arrow(long).output
    assert group_rows(read(written(*[batch] * 5))) == [2, 2, 1]


@pytest.mark.slow
def test_a_large_file_has_groups_of_131072_rows() -> None:
    batch = batch_of(50_000)
    assert group_rows(read(written(*[batch] * 6))) == [131_072, 131_072, 300_000 - 2 * 131_072]


def test_equal_batches_make_equal_files() -> None:
    made = {written(batch_of(300), batch_of(200, 300), metadata={"task": "a"}) for _ in range(3)}
    assert len(made) == 1
    assert written(batch_of(300), batch_of(200, 300), metadata={"task": "b"}) not in made


def test_file_without_rows_is_valid() -> None:
    for batches in ([], [batch_of(0)]):
        file = read(written(*batches))
        assert file.metadata.num_rows == 0 and len(file.schema_arrow) > 10


class FullDisk:
    """A file that takes so many bytes."""

    def __init__(self, limit_bytes: int) -> None:
        self.left_bytes = limit_bytes

    def write(self, data: bytes) -> int:
        self.left_bytes -= len(data)
        if self.left_bytes < 0:
            raise OSError(28, "No space left on device")
        return len(data)


@pytest.mark.parametrize("limit_bytes", [0, 3_000, 20_000])
def test_full_disk_is_an_error_and_nothing_follows(limit_bytes: int, small_groups: None) -> None:
    disk = FullDisk(limit_bytes)
    output = ParquetOutput(disk, Normalizer(), Layout())
    with pytest.raises(OSError, match="No space left") as raised:
        for start in range(0, 10_000, 100):
            output.write(batch_of(100, start))
        output.close()
    assert raised.value.errno == 28
    left = disk.left_bytes
    output.discard()
    del output, raised
    gc.collect()
    assert disk.left_bytes == left


def test_output_that_is_dropped_writes_no_footer(tmp_path: Path, small_groups: None) -> None:
    path = tmp_path / "a.parquet"
    with open(path, "wb") as file:
        output = ParquetOutput(file, Normalizer(), Layout())
        output.write(batch_of(150))
    size = path.stat().st_size
    # The file is closed now; an error would be a warning, which pytest reports.
    del output
    gc.collect()
    assert path.stat().st_size == size
    with pytest.raises(pa.ArrowInvalid):
        pq.read_metadata(path)
