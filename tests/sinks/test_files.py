"""The sink of files: rotation, names, and each event in exactly one file whatever step is cut."""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("the receiver and its sinks need POSIX", allow_module_level=True)

from support.file_sinks import Caller, events_in, expected, hidden, ignore, sink_of, visible, without_links, written
from support.sinks import Record, batch_id, ndjson_batch

from cfdns_fast import Normalizer
from cfdns_fast.sinks import Piece, SinkSettingError, files, publish

URL = "file://{}/out/?rotate_bytes=1KiB&prefix=dns"


@pytest.mark.parametrize("form", ["ndjson", "ndjson.gz"])
def test_files_hold_each_event_once(tmp_path: Path, form: str) -> None:
    caller = Caller(Record(tmp_path / "own"), URL.format(tmp_path) + f"&format={form}", 60)
    caller.run()
    assert events_in(tmp_path / "out") == expected(60)
    names = [path.name for path in visible(tmp_path / "out")]
    # The compressor holds its first output back.
    assert len(names) > (2 if form == "ndjson" else 0)
    assert names[0].startswith("dns-000000000001-") and names[-1].endswith(f"-000000000060.{form}")
    ranges = [tuple(map(int, name.split(".")[0].split("-")[1:])) for name in names]
    assert all(before[1] + 1 == after[0] for before, after in itertools.pairwise(ranges))
    assert hidden(tmp_path / "out") == []
    assert caller.record.counts()["events"] == 3000


def test_files_compress_as_one_member(tmp_path: Path) -> None:
    caller = Caller(Record(tmp_path / "own"), f"file://{tmp_path}/out/", 3)
    caller.run()
    (path,) = visible(tmp_path / "out")
    assert path.name == "sink-000000000001-000000000003.ndjson.gz"
    assert path.read_bytes().count(b"\x1f\x8b\x08") == 1


def test_date_and_hour_are_those_of_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files.time, "time", lambda: 1_767_225_599.0)
    sink = written(Record(tmp_path / "own"), f"file://{tmp_path}/a%20b/{{date}}/h{{hour}}?format=ndjson", range(1, 2))
    (draft,) = hidden(tmp_path)
    assert draft.parent == tmp_path / "a b"
    monkeypatch.setattr(files.time, "time", lambda: 1_767_225_600.0)
    assert sink.commit(ignore) == 1
    sink.close()
    assert visible(tmp_path / "a b") == [
        tmp_path / "a b" / "2025-12-31" / "h23" / "sink-000000000001-000000000001.ndjson"
    ]


def test_file_is_due_by_age_without_further_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(files.time, "monotonic", lambda: now[0])
    sink = written(Record(tmp_path / "own"), f"file://{tmp_path}/out?rotate=5m", range(1, 3))
    now[0] += 299
    assert not sink.is_due()
    now[0] += 1
    assert sink.is_due()
    assert sink.commit(ignore) == 2
    now[0] += 1000
    assert not sink.is_due()
    sink.close()


def test_batches_without_events_make_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(files.time, "monotonic", lambda: now[0])
    sink = written(Record(tmp_path / "own"), f"file://{tmp_path}/out", range(1, 4), events=0)
    assert not sink.is_due()
    now[0] += 300
    assert sink.is_due()
    assert sink.commit(ignore) == 3
    sink.close()
    assert not (tmp_path / "out").exists()


def test_commit_inside_a_batch_changes_no_file(tmp_path: Path) -> None:
    sink = written(Record(tmp_path / "own"), URL.format(tmp_path), range(1, 3))
    first, second = ndjson_batch(3, 400, 200)
    sink.write(first)
    assert not sink.is_due()
    assert sink.commit(ignore, final=True) == 0
    assert visible(tmp_path / "out") == []
    sink.write(second)
    assert sink.commit(ignore) == 3
    sink.close()
    assert [path.name for path in visible(tmp_path / "out")] == ["dns-000000000001-000000000003.ndjson.gz"]


def test_close_leaves_no_half_file(tmp_path: Path) -> None:
    sink = written(Record(tmp_path / "own"), URL.format(tmp_path), range(1, 3))
    assert len(hidden(tmp_path / "out")) == 1
    sink.close()
    assert hidden(tmp_path / "out") == visible(tmp_path / "out") == []


@pytest.mark.parametrize("has_links", [True, False])
def test_file_of_another_receiver_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    if not has_links:
        monkeypatch.setattr(publish.os, "link", without_links)
    records = [Record(tmp_path / str(number)) for number in range(3)]
    sinks = [written(record, URL.format(tmp_path), range(1, 3)) for record in records]
    assert [sink.commit(ignore) for sink in sinks] == [2, 2, 2]
    for sink in sinks:
        sink.close()
    name = "dns-000000000001-000000000002"
    assert sorted(path.name for path in visible(tmp_path / "out")) == [
        f"{name}-2.ndjson.gz",
        f"{name}-3.ndjson.gz",
        f"{name}.ndjson.gz",
    ]
    assert set(events_in(tmp_path / "out").values()) == {3}
    assert records[1].messages == [
        f"{tmp_path}/out/{name}.ndjson.gz is another file, so the batches are in {name}-2.ndjson.gz"
    ]
    assert hidden(tmp_path / "out") == []


def test_stale_files_of_this_sink_only_are_removed(tmp_path: Path) -> None:
    record = Record(tmp_path / "own")
    abandoned = written(record, URL.format(tmp_path), range(1, 3))
    other = written(Record(tmp_path / "other"), URL.format(tmp_path), range(1, 3))
    own_draft, other_draft = sorted(hidden(tmp_path / "out"), key=lambda path: path.stat().st_mtime_ns)
    sink = written(record, URL.format(tmp_path), range(1, 2))
    assert not own_draft.exists()
    assert other_draft.exists()
    assert len(hidden(tmp_path / "out")) == 2
    for each in (sink, other, abandoned):
        each.close()


def test_parquet_files_hold_each_event_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="Parquet files are written by pyarrow")
    reader = pytest.importorskip("pyarrow.parquet", reason="Parquet files are written by pyarrow")

    from cfdns_fast.sinks import parquet

    monkeypatch.setattr(parquet, "_ROW_GROUP_ROWS", 8)
    sink = sink_of(Record(tmp_path / "own"), f"file://{tmp_path}/out?format=parquet")
    assert sink.wants == "arrow"
    for seq in range(1, 5):
        for piece in ndjson_batch(seq, 5, 2):
            lines = piece.data.splitlines()
            sink.write(piece._replace(data=pyarrow.RecordBatch.from_pydict({"line": lines})))
    assert sink.commit(ignore, final=True) == 4
    sink.close()
    (path,) = visible(tmp_path / "out")
    assert path.name == "sink-000000000001-000000000004.parquet"
    read = reader.ParquetFile(path)
    assert Counter(read.read()["line"].to_pylist()) == expected(4, 5)
    assert read.metadata.num_row_groups == 3
    assert read.metadata.row_group(0).column(0).compression == "ZSTD"


@pytest.mark.parametrize(
    ("option", "names"),
    [
        ("", ["timestamp", "dns_question_name", "cloudflare_colocode"]),
        ("&names=dotted", ["@timestamp", "dns.question.name", "cloudflare.ColoCode"]),
        ("&names=nested", ["@timestamp", "dns", "cloudflare"]),
    ],
)
def test_parquet_has_the_names_of_the_option(option: str, names: list[str], tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="Parquet files are written by pyarrow")
    reader = pytest.importorskip("pyarrow.parquet", reason="Parquet files are written by pyarrow")
    sink = sink_of(Record(tmp_path / "own"), f"file://{tmp_path}/out?format=parquet{option}")
    batch = Normalizer().to_arrow(b'{"QueryName":"a.example","Timestamp":1}\n' * 3).output
    sink.write(Piece(1, batch_id(1), 0, 0, 3, batch, True))
    assert sink.commit(ignore, final=True) == 1
    sink.close()
    (path,) = visible(tmp_path / "out")
    table = reader.ParquetFile(path).read()
    assert table.num_rows == 3 and set(names) <= set(table.schema.names)


def test_fields_with_one_name_are_a_setting_error(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="Parquet files are written by pyarrow")
    sink = sink_of(Record(tmp_path / "own"), f"file://{tmp_path}/out?format=parquet")
    batch = pyarrow.RecordBatch.from_pydict({"a.b": ["x"], "a_b": ["y"]})
    with pytest.raises(SinkSettingError, match="option names: mapping: a_b: its column has the name a_b"):
        sink.write(Piece(1, batch_id(1), 0, 0, 1, batch, True))
    sink.close()
