"""Parquet files by event time: folders, order of rows, limits of memory and of files, and faults."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow", reason="Parquet files are written by pyarrow")

import pyarrow.parquet as pq
from support.parquet_rows import present, row_of

from cfdns_fast import Normalizer
from cfdns_fast.files import part_file, partitions
from cfdns_fast.files.layout import Layout
from cfdns_fast.files.partitions import Part, PartitionedOutput

HOUR_S = 3600
START_S = 1_787_616_000  # 2026-08-25T00:00:00Z


class Opened:
    """Makes temporary files, and remembers for which partitions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.partitions: list[str] = []

    def __call__(self, partition: str) -> str:
        self.partitions.append(partition)
        return str(self.folder / f"{len(self.partitions)}.tmp")


def lines(times: list[Any]) -> bytes:
    """Return a record for each time."""
    records = [{"QueryName": f"n{number}.example", "Timestamp": time} for number, time in enumerate(times)]
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def write(folder: Path, data: bytes, layout: Layout | None = None, pieces: int = 1) -> list[Part]:
    folder.mkdir(exist_ok=True)
    normalizer = Normalizer()
    output = PartitionedOutput(normalizer, layout or Layout(), {"task": "t"}, Opened(folder))
    rows = data.splitlines(keepends=True)
    size = -(-len(rows) // pieces) or 1
    for start in range(0, len(rows), size):
        output.write(normalizer.to_arrow(b"".join(rows[start : start + size])).output)
    return output.finish()


def folder_of(event: dict[str, Any], layout: Layout) -> str:
    """Return the partition of an event, from its text."""
    time = event.get("@timestamp")
    values = {"date": time[:10] if time else None, "hour": time[11:13] if time else None}
    return "/".join(f"{name}={values[name] or '__HIVE_DEFAULT_PARTITION__'}" for name in layout.partition_by)


def assert_exact(parts: list[Part], data: bytes, layout: Layout) -> None:
    """Check that each event is in the file of its partition, in the order of the input."""
    wanted: dict[str, list[Any]] = {}
    for line in Normalizer().to_ndjson(data).output.splitlines():
        event = json.loads(line)
        wanted.setdefault(folder_of(event, layout), []).append(row_of(event, layout.names))
    found: dict[str, list[Any]] = {}
    for part in parts:
        file = pq.ParquetFile(part.path)
        assert file.metadata.num_rows == part.rows and Path(part.path).stat().st_size == part.size_bytes
        found.setdefault(part.partition, []).extend(present(row) for row in file.read().to_pylist())
    assert found == wanted


def times_over_hours(count: int, seed: int = 1) -> list[Any]:
    draw = random.Random(seed)
    return [draw.choice([None, "bad", START_S + draw.randrange(30 * HOUR_S)]) for _ in range(count)]


@pytest.mark.parametrize("partition_by", [("date", "hour"), ("date",), ()])
@pytest.mark.parametrize("pieces", [1, pytest.param(40, marks=pytest.mark.slow)])
def test_each_event_is_in_its_partition(partition_by: tuple[str, ...], pieces: int, tmp_path: Path) -> None:
    layout = Layout(partition_by=partition_by)
    data = lines(times_over_hours(120))
    parts = write(tmp_path, data, layout, pieces)
    assert all(part.number == 1 for part in parts)
    assert [part.partition for part in parts] == sorted({part.partition for part in parts})
    assert_exact(parts, data, layout)


@pytest.mark.parametrize(
    ("times", "partitions_of"),
    [
        ([START_S], ["date=2026-08-25/hour=00"]),
        ([START_S - 1, START_S], ["date=2026-08-24/hour=23", "date=2026-08-25/hour=00"]),
        ([START_S + HOUR_S - 1, START_S], ["date=2026-08-25/hour=00"]),
        (["2026-08-25T23:59:59.999999999Z"], ["date=2026-08-25/hour=23"]),
        (["1969-12-31T23:59:59.9999999Z"], ["date=1969-12-31/hour=23"]),
        (["1969-12-31T23:59:59.9999999Z", 0], ["date=1969-12-31/hour=23", "date=1970-01-01/hour=00"]),
        (["1677-09-21T00:12:43.145225Z"], ["date=1677-09-21/hour=00"]),
        (["2262-04-11T23:47:16.8547758Z"], ["date=2262-04-11/hour=23"]),
        ([None, None], ["date=__HIVE_DEFAULT_PARTITION__/hour=__HIVE_DEFAULT_PARTITION__"]),
        ([], []),
    ],
)
def test_partition_has_this_name(times: list[Any], partitions_of: list[str], tmp_path: Path) -> None:
    parts = write(tmp_path, lines(times))
    assert [part.partition for part in parts] == partitions_of
    assert sum(part.rows for part in parts) == len(times)


def test_time_that_is_not_written_divides_events(tmp_path: Path) -> None:
    parts = write(tmp_path, lines([START_S, START_S + HOUR_S]), Layout(without=("@timestamp",)))
    assert [part.partition for part in parts] == ["date=2026-08-25/hour=00", "date=2026-08-25/hour=01"]
    assert "timestamp" not in pq.read_schema(parts[0].path).names


def test_partitions_are_not_columns(tmp_path: Path) -> None:
    (part,) = write(tmp_path, lines([START_S]))
    assert not {"date", "hour"} & set(pq.read_schema(part.path).names)


def test_equal_input_makes_equal_files(tmp_path: Path) -> None:
    data = lines(times_over_hours(100))
    first, second = (write(tmp_path / name, data, None, 7) for name in "ab")
    assert [part[:2] for part in first] == [part[:2] for part in second]
    for one, other in zip(first, second, strict=True):
        assert Path(one.path).read_bytes() == Path(other.path).read_bytes()


@pytest.fixture
def low_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_file, "ROW_GROUP_ROWS", 50)
    monkeypatch.setattr(partitions, "_MAX_WAITING_ROWS", 100)
    monkeypatch.setattr(partitions, "_MAX_FILES", 10)
    monkeypatch.setattr(partitions, "_MAX_GROUPS", 20)
    monkeypatch.setattr(partitions, "_MIXED_ROWS", 30)


@pytest.mark.parametrize("pieces", [4, *(pytest.param(each, marks=pytest.mark.slow) for each in (1, 60))])
def test_limits_lose_no_event(pieces: int, low_limits: None, tmp_path: Path) -> None:
    data = lines(times_over_hours(400))
    parts = write(tmp_path, data, None, pieces)
    assert len({part[:2] for part in parts}) == len(parts)
    numbers = Counter(part.partition for part in parts)
    assert max(numbers.values()) > 1
    for partition, count in numbers.items():
        assert [part.number for part in parts if part.partition == partition] == list(range(1, count + 1))
    assert_exact(parts, data, Layout())


def test_waiting_rows_and_files_are_limited(low_limits: None, tmp_path: Path) -> None:
    normalizer = Normalizer()
    opened = Opened(tmp_path)
    output = PartitionedOutput(normalizer, Layout(), None, opened)
    for seed in range(6):
        output.write(normalizer.to_arrow(lines(times_over_hours(40, seed))).output)
        waiting = [file.waiting.rows for file in output._files.values()]
        assert sum(waiting) <= 100 and len(waiting) <= 10
        assert sum(file.groups for file in output._files.values()) <= 20
    output.discard()
    assert list(tmp_path.iterdir()) == []


def test_long_records_are_limited(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(partitions, "_MAX_WAITING_BYTES", 1)
    normalizer = Normalizer()
    opened = Opened(tmp_path)
    output = PartitionedOutput(normalizer, Layout(), None, opened)
    for hour in range(2):
        output.write(normalizer.to_arrow(lines([START_S + hour * HOUR_S])).output)
    assert opened.partitions == ["date=2026-08-25/hour=00", "date=2026-08-25/hour=01"]
    output.discard()


def test_largest_partition_gets_a_row_group(low_limits: None, tmp_path: Path) -> None:
    normalizer = Normalizer()
    opened = Opened(tmp_path)
    output = PartitionedOutput(normalizer, Layout(), None, opened)
    for hour, count in ((0, 40), (1, 45), (2, 20)):
        output.write(normalizer.to_arrow(lines([START_S + hour * HOUR_S] * count)).output)
    assert opened.partitions == ["date=2026-08-25/hour=01"]
    assert sorted(part.rows for part in output.finish()) == [20, 40, 45]


def test_sequence_of_hours_has_a_file_an_hour(low_limits: None, tmp_path: Path) -> None:
    parts = write(tmp_path, lines([START_S + number * HOUR_S // 4 for number in range(80)]), None, 10)
    assert len(parts) == 20 and all(part.number == 1 and part.rows == 4 for part in parts)


def test_row_groups_are_limited(low_limits: None, tmp_path: Path) -> None:
    data = lines([START_S] * 50 * 45)
    parts = write(tmp_path, data, None, 9)
    assert [(part.number, part.rows // 50) for part in parts] == [(1, 25), (2, 20)]
    assert_exact(parts, data, Layout())


def test_rows_of_mixed_batches_come_before_later_ones(tmp_path: Path) -> None:
    data = lines([START_S, START_S + HOUR_S, START_S + 1, START_S + HOUR_S + 1, START_S + 2, START_S + 3])
    # The first two batches have events of two hours, and the last one has not.
    assert_exact(write(tmp_path, data, None, 3), data, Layout())


# Faults


def test_discard_removes_all_files(low_limits: None, tmp_path: Path) -> None:
    normalizer = Normalizer()
    output = PartitionedOutput(normalizer, Layout(), None, Opened(tmp_path))
    for seed in range(3):
        output.write(normalizer.to_arrow(lines(times_over_hours(40, seed))).output)
    assert list(tmp_path.iterdir())
    output.discard()
    output.discard()
    assert list(tmp_path.iterdir()) == []


def test_files_belong_to_the_caller_at_the_end(tmp_path: Path) -> None:
    normalizer = Normalizer()
    output = PartitionedOutput(normalizer, Layout(), None, Opened(tmp_path))
    output.write(normalizer.to_arrow(lines([START_S])).output)
    (part,) = output.finish()
    output.discard()
    assert Path(part.path).exists()


@pytest.mark.parametrize("fails_at", [1, 2])
def test_fault_of_open_part_passes_through(fails_at: int, tmp_path: Path) -> None:
    opened = Opened(tmp_path)

    def open_part(partition: str) -> str:
        if len(opened.partitions) + 1 == fails_at:
            raise OSError(28, "No space left on device")
        return opened(partition)

    output = PartitionedOutput(Normalizer(), Layout(), None, open_part)
    output.write(Normalizer().to_arrow(lines([START_S, START_S + HOUR_S])).output)
    with pytest.raises(OSError, match="No space left"):
        output.finish()
    output.discard()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", [Path.unlink, lambda path: path.rename(path.with_name("other"))])
def test_temporary_file_that_was_removed_is_a_fault(
    change: Callable[[Path], object], low_limits: None, tmp_path: Path
) -> None:
    normalizer = Normalizer()
    output = PartitionedOutput(normalizer, Layout(), None, Opened(tmp_path))
    batch = normalizer.to_arrow(lines([START_S] * 60)).output
    output.write(batch)
    change(tmp_path / "1.tmp")
    with pytest.raises(FileNotFoundError):
        output.write(batch)
    output.discard()
    assert not (tmp_path / "1.tmp").exists()


def test_open_files_do_not_grow_with_partitions(tmp_path: Path) -> None:
    folder = Path("/proc/self/fd")
    if not folder.exists():
        pytest.skip("the number of open files is known on Linux only")
    normalizer = Normalizer()
    output = PartitionedOutput(normalizer, Layout(), None, Opened(tmp_path))
    before = len(list(folder.iterdir()))
    output.write(normalizer.to_arrow(lines([START_S + hour * HOUR_S for hour in range(30)])).output)
    for file in output._files.values():
        file.flush()
    assert len(list(folder.iterdir())) == before
    assert len(output.finish()) == 30


def test_hive_readers_find_the_partitions(tmp_path: Path) -> None:
    data = pytest.importorskip("pyarrow.dataset", reason="pyarrow may be built without datasets")
    parts = write(tmp_path / "parts", lines([START_S, START_S, START_S + 25 * HOUR_S, None]))
    for part in parts:
        target = tmp_path / "out" / part.partition / "part-1.parquet"
        target.parent.mkdir(parents=True)
        Path(part.path).rename(target)
    table = data.dataset(tmp_path / "out", partitioning="hive").to_table(columns=["timestamp", "date", "hour"])
    for row in table.to_pylist():
        time = row["timestamp"]
        assert (row["date"], row["hour"]) == ((str(time.date()), time.hour) if time else (None, None))
    assert table.num_rows == 4
