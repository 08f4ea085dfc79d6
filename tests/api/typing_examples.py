"""Uses of the public API that a type checker must accept or reject. `test_typing.py` runs the checkers."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any, assert_type

import cfdns_fast
from cfdns_fast import (
    CfdnsError,
    DomainParts,
    EngineError,
    EventIterator,
    InputFormatError,
    MappingError,
    Normalizer,
    RecordError,
    Reject,
    Rejects,
    RejectSpill,
    Result,
    Stream,
    parse,
    split_domain,
)


def records(data: bytes, array: bytearray, view: memoryview, mapped: mmap.mmap) -> None:
    """A record is any buffer, but not text."""
    assert_type(parse(data), dict[str, Any])
    parse(array, "ecs")
    parse(view, Path("my.toml"))
    parse(mapped, dataset="gateway_dns")
    parse("text")  # type: ignore[arg-type]
    parse([data])  # type: ignore[arg-type]
    parse(data, None)  # type: ignore[arg-type]


def results(normalizer: Normalizer, data: bytes) -> None:
    """The output of a result depends on the method."""
    ndjson = normalizer.to_ndjson(data, threads=4)
    assert_type(ndjson, Result[bytes])
    assert_type(ndjson.output, bytes)
    assert_type(ndjson.events, int)
    assert_type(ndjson.blank, int)
    assert_type(ndjson.rejects, Rejects)
    assert_type(ndjson.problems, dict[str, int])

    dicts = normalizer.to_dicts(data)
    assert_type(dicts, Result[list[dict[str, Any]]])
    for event in dicts.output:
        assert_type(event, dict[str, Any])

    ndjson.events = 0  # type: ignore[misc]
    normalizer.to_ndjson("text")  # type: ignore[arg-type]
    normalizer.to_ndjson(data, 4)  # type: ignore[call-arg]
    normalizer.to_ndjson(data, threads="4")  # type: ignore[arg-type]
    normalizer.to_dicts(data, threads=4)  # type: ignore[call-arg]


def iteration(normalizer: Normalizer, data: bytes) -> None:
    """The iterator has the attributes of a result."""
    events = normalizer.iter_dicts(data)
    assert_type(events, EventIterator)
    assert_type(iter(events), EventIterator)
    assert_type(next(events), dict[str, Any])
    for event in events:
        assert_type(event, dict[str, Any])
    assert_type(events.events, int)
    assert_type(events.blank, int)
    assert_type(events.rejects, Rejects)
    assert_type(events.problems, dict[str, int])


class Spill:
    """Satisfies `RejectSpill`."""

    def write(self, data: bytes) -> int:
        return len(data)

    def clear(self) -> None: ...


def streams(normalizer: Normalizer, block: bytes, view: memoryview, spill: RejectSpill) -> None:
    """The output of the results depends on the option `output`."""
    stream = normalizer.stream(threads=2)
    assert_type(stream, Stream[bytes])
    assert_type(normalizer.stream(output="ndjson", whole_rejects=True), Stream[bytes])
    with stream as same:
        assert_type(same, Stream[bytes])
        assert_type(same.feed(block), Result[bytes])
        same.feed(view)
    assert_type(stream.flush(), Result[bytes])
    assert_type(stream.finish(), Result[bytes])
    assert_type(stream.cut(), Result[bytes])
    for part in stream.parts(block, final=False, at_once=True):
        assert_type(part, Result[bytes])
    for part in stream.cut_parts():
        assert_type(part, Result[bytes])
    assert_type(stream.lines, int)
    assert_type(stream.unfinished_bytes, int)
    assert_type(stream.unused_columns, tuple[str, ...])
    normalizer.stream(whole_rejects=spill)
    normalizer.stream(whole_rejects=Spill())
    assert_type(normalizer.stream(output="arrow"), Stream[Any])
    assert_type(normalizer.stream(output=str(block)), Stream[Any])
    stream.feed("text")  # type: ignore[arg-type]
    stream.lines = 0  # type: ignore[misc]
    normalizer.stream(2)  # type: ignore[call-overload]
    normalizer.stream(output=5)  # type: ignore[call-overload]
    normalizer.stream(whole_rejects=5)  # type: ignore[call-overload]


def rejects(reject: Reject, several: Rejects) -> None:
    """A reject is a value, and Rejects are a sequence that can be joined with tuples."""
    assert_type(several[0], Reject)
    assert_type(several[1:], Rejects)
    others = (reject,)
    assert_type(others + several, Rejects)
    assert_type(several + others, Rejects)
    assert_type(several.count_by_code(), dict[str, int])
    several[0] = reject  # type: ignore[index]
    Rejects([reject.code])  # type: ignore[list-item]
    assert_type(reject.line, int)
    assert_type(reject.byte_offset, int)
    assert_type(reject.byte_length, int)
    assert_type(reject.code, str)
    assert_type(reject.raw, bytes)
    assert_type(reject.to_json(), bytes)
    reject.to_json("batch.log.gz")
    reject.to_json(Path("batch.log.gz"))
    reject.to_json(b"batch.log.gz")  # type: ignore[arg-type]
    reject.code = "json.syntax"  # type: ignore[misc]


def options() -> None:
    """All options except the first are keyword-only."""
    Normalizer()
    Normalizer("ecs", dataset="gateway_dns", on_reject="raise", keep_message=False, private_suffixes=True)
    Normalizer(Path("my.toml"), timestamp_unit="ms", max_record_bytes=1 << 16)
    Normalizer(input_format="csv", columns=["QueryName", "QueryType"])
    Normalizer(input_format="ndjson", record_delimiter="|")
    Normalizer("sekoia", "gateway_dns")  # type: ignore[call-arg]
    Normalizer(schema=b"ecs")  # type: ignore[arg-type]
    Normalizer(columns=5)  # type: ignore[arg-type]
    Normalizer(threads=2)  # type: ignore[call-arg]


def names() -> None:
    """Each part is text or None."""
    parts = split_domain("www.example.co.uk", private_suffixes=True)
    assert_type(parts, DomainParts)
    assert_type(parts.registered_domain, str | None)
    assert_type(parts.top_level_domain, str | None)
    assert_type(parts.subdomain, str | None)
    split_domain(b"www.example.co.uk")  # type: ignore[arg-type]
    assert_type(cfdns_fast.__version__, str)
    cfdns_fast.Normaliser()  # type: ignore[attr-defined]


def errors(data: bytes) -> None:
    """Every error is a CfdnsError, and errors of values are ValueErrors."""
    try:
        parse(data)
    except RecordError as error:
        assert_type(error.line, int)
        assert_type(error.byte_offset, int)
        assert_type(error.byte_length, int)
        assert_type(error.code, str)
        assert_type(error.raw, bytes)
        as_value: ValueError = error
        as_ours: CfdnsError = error
        print(as_value, as_ours)
    except MappingError as error:
        assert_type(error.file, str)
        assert_type(error.entry, str | None)
        assert_type(error.reason, str)
    except InputFormatError as error:
        assert_type(error.code, str)
    except EngineError as error:
        as_runtime: RuntimeError = error
        print(as_runtime)
