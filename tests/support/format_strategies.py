"""hypothesis strategies for inputs of every format."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from support import strategies
from support.records import FOREIGN

from cfdns_fast import InputFormatError

# Documents


def _cut(text: str, size: int) -> str:
    """Remove the last characters."""
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

# First bytes of unsupported formats, whole and cut, and text that only looks like such a format.
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
