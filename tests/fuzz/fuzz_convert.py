#!/usr/bin/env python3
"""Fuzz target: for any bytes, the compiled core does exactly what the plain Python does. See README.md.

An input is a header of three bytes and the data:

0. how the stream is cut: into two blocks, or into blocks of one size
1. the padding: from MIN_SHIFT on, up to 128 KiB before the data, so that the edge of the core's window is in the data
2. the options: which of COMBINATIONS
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["cfdns_fast"]):
    from cfdns_fast import InputFormatError, Normalizer, RecordError, Result, parse, reference

sys.path.insert(0, str(Path(__file__).parents[1]))
from golden import CASES, CONSTANTS, INTAKE_SAMPLES, flatten

#: Every option of a conversion, with its values other than the default. A new option is one line here.
OPTIONS: tuple[dict[str, Any], ...] = (
    {"keep_message": False},
    {"private_suffixes": True},
    *({"timestamp_unit": unit} for unit in ("s", "ms", "us", "ns")),
    *({"max_record_bytes": limit} for limit in (1, 2, 20, 60, 100, 200, 400)),
    {"schema": "ecs"},
    {"dataset": "gateway_dns"},
    {"schema": "ecs", "dataset": "gateway_dns"},
    {"schema": "ecs", "dataset": "dns_firewall_logs"},
    {"schema": "ocsf"},
    {"schema": "ocsf", "dataset": "gateway_dns"},
    {"input_format": "json"},
    {"input_format": "auto"},
    {"input_format": "csv"},
    {"input_format": "tsv", "columns": ("QueryName", "Timestamp", "QueryType")},
    {"record_delimiter": ","},
    {"record_delimiter": "|"},
)
#: The combinations are few, because each one is a Normalizer, which is slow to make.
COMBINATIONS: tuple[dict[str, Any], ...] = (
    {},
    *OPTIONS,
    {"keep_message": False, "private_suffixes": True, "timestamp_unit": "s", "max_record_bytes": 60},
    *({**OPTIONS[i], "max_record_bytes": 60} for i in range(-6, 0)),
)
HEADER_BYTES = 3
WINDOW_BYTES = 128 * 1024
MIN_SHIFT = 246
MAX_SEED_BYTES = 4096
SEEDS_PER_SECOND = 3
PARSE_OPTIONS = inspect.signature(parse).parameters.keys()


@dataclass(frozen=True)
class Input:
    """The input that the bytes of the fuzzer describe."""

    padding: bytes
    content: bytes
    options: dict[str, Any]
    cut: int

    @property
    def data(self) -> bytes:
        return self.padding + self.content

    def blocks(self) -> list[bytes]:
        """Cut the data into blocks; all of the padding is in the first block."""
        data, start = self.data, len(self.padding)
        half = self.cut // 2
        if self.cut % 2 == 0:
            # Two blocks, cut at the same fraction of the content.
            at = start + len(self.content) * half // 127
            return [data[:at], data[at:]]
        size = half + 1
        cuts = range(start + size, len(data), size)
        return [data[start:end] for start, end in zip((0, *cuts), (*cuts, len(data)), strict=True)]


def read(raw: bytes) -> Input:
    """Return the input that the bytes of the fuzzer describe."""
    cut, shift, combination = raw[:HEADER_BYTES].ljust(HEADER_BYTES, b"\0")
    content = raw[HEADER_BYTES:]
    options = COMBINATIONS[combination % len(COMBINATIONS)]
    # Padding is rare, because such an input takes seconds.
    steps = 255 - MIN_SHIFT
    padding_bytes = WINDOW_BYTES - len(content) * (shift - MIN_SHIFT) // steps if shift >= MIN_SHIFT else 0
    return Input(padding(padding_bytes, shift), content, options, cut)


def padding(size_bytes: int, shift: int) -> bytes:
    """Return a blank line or, in the line of the content, an object. The plain Python reads both fast."""
    if size_bytes == 0:
        return b""
    return b" " * (size_bytes - 1) + b"\n" if shift % 2 else b'{"":"' + b"x" * (size_bytes - 7) + b'"}'


def seed(data: bytes, options: dict[str, Any], number: int) -> bytes:
    """Return the fuzzer's bytes for data and options; `number` varies the rest of the header."""
    wanted = options or COMBINATIONS[number % len(COMBINATIONS) if number % 2 else 0]
    combination = COMBINATIONS.index(wanted) if wanted in COMBINATIONS else 0
    shift = MIN_SHIFT + number // 101 % (256 - MIN_SHIFT) if number % 101 == 100 else 0
    return bytes((number * 37 % 256, shift, combination)) + data


def write_seeds(folder: Path, seconds: int) -> None:
    """Write golden cases, one per file, but only as many as libFuzzer can run in the time."""
    folder.mkdir(parents=True, exist_ok=True)
    inputs = [(case.data, case.options) for case in CASES]
    inputs += [(sample["message"].encode(), {}) for sample in INTAKE_SAMPLES]
    step = max(1, len(inputs) // (SEEDS_PER_SECOND * seconds))
    for number in range(0, len(inputs), step):
        data, options = inputs[number]
        if len(data) <= MAX_SEED_BYTES:
            (folder / f"golden-{number:05}").write_bytes(seed(data, options, number))


# What must hold


@cache
def normalizer(**options: Any) -> Normalizer:
    return Normalizer(**options)


def check(given: Input) -> None:
    """Raise AssertionError if the implementations differ. An unexpected exception of either is not caught."""
    data, options = given.data, given.options
    native = normalizer(**options)
    try:
        expected = reference.to_dicts(data, **options)
    except InputFormatError as error:
        for convert in (native.to_dicts, native.to_ndjson, lambda data: list(native.iter_dicts(data))):
            assert outcome(convert, data) == (InputFormatError, str(error)), "only one of them rejects the format"
        return
    expected_lines = reference.to_ndjson(data, **options)

    built = native.to_dicts(data)
    assert built == expected, "to_dicts differs"
    assert repr(built.output) == repr(expected.output), "to_dicts differs in the order of keys or in types"
    written = native.to_ndjson(data)
    assert written == expected_lines, "to_ndjson differs"
    assert len(built.output) == built.events, "events are not counted right"
    check_stream(given, written)
    check_raising(data, options, expected)
    if options.keys().isdisjoint(("input_format", "record_delimiter")):
        check_counts(data, written)
    if given.options.keys() <= PARSE_OPTIONS:
        call = partial(outcome, data=data, **given.options)
        assert call(parse) == call(reference.parse), "parse differs"


def check_counts(data: bytes, written: Result[bytes]) -> None:
    records = written.events + len(written.rejects)
    lines = data.count(b"\n") + (not data.endswith(b"\n") and data != b"")
    assert written.events == written.output.count(b"\n"), "events are not lines"
    assert lines - written.blank <= records, "a line is lost"
    end = 0
    for reject in written.rejects:
        assert end <= reject.byte_offset, "rejects overlap"
        end = reject.byte_offset + reject.byte_length
        assert reject.raw == data[reject.byte_offset : end][:65536], "a reject holds other bytes"
        assert reject.line == data.count(b"\n", 0, reject.byte_offset) + 1, "a reject is on another line"


def check_stream(given: Input, written: Result[bytes]) -> None:
    stream = normalizer(**given.options).stream()
    parts = [stream.feed(block) for block in given.blocks()] + [stream.finish()]
    problems: dict[str, int] = {}
    for part in parts:
        for key, count in part.problems.items():
            problems[key] = problems.get(key, 0) + count
    joined = Result(
        b"".join(part.output for part in parts),
        sum(part.events for part in parts),
        sum(part.blank for part in parts),
        tuple(reject for part in parts for reject in part.rejects),
        problems,
    )
    # A stream keeps rejects whole, so only their first 64 KiB can be compared.
    assert [(r.line, r.byte_offset, r.byte_length, r.code, r.raw[:65536]) for r in joined.rejects] == [
        (r.line, r.byte_offset, r.byte_length, r.code, r.raw) for r in written.rejects
    ], "the stream's rejects differ"
    whole = Result(written.output, written.events, written.blank, joined.rejects, written.problems)
    assert joined == whole, "the stream differs"


def check_raising(data: bytes, options: dict[str, Any], expected: Result[list[dict[str, Any]]]) -> None:
    """With on_reject="raise", the iterator continues after every reject, and the other writers stop at the first."""
    strict = normalizer(on_reject="raise", **options)
    events, errors = [], []
    iterator = strict.iter_dicts(data)
    while True:
        try:
            events.append(next(iterator))
        except RecordError as error:
            errors.append(attributes(error))
        except StopIteration:
            break
    assert events == expected.output, "the raising iterator's events differ"
    assert errors == [attributes(reject) for reject in expected.rejects], "the raising iterator's errors differ"
    first = errors[0] if errors else None
    for convert in (strict.to_ndjson, strict.to_dicts):
        got = outcome(convert, data)
        assert (got if errors else None) == first, "another first reject is raised"


def outcome(call: Callable[..., Any], data: bytes, **options: Any) -> Any:
    try:
        return repr(call(data, **options))
    except RecordError as error:
        return attributes(error)
    except InputFormatError as error:
        return InputFormatError, str(error)


def attributes(reject: Any) -> tuple[Any, ...]:
    return reject.line, reject.byte_offset, reject.byte_length, reject.code, reject.raw


# Golden cases from findings


def golden_case(given: Input) -> str:
    """Return a [[case]] for tests/golden, which expects the result of the plain Python."""
    content = {"hex": given.content.hex()}
    lines = [
        "[[case]]",
        'name = "TODO: what it shows"',
        'rule = "TODO"',
        f"# {given.content!a}",
        f"input = {toml([*shortened(given.padding), content] if given.padding else content)}",
    ]
    if given.options:
        lines.append(f"options = {toml(given.options)}")
    try:
        lines += expectations(given)
    except Exception as error:
        lines.append(f"# The plain Python itself fails: {error!a}")
    return "\n".join(lines)


def shortened(padding: bytes) -> list[Any]:
    """Return the result of padding() as golden cases write it."""
    text = padding.decode()
    repeated = "x" if text.startswith("{") else " "
    before, _, after = text.partition(repeated * text.count(repeated))
    return [before, {"repeat": repeated, "times": text.count(repeated)}, after]


def expectations(given: Input) -> list[str]:
    result = reference.to_dicts(given.data, **given.options)
    flat = [flatten(event) for event in result.output]
    shown = [{key: value for key, value in e.items() if key != "message" and key not in CONSTANTS} for e in flat]
    rejects = [
        {"line": r.line, "offset": r.byte_offset, "length": r.byte_length, "code": r.code} for r in result.rejects
    ]
    missing = sum("@timestamp" not in event for event in shown)
    lines = []
    if shown:
        lines.append(f"events = {toml(shown)}")
    if shown and all("message" in event for event in flat):
        lines.append(f"messages = {toml([event['message'] for event in flat])}")
    if rejects:
        lines.append(f"rejects = {toml(rejects)}")
    if result.blank:
        lines.append(f"blank = {result.blank}")
    if result.problems != ({"field.missing:Timestamp": missing} if missing else {}):
        lines.append(f"problems = {toml(result.problems)}")
    return lines


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{toml(key)} = {toml(item)}" for key, item in value.items()) + " }" if value else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    # JSON text is valid TOML, except for a raw DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def main() -> None:
    match sys.argv[1:]:
        case ["--seeds", folder, seconds]:
            write_seeds(Path(folder), int(seconds))
        case ["--golden", *files] if files:
            print("\n\n".join(golden_case(read(Path(file).read_bytes())) for file in files))
        case _:
            atheris.Setup(sys.argv, lambda raw: check(read(raw)))
            atheris.Fuzz()


if __name__ == "__main__":
    main()
