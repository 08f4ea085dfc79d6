"""The compiled core equals the plain Python on mutated golden inputs, whose seed makes failures reproducible.

CFDNS_MUTATIONS is the number of batches (default 2,000), and CFDNS_MUTATIONS_SEED is the seed (default 0).
"""

from __future__ import annotations

import os
import random
from typing import Any

import pytest
from golden import INPUTS

from cfdns_fast import InputFormatError

BATCHES = int(os.environ.get("CFDNS_MUTATIONS", "2000"))
SEED = int(os.environ.get("CFDNS_MUTATIONS_SEED", "0"))
CHUNKS = 20

LINES = sorted({line for data in INPUTS if len(data) < 2000 for line in data.split(b"\n")})
PIECES = [
    *(b"%c" % byte for byte in b'{}[]:,"\\\r\t \n\x00\x1f\x7f\x80\xbf\xc3\xff.eE+-0129tfnuZ%'),
    *(
        b"\xef\xbb\xbf",
        b"\xed\xa0\x80",
        b"\xc0\x80",
        b"\xe2\x80\xa8",
        b"\xf0\x9f\x98\x80",
        b"\xe2\x82",
        b"\xe3\x80\x82",
    ),
    *(
        b"\\u0000",
        b"\\ud83d",
        b"\\ude00",
        b"\\u0022",
        b"\\\\",
        b'\\"',
        b"\\u",
        b"1e400",
        b"18446744073709551616",
        b"[" * 256,
        b"]" * 256,
    ),
    *(
        b'"Timestamp":',
        b'"QueryName":',
        b'"Query\\u004eame":',
        b'"SourceIP":',
        b'"QueryType":',
        b"null",
        b"true",
        b"{}",
        b"[]",
        b'""',
    ),
]
OPTIONS: list[dict[str, Any]] = [
    *({} for _ in range(6)),
    {"keep_message": False},
    {"private_suffixes": True},
    {"timestamp_unit": "s"},
    {"timestamp_unit": "ns", "keep_message": False},
    {"max_record_bytes": 20},
    {"max_record_bytes": 60},
]


def batch(number: int) -> tuple[bytes, dict[str, Any]]:
    """Return the mutated batch of this number, and the options for it."""
    rng = random.Random(f"{SEED}:{number}")
    lines = rng.choices(LINES, k=rng.randint(1, 6))
    data = bytearray(rng.choice([b"\n", b"\n", b"\n", b"\r\n", b"", b" "]).join(lines))
    for _ in range(rng.choice([0, 1, 1, 2, 3, 8])):
        at, end = sorted(rng.randint(0, len(data)) for _ in range(2))
        end = min(end, at + rng.choice([1, 2, 3, 8, 40]))
        match rng.randrange(8):
            case 0 if data:
                data[at % len(data)] ^= 1 << rng.randrange(8)
            case 1:
                data[at:at] = rng.choice(PIECES)
            case 2:
                data[at:end] = rng.choice(PIECES)
            case 3:
                del data[at:end]
            case 4:
                del data[at:]
            case 5:
                data[at:at] = data[at:end]
            case 6:
                data[at:at] = rng.choice(LINES)
            case 7:
                data[at:end] = bytes(rng.randrange(256) for _ in range(end - at))
    return bytes(data), rng.choice(OPTIONS)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_native_equals_reference_on_mutated_inputs(native: Any, reference: Any, chunk: int) -> None:
    for number in range(chunk, BATCHES, CHUNKS):
        data, options = batch(number)
        normalizer = native.normalizer(**options)
        try:
            try:
                expected = reference.to_dicts(data, **options)
            except InputFormatError as error:
                with pytest.raises(InputFormatError, match=error.code):
                    normalizer.to_dicts(data)
                continue
            built = normalizer.to_dicts(data)
            assert built == expected
            assert repr(built.output) == repr(expected.output)
            assert normalizer.to_ndjson(data) == reference.to_ndjson(data, **options)
            iterator = normalizer.iter_dicts(data)
            assert list(iterator) == expected.output
            assert (tuple(iterator.rejects), iterator.problems, iterator.blank) == (
                expected.rejects,
                expected.problems,
                expected.blank,
            )
        except BaseException as error:
            error.add_note(f"seed {SEED}, batch {number}, options {options}:\n{data!r}")
            raise


def test_mutated_batches_are_reproducible() -> None:
    assert [batch(number) for number in range(50)] == [batch(number) for number in range(50)]
