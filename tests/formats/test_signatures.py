"""Unsupported formats are detected by the first bytes of an input.

No valid input is rejected, because the first line of data with such a signature is no record:

- gzip (1f 8b), zstd (28 b5), xz (fd), Snappy (ff), byte order marks of UTF-16 (ff fe, fe ff): not UTF-8. The same is
  true of zlib after 78 9c; 78 da could be UTF-8 and ``x^`` (78 5e) is text, so zlib must inflate to text.
- LZ4 (04 "M 18), skippable frames of zstd (P to _, *M 18), zip (PK 03 04), Parquet (PAR1 15), Avro (Obj 01): a control
  character that is neither in JSON nor in the header of a table.
- bzip2: ten characters, of which two are the hexadecimal digits of pi.
- UTF-16 and UTF-32 without a mark: the first character that is not space has zero bytes next to it, within the line.
  Zero bytes before a record are padding, and a line of zero bytes and space is blank: neither is rejected.
"""

from __future__ import annotations

import array
import bz2
import gzip
import zlib
from pathlib import Path
from typing import Any

import pytest
from golden import INPUTS
from support.feeding import cut
from support.records import FOREIGN, GOOD, memory_mapped
from support.writers import WRITERS, every_writer

from cfdns_fast import InputFormatError, Normalizer, parse, reference
from cfdns_fast._core import may_be_foreign
from cfdns_fast.errors import FORMAT_CODES
from cfdns_fast.options import INPUT_FORMATS
from cfdns_fast.signatures import HEAD_BYTES, foreign_format

TEXT = GOOD.decode()
ENCODED = [
    *((f"format.utf{size}", TEXT.encode(f"utf-{size}-{order}")) for size in (16, 32) for order in ("le", "be")),
    *(
        (f"format.utf{size}", f"\ufeff{TEXT}".encode(f"utf-{size}-{order}"))
        for size in (16, 32)
        for order in ("le", "be")
    ),
    *((f"format.utf{size}", "\ufeff".encode(f"utf-{size}-{order}")) for size in (16, 32) for order in ("le", "be")),
    ("format.utf16", "\n\r\n[{}]".encode("utf-16-le")),
    ("format.utf16", "QueryName,Timestamp\n".encode("utf-16-be")),
    ("format.utf16", "{}".encode("utf-16-le")),
    ("format.utf32", "ab".encode("utf-32-be")),
]
OTHERS = [
    *(("format.zlib", zlib.compress(GOOD * 9, level)) for level in (0, 1, 5, 9)),
    ("format.zlib", zlib.compress(b"")),
    ("format.bzip2", bz2.compress(b"")),
    ("format.bzip2", bz2.compress(GOOD, 1)),
    ("format.zstd", b"\x50*M\x18\x04\0\0\0"),
    ("format.zstd", b"\x5f*M\x18"),
    ("format.zip", b"PK\x05\x06" + bytes(18)),
    ("format.gzip", b"\x1f\x8b"),
]
ALL = [*FOREIGN.items(), *ENCODED, *OTHERS]

#: Inputs with similar first bytes that are read.
READ = [
    b"",
    b"\x1f",
    b"\x1f\x8c{}",
    b"P",
    b"PK\n{}",
    b"PAR1,QueryName,Timestamp\n",
    b"PAR1",
    b"Obj,QueryName,Timestamp\n",
    b"BZh9,QueryName\n",
    b"BZh91AY&S",
    b"(\xb5/",
    b"x^QueryName,Timestamp\n" * 50,
    b"x\xda\x80{}\n{}\n",
    b"x\x9c\n" + GOOD,
    b"x^",
    b"[1]",
    b"_*M\n",
    b"\0" + GOOD,
    *(bytes(count) + GOOD for count in range(2, 20)),
    *(bytes(count) for count in range(20)),
    *(b" \0" * count + GOOD for count in range(12)),
    *(b"\n\0" * count + GOOD for count in range(12)),
    *(b"\0\n" * count + GOOD for count in range(12)),
    b"\0\0\0 " * 5 + GOOD,
    b"x\0\n" + GOOD,
    b"\xff\xfe" + GOOD,
    b"\xfe\xff\n" + GOOD,
    b"\0\0\xfe\n",
    b"{\0",
    b"\xef\xbb\xbf" + GOOD,
]


def outcome(call: Any) -> Any:
    try:
        return call()
    except InputFormatError as error:
        return error.code


@pytest.mark.parametrize("input_format", INPUT_FORMATS)
@every_writer
def test_foreign_format_raises_from_every_writer(write: Any, input_format: str) -> None:
    normalizer = Normalizer(input_format=input_format)
    for code, data in ALL:
        with pytest.raises(InputFormatError) as caught:
            write(normalizer, data)
        assert caught.value.code == code, data


def test_foreign_format_raises_before_iterating() -> None:
    for data in FOREIGN.values():
        with pytest.raises(InputFormatError):
            Normalizer().iter_dicts(data)


@pytest.mark.parametrize(("code", "data"), ALL, ids=lambda value: str(value)[:24])
def test_foreign_format_raises_from_reference(code: str, data: bytes) -> None:
    for convert in (reference.to_dicts, reference.to_ndjson):
        assert outcome(lambda convert=convert: convert(data)) == code


@pytest.mark.parametrize(("code", "data"), ALL, ids=lambda value: str(value)[:24])
def test_foreign_format_raises_from_parse(code: str, data: bytes) -> None:
    assert outcome(lambda: parse(data)) == outcome(lambda: reference.parse(data)) == code


def test_foreign_format_is_detected_in_any_buffer(tmp_path: Path) -> None:
    data = gzip.compress(GOOD)
    data += bytes(-len(data) % 4)
    makers = (bytearray, memoryview, lambda data: memory_mapped(data, tmp_path), lambda data: array.array("I", data))
    for make in makers:
        for write in WRITERS.values():
            assert outcome(lambda write=write, make=make: write(Normalizer(), make(data))) == "format.gzip"


@pytest.mark.parametrize("data", READ, ids=lambda data: str(data[:20]))
def test_similar_first_bytes_are_read(data: bytes) -> None:
    assert foreign_format(data, complete=True) == ""
    assert Normalizer().to_dicts(data) == reference.to_dicts(data)


def test_golden_inputs_are_read() -> None:
    assert not [data for data in INPUTS if foreign_format(data, complete=True)]


def test_first_byte_filter_passes_every_signature() -> None:
    assert all(may_be_foreign(data) for _, data in ALL)
    assert not any(may_be_foreign(data) for data in (GOOD, b"[]", b"\n\n", b"", b"x", b'"a"', b"\xef\xbb\xbf{}"))


@pytest.mark.parametrize("data", [*(data for _, data in ALL), *READ], ids=lambda data: str(data[:20]))
def test_decision_does_not_change_with_more_bytes(data: bytes) -> None:
    whole = foreign_format(data, complete=True)
    decisions = [foreign_format(data[:at], complete=False) for at in range(min(len(data), HEAD_BYTES) + 1)]
    made = [decision for decision in decisions if decision is not None]
    assert set(made) <= {whole}
    assert not made or None not in decisions[decisions.index(made[0]) :]


def test_decision_needs_two_bytes_of_a_record() -> None:
    assert foreign_format(GOOD[:2], complete=False) == ""
    assert foreign_format(b"[{", complete=False) == ""
    assert foreign_format(b"\0\0\0\0", complete=False) == ""


@pytest.mark.parametrize("input_format", ["ndjson", "auto", "csv"])
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_stream_rejects_foreign_format_in_any_blocks(input_format: str, size: int) -> None:
    for code, data in ALL:
        stream = Normalizer(input_format=input_format).stream()

        def feed_all(stream: Any = stream, data: bytes = data) -> None:
            for block in cut(data, size):
                assert stream.feed(block).events == 0
            stream.finish()

        assert outcome(feed_all) == code


def test_stream_sniffs_only_its_first_bytes() -> None:
    stream = Normalizer().stream()
    assert stream.feed(GOOD).events == 1
    assert stream.feed(b"\x1f\x8b\n").rejects[0].code == "json.utf8"


def test_stream_gives_a_short_record_at_once() -> None:
    stream = Normalizer().stream()
    assert stream.feed(b"{").events == 0
    assert stream.feed(b"}\n").events == 1


def test_error_texts_say_what_to_do() -> None:
    codes = {code for code, _ in ALL}
    assert codes == {
        code for code in FORMAT_CODES if not code.startswith(("format.unknown", "format.no_", "format.other_"))
    }
    for code in codes - {"format.gzip", "format.parquet"}:
        assert "FILE | cfdns-fast convert" in FORMAT_CODES[code]


@pytest.mark.parametrize("code", FOREIGN.keys() - {"format.gzip", "format.zstd"})
@pytest.mark.parametrize("options", [(), ("--input-format", "ndjson")], ids=["auto", "ndjson"])
def test_convert_names_the_format(tmp_path: Path, capsys: Any, code: str, options: tuple[str, ...]) -> None:
    from cfdns_fast.cli.app import main

    (tmp_path / "plain").write_bytes(FOREIGN[code])
    (tmp_path / "packed").write_bytes(gzip.compress(gzip.compress(FOREIGN[code])))
    (tmp_path / "good").write_bytes(GOOD)
    names = [str(tmp_path / name) for name in ("plain", "packed", "good")]
    with pytest.raises(SystemExit) as ended:
        main(["convert", *names, "-o", str(tmp_path / "out"), *options])
    assert ended.value.code == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.startswith(f"cfdns-fast: {name}: {code}: ") for line, name in zip(lines, names[:2], strict=False)] == [
        True
    ] * 2
    assert lines[2].startswith("cfdns-fast: lines 1, events 1, ") and len(lines) == 3
