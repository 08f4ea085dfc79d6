"""A batch as it arrives and as it is stored."""

from __future__ import annotations

from typing import NamedTuple

import xxhash

__all__ = ["MIN_DUPLICATE_BYTES", "Arrival", "Batch", "Outcome", "hash_of"]

#: Equal bodies with fewer decoded bytes may be different batches: timestamps can have a resolution of one second.
MIN_DUPLICATE_BYTES = 1024


def hash_of(body: bytes) -> bytes:
    """Return the 16 bytes that identify a body as it was received."""
    return xxhash.xxh3_128_digest(body)


class Arrival(NamedTuple):
    """A batch that was examined and is to be stored.

    Attributes
    ----------
    key_name : str
        The name of the key that the sender used.
    path : str
        The path of the request.
    dataset : str
        Logpush's name of the dataset.
    records : int
        The number of lines that are not blank.
    decoded_bytes : int
        The size of the decoded body.
    hash : bytes
        `hash_of` the body as it was received.
    body : bytes
        Gzip, as received; a body that was not compressed was compressed by the receiver.
    """

    key_name: str
    path: str
    dataset: str
    records: int
    decoded_bytes: int
    hash: bytes
    body: bytes


class Batch(NamedTuple):
    """A stored batch: its number, the time of its arrival (nanoseconds since 1970), and the `Arrival`."""

    seq: int
    received_ns: int
    arrival: Arrival

    @property
    def id(self) -> bytes:
        """16 bytes that identify the batch.

        A batch that Logpush sent again after the window for duplicates has the same; equal small bodies differ.
        """
        if self.arrival.decoded_bytes >= MIN_DUPLICATE_BYTES:
            return self.arrival.hash
        return hash_of(b"%b %d %d" % (self.arrival.hash, self.received_ns, self.seq))


class Outcome(NamedTuple):
    """What became of an arrival.

    Attributes
    ----------
    code : {"stored", "duplicate", "full", "failed"}
        Only the first two may be acknowledged.
    seq : int
        The number of the batch; 0 if it is not stored.
    """

    code: str
    seq: int = 0
