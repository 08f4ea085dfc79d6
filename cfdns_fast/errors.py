"""The exceptions and the tables of stable codes.

Codes are part of the API; their texts may change. Messages have positions and no content of records, because query
names and client addresses are personal data.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = [
    "FORMAT_CODES",
    "PARSE_CODES",
    "PROBLEM_CODES",
    "REJECT_CODES",
    "CfdnsError",
    "EngineError",
    "InputFormatError",
    "MappingError",
    "RecordError",
]

#: Reject reasons, in the order in which they are checked; the first that applies is reported. The order is fixed,
#: because the compiled core uses the positions of the codes (the codes of CSV excepted).
REJECT_CODES: Mapping[str, str] = MappingProxyType(
    {
        "record.too_large": "longer than max_record_bytes",
        "json.utf8": "not valid UTF-8 (RFC 3629)",
        "json.depth": "more than 256 brackets open at once",
        "json.syntax": "not JSON (RFC 8259)",
        "json.surrogate": "an unpaired surrogate escape (RFC 8259 section 8.2)",
        "json.not_object": "valid JSON, but not an object",
        "csv.utf8": "a row that is not valid UTF-8 (RFC 3629)",
        "csv.syntax": "a row with quotes or carriage returns out of place (RFC 4180)",
        "csv.columns": "a row with more or fewer cells than there are columns",
    }
)

#: Problems of an event: one field is absent, or with ``record.unknown`` all are. The order is fixed for the same
#: reason.
PROBLEM_CODES: Mapping[str, str] = MappingProxyType(
    {
        "field.type": "a value of a type or form that is invalid for the field's kind",
        "field.range": "a value outside the range of the field's kind",
        "field.missing": "a required field is absent",
        "record.unknown": "none of the keys that the mapping reads is in the record",
    }
)

#: Further reasons of `parse()`, which converts one record.
PARSE_CODES: Mapping[str, str] = MappingProxyType(
    {
        "record.empty": "no record: empty or blank input",
        "record.multiple": "more than one record (parse() converts one JSON object on one line)",
    }
)

#: Reasons why an input is not converted. The text of a format that is not read names a way to convert it.
FORMAT_CODES: Mapping[str, str] = MappingProxyType(
    {
        "format.gzip": "gzip data: decompress it first, for example with gzip.decompress; the command decompresses it",
        "format.zstd": "zstd data: decompress it first, for example zstd -dc FILE | cfdns-fast convert",
        "format.lz4": "LZ4 data: decompress it first, for example lz4 -dc FILE | cfdns-fast convert",
        "format.xz": "xz data: decompress it first, for example xz -dc FILE | cfdns-fast convert",
        "format.bzip2": "bzip2 data: decompress it first, for example bzip2 -dc FILE | cfdns-fast convert",
        "format.snappy": "Snappy data: decompress it first, for example snzip -dc FILE | cfdns-fast convert",
        "format.zlib": "zlib data: decompress it first, for example with zlib.decompress, or pigz -dc < FILE | "
        "cfdns-fast convert",
        "format.zip": "a zip archive: extract its files first, for example unzip -p FILE | cfdns-fast convert",
        "format.parquet": "a Parquet file, not log records: export its rows as NDJSON first, for example duckdb -c "
        "\"COPY (FROM 'FILE') TO 'FILE.ndjson' (FORMAT json)\"",
        "format.avro": "an Avro file, not log records: export its rows as NDJSON first, for example avro-tools tojson "
        "FILE | cfdns-fast convert",
        "format.utf16": "UTF-16 text: convert it to UTF-8 first, for example iconv -f UTF-16 -t UTF-8 FILE | "
        "cfdns-fast convert (UTF-16LE or UTF-16BE where there is no byte order mark)",
        "format.utf32": "UTF-32 text: convert it to UTF-8 first, for example iconv -f UTF-32 -t UTF-8 FILE | "
        "cfdns-fast convert (UTF-32LE or UTF-32BE where there is no byte order mark)",
        "format.unknown": "neither JSON nor CSV or TSV with a header of known fields: set input_format "
        "(--input-format), and for rows without a header columns (--columns)",
        "format.no_header": "the first row is not a header, because it names fewer than two known fields: set columns "
        "(--columns)",
        "format.other_header": "the first row is a header with other names than columns (--columns): omit "
        "columns, or set it to these names",
    }
)

_MEANINGS = {**REJECT_CODES, **PARSE_CODES}


class CfdnsError(Exception):
    """Base class of all exceptions of this package."""


class MappingError(CfdnsError, ValueError):
    """A mapping cannot be loaded.

    Attributes
    ----------
    file : str
        The file, or the name of the bundled mapping.
    entry : str or None
        The entry, for example ``field 3 (dns.question.type)``; None if the fault is not in one entry.
    reason : str
        The fault, and what is allowed.
    line : int or None
        The line of the file, from 1; None if the fault is in no line.
    """

    def __init__(self, file: str, entry: str | None, reason: str, line: int | None = None) -> None:
        self.file = file
        self.entry = entry
        self.reason = reason
        self.line = line
        place = file if line is None else f"{file}:{line}"
        super().__init__(": ".join(part for part in (place, entry, reason) if part))

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.file, self.entry, self.reason, self.line)


class InputFormatError(CfdnsError, ValueError):
    """An input cannot be converted, because its format is not read or cannot be detected.

    Attributes
    ----------
    code : str
        A key of `FORMAT_CODES`.
    """

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(f"{code}: {FORMAT_CODES[code]}")

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.code,)


class RecordError(CfdnsError, ValueError):
    """A record was rejected. The attributes are those of `Reject`.

    Attributes
    ----------
    line : int
        The line of the first rejected byte in the data of the call, from 1.
    byte_offset, byte_length : int
        Position and size of the rejected bytes in the data of the call.
    code : str
        A key of `REJECT_CODES` or `PARSE_CODES`.
    raw : bytes
        The first 64 KiB of the rejected bytes. They are not part of the message.
    """

    def __init__(self, line: int, byte_offset: int, byte_length: int, code: str, raw: bytes) -> None:
        self.line = line
        self.byte_offset = byte_offset
        self.byte_length = byte_length
        self.code = code
        self.raw = raw
        super().__init__(f"{code}: {_MEANINGS[code]} (line {line}, byte offset {byte_offset}, {byte_length} bytes)")

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.line, self.byte_offset, self.byte_length, self.code, self.raw)


class EngineError(CfdnsError, RuntimeError):
    """The engine does not work on this system, for example without a SIMD kernel for the CPU.

    Data never causes it. A failed allocation raises MemoryError.
    """
