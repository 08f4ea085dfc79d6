"""The compiled core where it differs from the reference: memory, windows, lifetimes."""

from __future__ import annotations

import gc
import threading
from pathlib import Path

import pytest
from support.feeding import feed
from support.mappings import field, write_mapping
from support.records import containers

from cfdns_fast import Normalizer, reference

RECORD = b'{"QueryName":"www.example.com.","QueryType":1,"ResponseCode":0,"Timestamp":1657233726004000000}'

# Longer than the core's window (128 KiB) and than the longest line it indexes (4 MiB).
LONG_BYTES = 200_000
VERY_LONG_BYTES = 5 * 2**20


@pytest.mark.parametrize("size_bytes", [LONG_BYTES, pytest.param(VERY_LONG_BYTES, marks=pytest.mark.slow)])
def test_line_longer_than_a_window_equals_reference(size_bytes: int) -> None:
    objects = (b'{"a":"' + b"x" * 992 + b'"}') * (size_bytes // 1000)
    for line in (objects, objects + b"rest", objects[:-1], RECORD + b" " * size_bytes + RECORD):
        data = RECORD + b"\n" + line + b"\n" + RECORD
        native = Normalizer(keep_message=False).to_ndjson(data)
        assert native == reference.to_ndjson(data, keep_message=False)


@pytest.mark.parametrize(
    "inner",
    [
        b"1,",
        b'"\\u00e9\\\\",',
        b'{"b":[]},',
        b"[[{}]],",
        b"true , null,",
        b"-1.5e3,",
        b"x,",
        b'"\\q",',
        b"01,",
        b"{1:2},",
    ],
)
def test_oversized_record_equals_reference(inner: bytes) -> None:
    """The line continues after an oversized record only if that record is JSON."""
    piece = inner + b'"' + b"x" * 500 + b'",'
    large = b'{"a":[' + piece * (VERY_LONG_BYTES // len(piece)) + b'0],"b":"\\ud800"}'
    data = large + RECORD + b"\n" + RECORD
    assert Normalizer().to_ndjson(data) == reference.to_ndjson(data)


def test_largest_record_may_need_escapes_everywhere() -> None:
    data = b'{"ColoCode":"' + b"\\u0001" * 30_000 + b'"}\n' + RECORD
    assert Normalizer().to_ndjson(data) == reference.to_ndjson(data)


def test_output_grows_for_tiny_records() -> None:
    """Each event is much longer than its record."""
    data = b"{}" * 50_000
    result = Normalizer().to_ndjson(data)
    assert (result.events, result.output.count(b"\n")) == (50_000, 50_000)


def test_iterator_in_a_cycle_is_freed() -> None:
    normalizer = Normalizer()
    for _ in range(20):
        iterator = normalizer.iter_dicts(RECORD * 3)
        next(iterator)
        cycle: list[object] = [iterator, normalizer._converter]
        cycle.append(cycle)
        del iterator, cycle
        gc.collect()
    assert normalizer.to_ndjson(RECORD).events == 1


def test_iterator_outlives_its_normalizer() -> None:
    iterator = Normalizer().iter_dicts(RECORD * 3)
    gc.collect()
    assert len(list(iterator)) == 3


def test_non_contiguous_memory_raises_type_error() -> None:
    with pytest.raises(TypeError, match="contiguous"):
        Normalizer().to_ndjson(memoryview(RECORD + RECORD)[::2])


def test_key_with_a_backslash_is_compared_unescaped(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text("[[field]]\nfrom = 'a\\b'\nto = 'x'\nkind = 'text'\n")
    # The second key is "a" and a backspace, which JSON writes with the bytes of the key of the mapping.
    data = b'{"a\\\\b":"yes"}\n{"a\\b":"no"}\n'
    assert Normalizer(path).to_dicts(data).output == [{"x": "yes"}, {}]


def test_stream_of_single_bytes_equals_one_call() -> None:
    data = b'\xef\xbb\xbf{"a":1}{"b":2}\r\n\n[1]\n' + RECORD + b' \xff{"c":3}'
    whole = Normalizer().to_ndjson(data)
    stream = Normalizer().stream()
    parts = feed(stream, data, 1)
    assert b"".join(part.output for part in parts) == whole.output
    assert tuple(reject for part in parts for reject in part.rejects) == whole.rejects
    assert (sum(part.blank for part in parts), stream.lines) == (whole.blank, 4)


def test_normalizer_gives_each_thread_its_own_result() -> None:
    normalizer = Normalizer()
    batches = [b"".join(RECORD.replace(b"www", b"w%d-%d" % (n, i)) + b"\n" for i in range(2_000)) for n in range(8)]
    serial = [normalizer.to_ndjson(batch) for batch in batches]
    barrier = threading.Barrier(len(batches))
    together = [None] * len(batches)

    def convert(n: int) -> None:
        barrier.wait()
        for _ in range(5):
            together[n] = normalizer.to_ndjson(batches[n])

    threads = [threading.Thread(target=convert, args=(n,)) for n in range(len(batches))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == serial


LISTS = (
    b'{"QueryName":"a.b.com","SourceIP":"192.0.2.7","SrcIP":"192.0.2.7","ResolvedIPs":["192.0.2.8"],'
    b'"RData":[{"type":"1"}]}'
)


@pytest.mark.parametrize("dataset", ["dns_logs", "dns_firewall_logs", "gateway_dns"])
@pytest.mark.parametrize("schema", ["sekoia", "ecs"])
def test_collector_tracks_every_dict_of_an_event(schema: str, dataset: str) -> None:
    event = Normalizer(schema, dataset=dataset).to_dicts(LISTS).output[0]
    for value in containers(event):
        if isinstance(value, dict):
            assert gc.is_tracked(value) or not any(isinstance(child, (dict, list)) for child in value.values())
    gc.collect()
    event["related"]["ip"].append(event)
    del event, value
    assert gc.collect() > 0


def test_long_key_is_found_at_the_end_of_a_buffer(tmp_path: Path) -> None:
    """The key is longer than the padding after the data."""
    for key_bytes in (23, 24, 62, 63, 64, 65, 300, 4000):
        key = "k" * key_bytes
        path = write_mapping(tmp_path, field(**{"from": key}, to="a", kind="text"))
        data = f'{{"{key}":"v"}}\n{{"kk":1}}\n{{"{key}":"w"}}'.encode()
        assert Normalizer(path).to_dicts(data).output == [{"a": "v"}, {}, {"a": "w"}]
