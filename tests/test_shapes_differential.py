"""Shapes: the compiled core equals the plain Python, and a stream one call, on whatever hypothesis thinks of."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("hypothesis")

import strategies
from hypothesis import example, given
from hypothesis import strategies as st
from spill import streamed
from support import FOREIGN

from cfdns_fast import InputFormatError, Normalizer, Result

# Documents


def _cut(text: str, size: int) -> str:
    """Leave the last characters out."""
    return text[: max(len(text) - size, 0)]


_cuts = st.sampled_from([0, 0, 0, 1, 2, 5, 9])
_space = st.sampled_from([""] * 12 + [" ", "\n", "\r\n  ", "\t"] * 2 + ["\x00", "\x00\n\x00"])
_others = st.sampled_from(
    ["1", '"x"', "null", "[]", "[1]", "[[{}]]", '{"QueryName":"n"}', '"\\ud800"', "oops", "01", "{}"]
)
_names = st.sampled_from(['"events"', '"info"', '"a"', '""', '"\\ud800"', '"Query\\u004eame"', '"ColoCode"', '"a\\"b"'])


@st.composite
def elements(draw: Any) -> str:
    record: str = draw(st.one_of(strategies.records, _others))
    if draw(st.integers(0, 3)) == 0:
        record = "{" + draw(_space) + draw(_names) + draw(_space) + ":" + draw(_space) + record + draw(_space) + "}"
    return draw(_space) + record + draw(_space)


arrays = st.lists(elements(), max_size=4).map(lambda items: f"[{','.join(items)}]")
_members = st.tuples(_names, _space, st.one_of(arrays, _others)).map(lambda parts: f"{parts[0]}{parts[1]}:{parts[2]}")
wrappers = st.lists(_members, min_size=1, max_size=3).map(lambda items: "{" + ",\n".join(items) + "}")
documents: st.SearchStrategy[bytes] = st.lists(
    st.tuples(
        st.one_of(arrays, wrappers, wrappers, elements()),
        st.sampled_from(["", "\n", ",", " ", "|", "\ufeff", "\x00", "\n\x00"]),
    ),
    min_size=1,
    max_size=3,
).map(lambda pieces: "".join(a + b for a, b in pieces).encode())

_on_a_line = st.one_of(arrays, wrappers, elements(), elements()).map(
    lambda text: text.replace("\n", "").replace("\r", "")
)
documents_on_lines: st.SearchStrategy[bytes] = st.lists(
    st.tuples(
        st.builds(_cut, _on_a_line, _cuts),
        st.sampled_from(
            ["\n", "\n", "\r\n", " \n", "\r\r\n", "\n\n", " oops\n", "\n\ufeff", "", "\x00\n", "\n\x00\x00"]
        ),
    ),
    min_size=1,
    max_size=6,
).map(lambda pieces: "".join(a + b for a, b in pieces).encode())

# Rows

_cells = st.sampled_from(
    [
        "",
        "AMS",
        "a.com",
        "1",
        "1657233726",
        "192.0.2.1",
        '""',
        '"a,b"',
        '"x""y"',
        '"q\nr"',
        '"',
        'a"b',
        '"a"b',
        "\r",
        "é",
    ]
)
_headers = st.sampled_from(
    [
        "QueryName,Timestamp,ColoCode\n",
        "\tQueryName , Timestamp,ColoCode \n",
        "ColoCode\tQueryName\tx\r\n",
        "a,b,c\n",
        "",
        "\ufeff\n",
        "\x00\ufeff\x00",
    ]
)
rows = st.builds(
    lambda header, lines, end: (header + end.join(lines)).encode(),
    _headers,
    st.lists(st.builds(lambda cells, mark: mark.join(cells), st.lists(_cells, max_size=4), st.sampled_from(",\t"))),
    st.sampled_from(["\n", "\r\n", "\n\n", "\n\x00\x00", "\n\x00\ufeff"]),
)

_delimiters = ["|", ",", ",\n", "||", "\n|\n", " ;", ", ", "é", "e", "1e", "\x00", "\x00|"]
_delimited = st.lists(
    st.tuples(st.builds(_cut, strategies.lines, _cuts), st.sampled_from(_delimiters)), max_size=4
).map(lambda pieces: "".join(line + delimiter for line, delimiter in pieces).encode())

# Beginnings of formats that are not read, as they are and with bytes changed, and what only looks like them.
foreign: st.SearchStrategy[bytes] = st.one_of(
    st.sampled_from(list(FOREIGN.values())),
    st.builds(lambda data, end: data[:end], st.sampled_from(list(FOREIGN.values())), st.integers(1, 24)),
    st.sampled_from([b"x^text, and more of it\n", b"PK\n", b"PAR1,Obj\n", b"BZh9\n", b"\0\0\0{}", b" \0 \0\n"]),
)

any_data: st.SearchStrategy[bytes] = st.builds(
    strategies.changed,
    st.one_of(documents, documents, documents_on_lines, rows, rows, _delimited, strategies.batches, foreign),
    st.one_of(st.just([]), strategies.changes),
)
options: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries(
        {"input_format": st.sampled_from(["auto", "json", "ndjson"])},
        optional={
            "max_record_bytes": st.sampled_from([1, 12, 40, 200]),
            "record_delimiter": st.sampled_from(_delimiters),
            "keep_message": st.booleans(),
        },
    ),
    st.fixed_dictionaries(
        {"input_format": st.sampled_from(["auto", "csv", "tsv"])},
        optional={
            "max_record_bytes": st.sampled_from([1, 5, 12, 40]),
            "columns": st.sampled_from([("QueryName", " Timestamp", "ColoCode\t"), ("ColoCode", "x")]),
            "keep_message": st.booleans(),
        },
    ),
)


def outcome(call: Any) -> Any:
    try:
        return call()
    except InputFormatError as error:
        return error.code


@given(data=any_data, options=options)
@example(data=b'{"a":[{"QueryName":"x"}]', options={"input_format": "json"})
@example(data=b'{"events":[{"a":1}\n,', options={"input_format": "auto"})
@example(data=b"QueryName,Timestamp,ColoCode\n", options={"input_format": "auto", "columns": ("ColoCode", "x")})
@example(data=b'QueryName,Timestamp\n"a\n"', options={"input_format": "auto", "max_record_bytes": 5})
def test_native_when_given_any_shape_then_equals_reference(
    native: Any, reference: Any, data: bytes, options: dict[str, Any]
) -> None:
    built = outcome(lambda: native.to_dicts(data, **options))
    assert built == outcome(lambda: reference.to_dicts(data, **options))
    written = outcome(lambda: native.to_ndjson(data, **options))
    assert written == outcome(lambda: reference.to_ndjson(data, **options))
    if isinstance(built, str):
        # Some of these errors come with the first event that is asked for.
        assert outcome(lambda: list(native.normalizer(**options).iter_dicts(data))) == built
        return
    iterator = native.normalizer(**options).iter_dicts(data)
    output = list(iterator)
    assert Result(output, iterator.events, iterator.blank, iterator.rejects, dict(iterator.problems)) == built
    assert (built.events, built.rejects) == (written.events, written.rejects)
    assert built.events == len(built.output) == written.output.count(b"\n")
    for reject in built.rejects:
        assert reject.raw == data[reject.byte_offset : reject.byte_offset + reject.byte_length]
        assert reject.line == data.count(b"\n", 0, reject.byte_offset) + 1


@given(
    data=any_data,
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=8),
    with_spill=st.booleans(),
    options=options,
)
def test_stream_when_any_shape_comes_in_blocks_of_any_size_then_equals_one_call(
    data: bytes, sizes: list[int], with_spill: bool, options: dict[str, Any]
) -> None:
    whole = outcome(lambda: Normalizer(**options).to_ndjson(data))
    assert outcome(lambda: streamed(data, sizes, with_spill=with_spill, **options)) == whole


INPUTS: list[tuple[bytes, dict[str, Any]]] = [
    (
        b'{"n":[1],"events":[\n{"info":{"ColoCode":"A\\"]"}},5,\r\n{"ColoCode":"B"}\n],"x":{"y":[{}]},"z":[ {}]}\n',
        {},
    ),
    (b'[{"ColoCode":"A"},\n{"ColoCode":"B"}\noops,{}]\n', {}),
    (b'{"ColoCode":"A"}\n\n{"ColoCode":"B"}{"a":1}x\n[1]\n', {}),
    (b'\xef\xbb\xbf{"a":1}||{"b":"||"}\n||x||[]||\n', {"record_delimiter": "||"}),
    (b'{\n"a":1\n}||[2]\xef\xbb\xbf,{"a":[{}]}|||', {"record_delimiter": "||", "input_format": "json"}),
    (b'\xef\xbb\xbfColoCode,QueryName,x\r\n"A\nB","a""b",\r\n\n\xef\xbb\xbfC,"d"e,f\n1,2\ng,\xc3\xa9,"h"', {}),
    (b'ColoCode\tQueryName\n"open\t1\n2\t3\n\t\n', {}),
    (
        b'{"info":{"ColoCode":"A"}}\r\n{"info":{"ColoCode":"B"}\r\n \r\n[{"ColoCode":"C"},\r\n'
        b'{"events":[{"ColoCode":"D"}] oops\r\r\n\xef\xbb\xbf{"ColoCode":"E"}\n7\n{"events":[{}\r\n[{}\r',
        {},
    ),
    (b'[{"ColoCode":"A"},1]x\n[{}\n]\n', {"input_format": "json"}),
    (b'[{"ColoCode":"A"},oops]\n[{}]\n', {"input_format": "json"}),
    (b'[{"ColoCode":"A"}\n,{"ColoCode":"B"}]{"ColoCode":\n"C"}\n', {}),
    (b'[\n]x\n{"ColoCode":"A"}\n', {}),
    (b'[{}\n,]x\n{"ColoCode":"A"}\n', {}),
    (b'{\n}{"ColoCode":"A"\n{"ColoCode":"B"}\n', {}),
    (
        b'{"ColoCode":"A"||{"a":["||",||{"b":"||"}||\xef\xbb\xbf||[||{"a":tru||\r\n{"a":"\\u12||\n\xef\xbb\xbf{"a":1||',
        {"record_delimiter": "||", "input_format": "ndjson"},
    ),
    (b'{"a":1 ;{"b":2}  ;{}   ;{"c":3, ;[ ;\t ;\n ;{}', {"record_delimiter": " ;", "input_format": "ndjson"}),
    (b'{"a":1,{"b":2},{"c":3,},{"d":[1,],\r\n,', {"record_delimiter": ",", "input_format": "ndjson"}),
    (b"\xff\n\xfe\n {", {}),
    (b"\n \r\n", {}),
]


@pytest.mark.parametrize(("data", "options"), INPUTS, ids=range(len(INPUTS)))
def test_stream_when_cut_at_any_byte_then_changes_nothing(data: bytes, options: dict[str, Any]) -> None:
    options = {"input_format": "auto", **options}
    whole = Normalizer(**options).to_ndjson(data)
    for at in range(1, len(data)):
        assert streamed(data, [at, len(data)], with_spill=True, **options) == whole
    assert streamed(data, [1], **options) == whole
