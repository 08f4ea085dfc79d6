"""Stored batches to pieces."""

from __future__ import annotations

import base64
import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("xxhash", reason="the extra receiver is not installed")

from support.command import needs_posix

from cfdns_fast import Normalizer
from cfdns_fast.receiver.pieces import BATCH_GZIP, Converter, Part
from cfdns_fast.receiver.settings import SettingsError, SinkSettings
from cfdns_fast.sinks import Wants
from cfdns_fast.spool import Arrival, Batch, hash_of

pytestmark = needs_posix

LINE = b'{"QueryName":"n%d.example.com","Timestamp":1767225600}\n'


def stored(data: bytes, seq: int = 7, body: bytes | None = None) -> Batch:
    body = gzip.compress(data, 1) if body is None else body
    return Batch(seq, 1, Arrival("key", "/", "dns_logs", data.count(b"\n"), len(data), hash_of(body), body))


@pytest.fixture
def converter(tmp_path: Path) -> Iterator[Converter]:
    made = make(tmp_path)
    yield made
    made.close()


def make(folder: Path, wants: Wants = "ndjson", **options: object) -> Converter:
    return Converter(SinkSettings(name="out", url="-", **options), wants, folder)  # type: ignore[arg-type]


def read(converter: Converter, batch: Batch, skip: int = 0) -> tuple[list[Part], bytes, list[dict[str, object]]]:
    parts, rejects = [], b""
    for part in converter.parts(batch, skip):
        parts.append(part)
        if part.rejects is not None:
            rejects += b"".join(part.rejects())
    events = b"".join(part.piece.data for part in parts if part.piece)
    return parts, events, [json.loads(line) for line in rejects.splitlines()]


@needs_posix
def test_fifo_is_no_mapping(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(SettingsError, match="not a regular file"):
        make(tmp_path, schema=str(tmp_path / "fifo"))


def test_events_are_those_of_the_normalizer(converter: Converter) -> None:
    data = b"".join(LINE % number for number in range(60_000))
    parts, events, rejects = read(converter, stored(data))
    expected = Normalizer("sekoia", input_format="auto").to_ndjson(data)
    assert events == expected.output and not rejects
    pieces = [part.piece for part in parts if part.piece]
    assert len(pieces) > 2
    assert [piece.part for piece in pieces] == list(range(len(pieces)))
    assert [piece.is_last for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    firsts = [sum(piece.events for piece in pieces[:number]) for number in range(len(pieces))]
    assert [piece.first_event for piece in pieces] == firsts
    assert max(len(piece.data) for piece in pieces) < 16 << 20


def test_skipped_parts_are_left_out(converter: Converter) -> None:
    batch = stored(b"".join(LINE % number for number in range(60_000)))
    parts, _, _ = read(converter, batch)
    rest, _, _ = read(converter, batch, 2)
    assert [part.piece for part in rest] == [part.piece for part in parts[2:]]


def test_batch_without_events_is_one_last_piece(converter: Converter) -> None:
    parts, events, rejects = read(converter, stored(b'{"a":}\n'))
    pieces = [part.piece for part in parts if part.piece]
    assert events == b"" and [piece.is_last for piece in pieces] == [True]
    assert rejects == [
        {"batch": 7, "line": 1, "byte_offset": 0, "byte_length": 6, "code": "json.syntax", "raw": '{"a":}'}
    ]


def test_records_are_events_or_rejects(converter: Converter) -> None:
    data = b"".join(b"bad\n" if number % 3 else LINE % number for number in range(20_000))
    parts, events, rejects = read(converter, stored(data))
    assert events.count(b"\n") + len(rejects) == 20_000
    counted = sum(sum(part.reject_codes.values()) for part in parts)
    assert counted == len(rejects)


def test_long_reject_is_kept_whole(converter: Converter) -> None:
    long = b"\xff" + b"x" * 5_000_000
    _, events, rejects = read(converter, stored(LINE % 1 + long + b"\n" + LINE % 2))
    assert events.count(b"\n") == 2 and len(rejects) == 1
    assert base64.b64decode(str(rejects[0]["raw_base64"])) == long


def test_many_members_are_one_batch(converter: Converter) -> None:
    body = b"".join(gzip.compress(LINE % number) for number in range(10)) + b"\0" * 10
    _, events, _ = read(converter, stored(b"", body=body))
    assert events.count(b"\n") == 10


def test_unknown_format_is_one_reject(converter: Converter) -> None:
    data = b"neither,json\n" * 100
    batch = stored(data)
    parts, events, rejects = read(converter, batch)
    assert events == b"" and [part.piece.is_last for part in parts if part.piece] == [True]
    (reject,) = rejects
    assert str(reject["code"]).startswith("format.")
    assert base64.b64decode(str(reject["gzip_base64"])) == batch.arrival.body


@pytest.mark.parametrize(("kept", "end"), [(-20, b""), (10, b"\xff" * 20)])
def test_damaged_body_is_one_reject(converter: Converter, kept: int, end: bytes) -> None:
    """The decoder raises errors of its own for what is not deflate."""
    body = gzip.compress(b"".join(LINE % number for number in range(1000)))[:kept] + end
    parts, _, rejects = read(converter, stored(b"", body=body))
    assert rejects[-1]["code"] == BATCH_GZIP
    assert base64.b64decode(str(rejects[-1]["gzip_base64"])) == body
    assert parts[-1].piece is not None and parts[-1].piece.is_last


def test_raw_piece_is_the_stored_body(tmp_path: Path) -> None:
    batch = stored(LINE % 1)
    (part,) = make(tmp_path, "raw").parts(batch)
    assert part.piece is not None
    assert part.piece.data is batch.arrival.body and part.piece.is_last and part.piece.events == 1


def test_arrow_pieces_are_record_batches(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    parts = list(make(tmp_path, "arrow").parts(stored(LINE % 1 + LINE % 2)))
    pieces = [part.piece for part in parts if part.piece]
    assert [piece.data.num_rows for piece in pieces] == [2]


def test_wrong_schema_names_the_sink(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="sink out"):
        make(tmp_path, schema="/absent/mapping.toml")
