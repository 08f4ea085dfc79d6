"""hypothesis strategies for whole batches: near-valid records, broken bytes, changed golden inputs, odd mappings."""

from __future__ import annotations

from typing import Any

from golden import INPUTS
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from support.mappings import field
from support.value_strategies import FIELDS, broken_tokens, deep, free_text, json_text, nested, scalars, tokens_by_field

from cfdns_fast.signatures import foreign_format

# Records and lines

white = st.sampled_from([""] * 12 + [" ", "\t", "\r", "  \t\r "])
odd_white = st.sampled_from([""] * 30 + ["\v", "\f", "\xa0", "\ufeff"])
padding = st.sampled_from([""] * 12 + ["\x00", "\x00" * 77, "\x00 \x00", "\x00\ufeff", "\ufeff\x00"])
NEAR_KEYS = ["", "x", "queryname", "QueryNam", "QueryNames", "Timestamp\x00", "\x00", "Time\x00stamp"]
other_keys = st.one_of(st.sampled_from(NEAR_KEYS), free_text)


@st.composite
def members(draw: Any) -> str:
    name = draw(st.sampled_from(FIELDS))
    if draw(st.integers(0, 9)) < 7:
        token = draw(tokens_by_field[name])
    else:
        token = draw(st.one_of(nested, nested, scalars, broken_tokens, deep))
    key = name if draw(st.integers(0, 9)) else draw(other_keys)
    return draw(json_text(key)) + draw(white) + ":" + draw(white) + token


records = st.builds(
    lambda items, before, after, comma: "{" + before + f"{after},{before}".join(items) + comma + after + "}",
    st.lists(members(), max_size=7),
    white,
    white,
    st.sampled_from([""] * 20 + [",", "}"]),
)
ENDS = ["x", "[1]", "{", "}", '"', ",", "\\", "null", '["\\ud800"]', '{"a":"\\udfff"}', "[" * 257]
lines = st.one_of(
    st.builds(
        "{}{}{}{}{}{}".format,
        padding,
        st.sampled_from([""] * 9 + ["\ufeff", "\ufeff\ufeff", " \ufeff"]),
        white,
        st.lists(st.builds("{}{}".format, records, st.one_of(white, odd_white, padding)), min_size=1, max_size=3).map(
            "".join
        ),
        st.sampled_from([""] * 8 + ENDS),
        white,
    ),
    st.sampled_from(["", " ", "\t\r", "\ufeff", "\x00", "\x00 \x00", "x", "[1,2]", '"a"', "1", "null"]),
    st.sampled_from(["{}", '{"x":1}', '{"event":{"QueryName":"a.com"}}', '{"log":"{}"}']),
)
line_ends = st.sampled_from(["\n"] * 6 + ["\r\n", "\r\r\n", "\n\n", "\r"])
batches: SearchStrategy[bytes] = st.builds(
    lambda pieces, cut: "".join(line + end for line, end in pieces)[: -1 if cut else None].encode(),
    st.lists(st.tuples(lines, line_ends), max_size=6),
    st.sampled_from([False, False, True]),
)

# Bytes

PIECE_TEXT = (
    '{ } [ ] : , " \\ \\" \\\\ \\u \\ud83d \\ude00 \\u0000 null true 0 -1 1e400 . \ufeff é 😀 "Timestamp" "QueryName"'
)
PIECES = [
    *map(str.encode, PIECE_TEXT.split()),
    *(b"\n", b"\r", b"\t", b" ", b"\x00", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xe2\x82"),
    *(b'{"QueryType":1}', b"[" * 256, b"]" * 256),
]
soups = st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join)
golden = st.sampled_from([data for data in INPUTS if len(data) < 2000])
splices = st.builds(
    lambda first, end, second, start: first[: end % (len(first) + 1)] + second[start % (len(second) + 1) :],
    golden,
    st.integers(0, 2000),
    golden,
    st.integers(0, 2000),
)

changes = st.lists(
    st.tuples(
        st.sampled_from(["flip", "put", "insert", "delete", "truncate", "repeat", "move"]),
        st.integers(0, 10**6),
        st.integers(1, 12),
        st.one_of(st.sampled_from(PIECES), st.binary(min_size=1, max_size=3)),
    ),
    max_size=4,
)


def changed(data: bytes, how: list[tuple[str, int, int, bytes]]) -> bytes:
    """Apply changes of bytes: (what to do, position, number of bytes, new bytes)."""
    for what, where, length, piece in how:
        at = where % (len(data) + 1)
        if what == "flip" and at < len(data):
            data = data[:at] + bytes([data[at] ^ (1 << (length % 8))]) + data[at + 1 :]
        elif what == "put":
            data = data[:at] + piece + data[at + len(piece) :]
        elif what == "insert":
            data = data[:at] + piece + data[at:]
        elif what == "delete":
            data = data[:at] + data[at + length :]
        elif what == "truncate":
            data = data[:at]
        elif what == "repeat":
            data = data[: at + length] + data[at:]
        elif what == "move":
            data = data[at:] + data[:at]
    return data


mutated: SearchStrategy[bytes] = st.builds(changed, st.one_of(golden, splices, batches), changes)
joined = st.lists(st.one_of(golden, batches), max_size=4).map(b"\n".join)
any_batch: SearchStrategy[bytes] = st.one_of(batches, mutated, soups, joined).filter(
    lambda data: not foreign_format(data, complete=True)
)

options: SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "keep_message": st.booleans(),
        "private_suffixes": st.booleans(),
        "timestamp_unit": st.sampled_from(["auto", "s", "ms", "us", "ns"]),
        "max_record_bytes": st.sampled_from([1, 2, 12, 40, 200, 1048576]),
    },
)

# Mappings

SOURCES = (*FIELDS, "Q", "Qu\x00", 'a"b', "é😀", "x" * 70)
SOURCED_KINDS = [
    "text",
    "integer",
    "boolean",
    "timestamp",
    "ip",
    "name",
    "registered_domain",
    "subdomain",
    "top_level_domain",
]
TARGETS = [
    f"{a}{b}{c}" for a in ("a", "b", 'q"uote', "é", "@t") for b in ("", ".x", ".y\n", ".z") for c in ("", ".p", ".q")
]
constants = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    free_text,
    st.lists(st.one_of(st.booleans(), st.integers(-5, 5), free_text), max_size=3),
)


def _within(one: str, other: str) -> bool:
    return f"{one}.".startswith(f"{other}.")


LIST_KINDS = ("text", "integer", "ip")
COLLECTED_KINDS = ("text", "ip", "name", "registered_domain", "subdomain", "top_level_domain")
member_names = st.lists(st.sampled_from(SOURCES), min_size=1, max_size=3, unique=True)


def _entry(draw: Any, target: str, kind: str) -> dict[str, Any]:
    """Draw a field of one kind with any of its options."""
    entry: dict[str, Any] = {"to": target, "kind": kind}
    if kind == "constant":
        entry["value"] = draw(constants)
        if isinstance(entry["value"], str) and draw(st.booleans()):
            entry["if_problem"] = draw(free_text)
        if isinstance(entry["value"], bool) and draw(st.booleans()):
            entry["if_problem"] = draw(st.booleans())
    elif kind not in ("raw", "problems"):
        entry["from"] = draw(st.one_of(st.sampled_from(SOURCES), member_names))
        entry["required"] = draw(st.sampled_from([False, False, True]))
    if kind == "enum":
        entry["table"] = draw(st.sampled_from(["rr_type", "rcode"]))
        entry["naming"] = draw(st.sampled_from(["iana", "standard"]))
        if entry["table"] == "rcode" and draw(st.booleans()):
            entry["naming"] = "ocsf_id"
        key = draw(st.sampled_from(["", "unassigned", "default"]))
        if entry["naming"] == "ocsf_id" and key:
            entry["default"] = draw(st.integers(-(2**63), 2**63 - 1))
        elif key:
            entry[key] = draw(st.sampled_from(["TYPE", 't"\\y', "é", "x" * 200]))
    elif kind == "boolean" and draw(st.booleans()):
        entry |= {"if_true": draw(st.sampled_from(["tcp", 'q"é'])), "if_false": draw(st.sampled_from(["udp", "\n"]))}
        if draw(st.booleans()):
            entry |= {"if_true": draw(st.integers(-(2**63), 2**63 - 1)), "if_false": draw(st.integers(0, 1))}
    elif kind == "timestamp":
        entry |= draw(st.sampled_from([{}, {"digits": 9}, {"epoch": "ms"}]))
    elif kind in COLLECTED_KINDS[2:]:
        entry["trim"] = draw(st.booleans())
        if kind == "name":
            entry |= {"keep_root": entry["trim"] and draw(st.booleans()), "escape": draw(st.booleans())}
    elif kind == "objects":
        entry["members"] = draw(member_names)
        entry["keep_empty"] = draw(st.booleans())
    if kind in LIST_KINDS and draw(st.booleans()):
        entry |= {"list": True, "keep_empty": draw(st.booleans())}
        if kind != "integer" and draw(st.booleans()):
            entry["member"] = draw(st.sampled_from(SOURCES))
    elif "from" in entry and kind != "objects":
        entry["array"] = draw(st.booleans())
    return entry


def _alternative(draw: Any, first: dict[str, Any]) -> dict[str, Any] | None:
    """Draw an alternative to a field, with the same target; None if its kind allows no alternative."""
    kind = first["kind"]
    if kind in ("raw", "constant", "problems"):
        return None
    entry = {key: value for key, value in first.items() if key not in ("array", "required")}
    gives_integers = first.get("naming") == "ocsf_id"
    if "list" not in first and kind in ("text", "ip", "enum", "name", "subdomain") and not gives_integers:
        entry = {"to": first["to"], "kind": draw(st.sampled_from(["text", "ip", "name"]))}
    return entry | {"from": draw(st.sampled_from(SOURCES)), "otherwise": True}


@st.composite
def mappings(draw: Any) -> str:
    """Draw the text of a valid mapping file."""
    taken: dict[str, set[str]] = {}
    entries = []
    for target in draw(st.lists(st.sampled_from(TARGETS), min_size=1, max_size=14, unique=True)):
        if any(_within(target, other) or _within(other, target) for other in taken):
            continue
        collected = [other for other, kinds in taken.items() if kinds <= set(COLLECTED_KINDS)]
        observed = [other for other, kinds in taken.items() if kinds in ({"ip"}, {"name"}, {"ip", "objects"})]
        if observed and draw(st.integers(0, 9)) == 0:
            of = draw(st.lists(st.sampled_from(observed), min_size=1, max_size=4, unique=True))
            entry = {"to": target, "kind": "observables", "of": of}
        elif collected and draw(st.integers(0, 9)) == 0:
            of = draw(st.lists(st.sampled_from(collected), min_size=1, max_size=4, unique=True))
            entry = {"to": target, "kind": "collect", "of": of}
        else:
            kinds = ["raw", "constant", "problems", "objects", "enum", "enum", *LIST_KINDS, *SOURCED_KINDS]
            entry = _entry(draw, target, draw(st.sampled_from(kinds)))
        entries.append(entry)
        taken[target] = {entry["kind"], "objects"} if "member" in entry else {entry["kind"]}
        while draw(st.integers(0, 4)) == 0 and "of" not in entry and (other := _alternative(draw, entry)):
            entries.append(other)
            taken[target].add(other["kind"])
    return "\n".join(field(**entry) for entry in entries)


_keys = st.sampled_from(SOURCES).flatmap(json_text)
_objects = st.lists(st.tuples(_keys, st.one_of(scalars, scalars, nested)).map(":".join), max_size=4).map(
    lambda items: f"{{{' ,'.join(items)} }}"
)
_arrays = st.lists(st.one_of(scalars, _objects, nested), max_size=5).map(lambda items: f"[ {', '.join(items)}]")
mapped_members = st.tuples(_keys, st.one_of(scalars, scalars, _arrays, _objects, nested)).map(":".join)
mapped_records = st.lists(mapped_members, max_size=6).map(lambda items: f"{{{','.join(items)}}}")
mapped_batches = st.lists(mapped_records, max_size=6).map(lambda records: "\n".join(records).encode())
