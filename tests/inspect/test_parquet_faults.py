"""Parquet files that are damaged or hostile, and a disk that is full."""

from __future__ import annotations

import errno
import io
from typing import Any

import pytest

pytest.importorskip("hypothesis", reason="hypothesis is not installed")
pytest.importorskip("pyarrow", reason="pyarrow is not installed")

import pyarrow
import pyarrow.parquet
from support.inspected import inspected

from cfdns_fast import Normalizer
from cfdns_fast.inspect import InputFile, Inspection, parquet_events
from cfdns_fast.inspect.columns import columns_of

TEXTS = ["a.example.com", "B.example.com", None]


def parquet_of(**columns: Any) -> bytes:
    """Return a file with these columns; two underscores in a name stand for a dot."""
    table = pyarrow.table({name.replace("__", "."): column for name, column in columns.items()})
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file)
    return file.getvalue()


def test_views_of_texts_are_counted() -> None:
    names, codes = (pyarrow.array(each).cast(pyarrow.string_view()) for each in (TEXTS, ["NXDOMAIN", "nxdomain", None]))
    summary = inspected(parquet_of(dns__question__name=names, dns__response_code=codes))
    assert summary.top("names").rows == (("a.example.com", 1), ("b.example.com", 1))
    assert (summary.top("response_codes").rows, summary.nxdomain_total) == ((("NXDOMAIN", 2),), 2)


@pytest.mark.parametrize("field", ["dns__question__name", "dns__response_code", "error__message"])
def test_texts_that_are_no_utf8_are_a_fault(field: str) -> None:
    """The other inputs are shown."""
    ends = pyarrow.py_buffer(bytes([0] * 4 + [1, 0, 0, 0]))
    bad = parquet_of(**{field: pyarrow.StringArray.from_buffers(1, ends, pyarrow.py_buffer(b"\xff"))})
    summary = inspected(bad, b'{"QueryName":"example.com"}\n', threads=2)
    assert (summary.events, summary.files.fault_count) == (1, 1)
    assert "UTF8" in summary.files.faults[0].reason


def test_column_name_that_is_no_utf8_is_a_fault() -> None:
    file = io.BytesIO()
    table = pyarrow.table({"dns.question.name": TEXTS, "other": [1, 2, 3]})
    pyarrow.parquet.write_table(table, file, store_schema=False)
    summary = inspected(file.getvalue().replace(b"other", b"o\xff\xfeer"), b'{"QueryName":"example.com"}\n')
    assert (summary.events, summary.files.fault_count) == (1, 1)


@pytest.mark.parametrize("names", ["dns.question.name", "nested"])
def test_repeated_long_text_takes_little_memory(names: str) -> None:
    """The text is once in the file, and would be in every row of a batch."""
    texts = pyarrow.DictionaryArray.from_arrays([0] * 1000, ["x" * 100_000])
    nested = pyarrow.table({"dns": [{"question": {"name": "x" * 100_000}}] * 1000})
    table = nested if names == "nested" else pyarrow.table({names: texts})
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file, store_schema=False)
    before = pyarrow.total_allocated_bytes()
    (batch,) = parquet_events.batches_of(file, 1000, use_threads=False)
    assert pyarrow.total_allocated_bytes() - before < 2_000_000 and batch.num_rows == 1000
    assert columns_of(batch)["dns.question.name"].dictionary.to_pylist() == ["x" * 512]
    assert inspected(file.getvalue()).top("names").rows == (("x" * 512, 1000),)


def test_batches_of_long_texts_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_events, "_MAX_COLUMN_BYTES", 10_000)
    file = io.BytesIO()
    table = pyarrow.table({"source.ip": [f"{number:01000}" for number in range(100)]})
    pyarrow.parquet.write_table(table, file, use_dictionary=False)
    batches = list(parquet_events.batches_of(file, 1000, use_threads=False))
    assert [batch.num_rows for batch in batches] == [9] * 11 + [1]


def test_full_disk_is_a_fault_of_the_input(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.FileIO):
        def write(self, data: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    content = parquet_of(dns__question__name=pyarrow.array(TEXTS))
    monkeypatch.setattr(parquet_events.tempfile, "TemporaryFile", lambda **_: Full(0, closefd=False))
    with Inspection(Normalizer(keep_message=False)) as inspection:
        fault = inspection.read(InputFile("stdin"), iter([content]))
    assert "temporary file" in str(fault) and "No space left" in str(fault)
