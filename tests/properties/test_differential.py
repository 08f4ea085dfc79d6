"""The compiled core equals the plain Python, byte for byte, on generated input."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("hypothesis")

from golden import INPUTS
from hypothesis import assume, example, given
from hypothesis import strategies as st
from support import strategies, value_strategies
from support.feeding import cut

from cfdns_fast import InputFormatError, Normalizer, RecordError, Result, split_domain
from cfdns_fast.signatures import foreign_format


def assert_same(native: Any, reference: Any, data: bytes, schema: Any = "sekoia", **options: Any) -> None:
    normalizer = native.normalizer(schema, **options)
    try:
        expected = reference.to_dicts(data, schema, **options)
    except InputFormatError as error:
        for write in (normalizer.to_dicts, normalizer.to_ndjson, normalizer.iter_dicts):
            with pytest.raises(InputFormatError, match=error.code):
                write(data)
        return
    built = normalizer.to_dicts(data)
    assert built.rejects == expected.rejects
    assert (built.events, built.blank, built.problems) == (expected.events, expected.blank, expected.problems)
    # repr() shows the order of keys, and distinguishes True from 1.
    assert repr(built.output) == repr(expected.output)
    assert normalizer.to_ndjson(data) == reference.to_ndjson(data, schema, **options)
    iterator = normalizer.iter_dicts(data)
    output = list(iterator)
    assert Result(output, iterator.events, iterator.blank, tuple(iterator.rejects), dict(iterator.problems)) == expected


@given(data=strategies.any_batch, options=strategies.options)
def test_native_equals_reference_with_any_options(
    native: Any, reference: Any, data: bytes, options: dict[str, Any]
) -> None:
    assert_same(native, reference, data, **options)


@given(data=strategies.batches)
def test_native_equals_reference_on_near_valid_records(native: Any, reference: Any, data: bytes) -> None:
    assert_same(native, reference, data)


@given(data=strategies.mutated)
def test_native_equals_reference_on_mutated_batches(native: Any, reference: Any, data: bytes) -> None:
    assert_same(native, reference, data)


@given(data=strategies.soups)
def test_native_equals_reference_on_random_tokens(native: Any, reference: Any, data: bytes) -> None:
    assert_same(native, reference, data)


@given(data=st.binary(max_size=200))
def test_native_equals_reference_on_random_bytes(native: Any, reference: Any, data: bytes) -> None:
    assert_same(native, reference, data)


@pytest.mark.parametrize("field", value_strategies.FIELDS)
@given(data=st.data())
def test_native_equals_reference_on_values_of_a_field(native: Any, reference: Any, field: str, data: Any) -> None:
    tokens = data.draw(value_strategies.tokens_of(field))
    options = data.draw(strategies.options) if field in ("Timestamp", "QueryName") else {}
    options.pop("max_record_bytes", None)
    batch = "".join(f'{{"{field}":{token}}}\n' for token in tokens).encode()
    assert_same(native, reference, batch, **options)


@given(text=strategies.mappings(), data=strategies.mapped_batches, keep_message=st.booleans())
def test_native_equals_reference_with_any_mapping(
    native: Any, reference: Any, text: str, data: bytes, keep_message: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "my.toml"
        path.write_text(text, encoding="utf-8")
        assert_same(native, reference, data, path, keep_message=keep_message)


@given(data=st.one_of(strategies.any_batch, strategies.records.map(str.encode)))
@example(data=b"{}{}\xff")
@example(data=b"\xef\xbb\xbf{}\n\n")
def test_parse_equals_reference(native: Any, reference: Any, data: bytes) -> None:
    def outcome(implementation: Any) -> Any:
        try:
            return repr(implementation.parse(data))
        except RecordError as error:
            return error.line, error.byte_offset, error.byte_length, error.code, error.raw
        except InputFormatError as error:
            return error.code

    assert outcome(native) == outcome(reference)


@given(name=value_strategies.names, private_suffixes=st.booleans())
def test_split_domain_equals_the_parts_of_the_event(native: Any, name: str, private_suffixes: bool) -> None:
    data = json.dumps({"QueryName": name}).encode()
    (event,) = native.to_dicts(data, private_suffixes=private_suffixes).output
    question = event.get("dns", {}).get("question", {})
    parts = split_domain(name, private_suffixes=private_suffixes)
    for part in ("registered_domain", "top_level_domain", "subdomain"):
        assert getattr(parts, part) == question.get(part)


# Invariants on generated input


def moved(result: Any, lines: int, offset: int) -> tuple[Any, ...]:
    return tuple(r._replace(line=r.line + lines, byte_offset=r.byte_offset + offset) for r in result.rejects)


def summed(first: dict[str, int], second: dict[str, int]) -> dict[str, int]:
    return {key: first.get(key, 0) + second.get(key, 0) for key in {*first, *second}}


@given(head=strategies.any_batch, tail=strategies.any_batch)
def test_cut_at_a_newline_changes_only_positions(native: Any, head: bytes, tail: bytes) -> None:
    head += b"\n"
    assume(not foreign_format(head, complete=True) and not foreign_format(head + tail, complete=True))
    normalizer = native.normalizer()
    whole, first, second = normalizer.to_ndjson(head + tail), normalizer.to_ndjson(head), normalizer.to_ndjson(tail)
    assert whole.output == first.output + second.output
    assert whole.rejects == first.rejects + moved(second, head.count(b"\n"), len(head))
    assert whole.blank == first.blank + second.blank
    assert whole.problems == summed(first.problems, second.problems)


@given(data=strategies.any_batch)
def test_native_counts_add_up(native: Any, data: bytes) -> None:
    result = native.to_ndjson(data)
    lines = data.count(b"\n") + (not data.endswith(b"\n") and data != b"")
    assert result.events == result.output.count(b"\n")
    assert lines - result.blank <= result.events + len(result.rejects)
    for reject in result.rejects:
        raw = data[reject.byte_offset : reject.byte_offset + reject.byte_length]
        assert reject.raw == raw[:65536] and len(raw) == reject.byte_length and b"\n" not in raw
        assert reject.line == data.count(b"\n", 0, reject.byte_offset) + 1


@given(
    data=strategies.any_batch, sizes=st.lists(st.integers(0, 60), min_size=1, max_size=8), options=strategies.options
)
def test_stream_in_any_blocks_equals_one_call(data: bytes, sizes: list[int], options: dict[str, Any]) -> None:
    whole = Normalizer(**options).to_ndjson(data)
    stream = Normalizer(**options).stream()
    results = []
    for block in cut(data, sizes):
        results.append(stream.feed(block))
        if len(block) % 2:
            results.append(stream.flush())
    results.append(stream.finish())
    problems: dict[str, int] = {}
    for result in results:
        problems = summed(problems, result.problems)
    assert b"".join(result.output for result in results) == whole.output
    assert [(r.line, r.byte_offset, r.byte_length, r.code) for result in results for r in result.rejects] == [
        (r.line, r.byte_offset, r.byte_length, r.code) for r in whole.rejects
    ]
    assert sum(result.blank for result in results) == whole.blank
    assert problems == whole.problems
    assert stream.lines == data.count(b"\n") + (not data.endswith(b"\n") and data != b"")


# Sizes that hypothesis does not reach

SHORT = [data for data in INPUTS if len(data) < 2000]


def test_native_equals_reference_at_every_escape(native: Any, reference: Any) -> None:
    odd = ['"', "\\", "\n", "\x01", "\x7f", "é", "\u2028", "😀", ""]
    texts = [f"{'a' * before}{character}{'b' * (before % 5)}" for before in range(140) for character in odd]
    for escape in (True, False):
        written = (json.dumps({"ColoCode": text}, ensure_ascii=escape) for text in texts)
        assert_same(native, reference, "\n".join(written).encode())
    # With tabs between tokens, the message needs escapes outside strings too.
    assert_same(native, reference, b"\n".join(b'{%s\t"ColoCode":\t"A"}' % (b" " * before) for before in range(140)))


@pytest.mark.parametrize("shift", [0, 1, *(pytest.param(shift, marks=pytest.mark.slow) for shift in (7, 63))])
def test_native_equals_reference_beyond_its_windows(native: Any, reference: Any, shift: int) -> None:
    data = b" " * shift + b"\n".join(SHORT[shift:] * 3 if shift == 1 else SHORT[shift:])
    assert_same(native, reference, data)


def test_shift_of_a_batch_changes_only_positions(native: Any) -> None:
    normalizer = native.normalizer()
    unit = [
        b'{"ColoCode":"AMS","QueryName":"www.example.com.","x":[{},"\\\\"]}',
        b"oops",
        b"\xff",
        b"",
        b'{"a":1}{"b":2}',
    ]
    data = b"\n".join(unit * 1700)
    expected = normalizer.to_ndjson(data)
    for shift in range(1, 66, 2):
        result = normalizer.to_ndjson(b"\n" + b" " * (shift - 1) + b"\n" + data)
        assert result.output == expected.output
        assert result.rejects == moved(expected, 2, shift + 1)


@pytest.mark.slow
def test_native_equals_reference_on_a_line_of_objects(native: Any, reference: Any) -> None:
    line = b'{"QueryType":1,"ColoCode":"AMS"} ' * 4200
    for end in (b"", b"oops", b"\xff", b'{"a":"\\ud800"}{"b":1}', b"[" * 300, b"\n{}"):
        assert native.to_ndjson(line + end) == reference.to_ndjson(line + end)


def test_five_megabyte_line_gives_every_object(native: Any) -> None:
    record = b'{"ColoCode":"AMS"}'
    result = native.to_ndjson(record * 280_000)
    assert result.output == native.to_ndjson(record).output * 280_000
    assert (result.events, result.rejects, result.problems) == (280_000, (), {"field.missing:Timestamp": 280_000})


LONG_LINES = {
    "text": b'{"ColoCode":"%s"}' % (b"x" * 5_000_000),
    "escapes": b'{"ColoCode":"%s"}' % (b'\\"' * 2_500_000),
    "arrays": b'{"a":[%s0],"ColoCode":"AMS"}' % (b'["%s"],' % (b"x" * 1000) * 5000),
    "bad byte": b'{"a":"\xff%s"}' % (b"x" * 5_000_000),
    "open text": b'{"a":"%s' % (b"x" * 5_000_000),
    "junk": b"x" * 5_000_000,
    "blank": b" " * 5_000_000,
    "blank around": b" " * 5_000_000 + b'{"ColoCode":"AMS"}' + b"\r" * 200_000,
}


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(line, id=name, marks=pytest.mark.slow if name == "escapes" else [])
        for name, line in LONG_LINES.items()
    ],
)
@pytest.mark.parametrize("max_record_bytes", [1048576, pytest.param(2**30, marks=pytest.mark.slow)])
def test_native_equals_reference_on_very_long_lines(
    native: Any, reference: Any, line: bytes, max_record_bytes: int
) -> None:
    """The lines before and after the long one are converted."""
    data = b'{"ColoCode":"CDG"}\n' + line + b'\n{"ColoCode":"LHR"}\n'
    got = native.to_ndjson(data, max_record_bytes=max_record_bytes)
    expected = reference.to_ndjson(data, max_record_bytes=max_record_bytes)
    assert got.rejects == expected.rejects
    assert got.output == expected.output
    assert (got.events, got.blank, got.problems) == (expected.events, expected.blank, expected.problems)
