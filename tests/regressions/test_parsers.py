"""Public reports about parsers of JSON: long and deep batches, memory around them. Each test names its report."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from golden import CASES
from support.processes import run_python
from support.records import GOOD, numbers, record
from support.writers import every_writer

from cfdns_fast import Normalizer

REPORTED = [case for case in CASES if case.topic == "known_reports"]
#: Batch size of the parsers in the reports about streams.
BATCH_BYTES = 1_000_000


# simdjson/simdjson PR#913, #1205: documents longer than the batch of parse_many end it
@every_writer
def test_record_longer_than_parser_batch_is_converted(write: Any) -> None:
    pad = b'{"QueryName":"n%d.example.com","ColoCode":"%b"}\n'
    data = record(0) + pad % (1, b"A" * BATCH_BYTES) + record(2) + pad % (3, b"B" * 40_000) + record(4)
    result = write(Normalizer(keep_message=False), data)
    output = result.output
    if isinstance(output, list):
        output = b"".join(json.dumps(event).encode() + b"\n" for event in output)
    assert (numbers(output), result.rejects) == ([0, 1, 2, 3, 4], ())


# simdjson/simdjson PR#913, #1310: an error in the middle of a stream of documents ends it silently
@every_writer
def test_every_error_in_a_long_batch_is_reported(write: Any) -> None:
    data = b"".join(record(number) if number % 7 else b"{broken %d\n" % number for number in range(3000))
    result = write(Normalizer(), data)
    wrong = list(range(0, 3000, 7))
    assert [reject.raw for reject in result.rejects] == [b"{broken %d" % number for number in wrong]
    assert [reject.line for reject in result.rejects] == [number + 1 for number in wrong]
    assert result.events == 3000 - len(wrong)


# simdjson/simdjson PR#913, #570: bytes after the end of the input are read as input
@every_writer
def test_bytes_around_a_slice_are_ignored(write: Any) -> None:
    whole = b'{"ColoCode":"AMS"}' + GOOD.rstrip() + b'"}]}{"a":1}'
    start, stop = 18, 18 + len(GOOD.rstrip())
    for end in range(start, stop + 1):
        part = whole[start:end]
        assert write(Normalizer(), memoryview(whole)[start:end]) == write(Normalizer(), part)


_GUARDED = """
import ctypes, mmap
from golden import CASES
from support.records import GOOD, MIXED
from support.writers import WRITERS
from cfdns_fast import Normalizer

page = mmap.PAGESIZE
memory = mmap.mmap(-1, 3 * page)
address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
protect = ctypes.CDLL(None, use_errno=True).mprotect
for guard in (0, 2):
    assert protect(ctypes.c_void_p(address + guard * page), ctypes.c_size_t(page), 0) == 0
view = memoryview(memory)
inputs = [GOOD, MIXED, *(GOOD[:end] for end in range(len(GOOD)))]
inputs += [case.data for case in CASES if case.topic == "known_reports" and 0 < len(case.data) <= page]
normalizer = Normalizer()
for data in inputs:
    for start in (page, 2 * page - len(data)):
        memory[start : start + len(data)] = data
        for write in WRITERS.values():
            assert write(normalizer, view[start : start + len(data)]) == write(normalizer, data)
print("done", len(inputs))
"""


# simdjson/simdjson PR#913, #570: over-read past the buffer, crashes with wrong padding
@pytest.mark.skipif(sys.platform != "linux", reason="mprotect")
def test_conversion_reads_no_byte_outside_the_data() -> None:
    run = run_python(_GUARDED)
    assert (run.returncode, run.stdout.split()[:1]) == (0, ["done"]), run.stderr


# Parsers recurse, or have a limit of 1024, beyond which the whole document fails
def test_enormous_nesting_is_one_reject(implementation: Any) -> None:
    data = record(0) + b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n" + record(1)
    result = implementation.to_ndjson(data)
    assert numbers(result.output) == [0, 1]
    assert [(reject.line, reject.code) for reject in result.rejects] == [(2, "json.depth")]


# ultrajson/ultrajson#691: the string is accepted and cannot be encoded later
def test_output_of_reported_cases_can_be_encoded(implementation: Any) -> None:
    for case in REPORTED:
        result = implementation.to_dicts(case.data, **case.options)
        for event in result.output:
            json.dumps(event, ensure_ascii=False).encode("utf-8")
