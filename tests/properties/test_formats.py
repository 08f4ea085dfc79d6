"""In every input format, the compiled core equals the plain Python, and a stream equals one call."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("hypothesis")

from hypothesis import example, given
from hypothesis import strategies as st
from support.format_strategies import any_data, options, outcome
from support.spill import streamed

from cfdns_fast import Normalizer, Result


@given(data=any_data, options=options)
@example(data=b'{"a":[{"QueryName":"x"}]', options={"input_format": "json"})
@example(data=b'{"events":[{"a":1}\n,', options={"input_format": "auto"})
@example(data=b"QueryName,Timestamp,ColoCode\n", options={"input_format": "auto", "columns": ("ColoCode", "x")})
@example(data=b'QueryName,Timestamp\n"a\n"', options={"input_format": "auto", "max_record_bytes": 5})
def test_native_equals_reference_in_any_format(
    native: Any, reference: Any, data: bytes, options: dict[str, Any]
) -> None:
    built = outcome(lambda: native.to_dicts(data, **options))
    assert built == outcome(lambda: reference.to_dicts(data, **options))
    written = outcome(lambda: native.to_ndjson(data, **options))
    assert written == outcome(lambda: reference.to_ndjson(data, **options))
    if isinstance(built, str):
        # The iterator may raise the error at its first event.
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
def test_stream_in_any_blocks_equals_one_call(
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
def test_stream_cut_at_any_byte_equals_one_call(data: bytes, options: dict[str, Any]) -> None:
    options = {"input_format": "auto", **options}
    whole = Normalizer(**options).to_ndjson(data)
    for at in range(1, len(data)):
        assert streamed(data, [at, len(data)], with_spill=True, **options) == whole
    assert streamed(data, [1], **options) == whole
