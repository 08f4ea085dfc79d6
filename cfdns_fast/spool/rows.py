"""A batch as a row of a segment."""

from __future__ import annotations

from collections.abc import Sequence

import xxhash

from .batch import Arrival, Batch

__all__ = ["INSERT", "TABLE", "Row", "batch_of", "row_of"]

# The body is the last column, so that reading the others needs no overflow page.
TABLE = """\
CREATE TABLE batch(
  seq INTEGER PRIMARY KEY, received_ns INTEGER NOT NULL, key_name TEXT NOT NULL, path TEXT NOT NULL,
  dataset TEXT NOT NULL, records INTEGER NOT NULL, decoded_bytes INTEGER NOT NULL, hash BLOB NOT NULL,
  checksum BLOB NOT NULL, body BLOB NOT NULL)"""
INSERT = "INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

Row = tuple[int, int, str, str, str, int, int, bytes, bytes, bytes]


def checksum_of(values: Sequence[object], body: bytes) -> bytes:
    """Return the checksum of one row: SQLite has none for the pages of a main file."""
    state = xxhash.xxh3_64(repr(values).encode())
    state.update(body)
    return state.digest()


def row_of(seq: int, received_ns: int, arrival: Arrival) -> Row:
    """Return the row of a batch."""
    key_name, path, dataset, records, decoded_bytes, body_hash, body = arrival
    values = (seq, received_ns, key_name, path, dataset, records, decoded_bytes, body_hash)
    return (*values, checksum_of(values, body), body)


def batch_of(row: Row) -> Batch | None:
    """Return the batch of a row; None if the row is damaged."""
    *values, checksum, body = row
    if not isinstance(body, bytes) or checksum_of(tuple(values), body) != checksum:
        return None
    seq, received_ns, key_name, path, dataset, records, decoded_bytes, body_hash = row[:8]
    return Batch(seq, received_ns, Arrival(key_name, path, dataset, records, decoded_bytes, body_hash, body))
