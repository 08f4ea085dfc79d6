"""hypothesis strategies for single values: names, addresses, timestamps and JSON tokens, valid and almost valid."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

FIELDS = (
    *("ColoCode", "EDNSSubnet", "EDNSSubnetLength", "QueryName", "QueryType"),
    *("ResponseCached", "ResponseCode", "SourceIP", "Timestamp"),
)

# Text


@st.composite
def json_text(draw: Any, text: str) -> str:
    """Write text as a JSON string, with any of the escapes that JSON allows."""
    way = draw(st.integers(0, 5))
    if way <= 2:
        return json.dumps(text, ensure_ascii=False)
    if way == 3:
        return json.dumps(text)
    chosen = draw(st.integers(0, 2 ** min(len(text), 24) - 1)) if way == 4 else -1
    upper = draw(st.booleans())
    out = []
    for index, character in enumerate(text):
        if chosen >> (index % 24) & 1 or character in '"\\' or character < " ":
            units = character.encode("utf-16-be", "surrogatepass").hex()
            units = units.upper() if upper else units
            out += [f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4)]
        else:
            out.append(character.replace("/", "\\/") if upper else character)
    return f'"{"".join(out)}"'


CONTROLS = "\x00\x01\b\t\n\v\f\r\x1f\x7f\x80\x85\xa0"
ODD_CHARACTERS = (
    CONTROLS + " \"'\\/.,:;{}[]%-+0aZ_*!éßİıſKςΣ\u0307\u2028\u2029\u3002\uff0e\ufeff\ufffd\uffff😀\U0010ffff"
)
free_text = st.text(
    st.one_of(st.sampled_from(ODD_CHARACTERS), st.characters(exclude_categories=["Cs"])),
    max_size=12,
)

# Names

LABEL_TEXT = """
www a b example google mail _dmarc _sip * !www !city 1 255 256 01 xn--bcher-kva bücher BÜCHER xn-- xn--p1ai- xn--zz
com co net org uk ck jp kobe city kawasaki er bd mm np sch io github amazonaws compute s3 blogspot local arpa in-addr
рф РФ xn--p1ai XN--P1AI xn--P1ai ελ ΕΛ xn--qxam 公司 cn xn--55qx5d 网络 xn--io0a7i 台湾 xn--kprw13d ك مصر xn--wgbh1c
ist İst ıst u\u212a xn--\u212aprw13d straße STRASSE ſ.com 😀
a\\.b a\\\\ \\ \\046 \\. a。com ｡ ．com ::1 fe80::1%eth0 http://x user@host x:53 a/b ?q #f
"""
labels = st.one_of(
    st.sampled_from(LABEL_TEXT.split()),
    st.just(""),
    st.text(st.sampled_from("abk\u212aİ.-\\*!é0"), max_size=4),
    free_text,
)
dotted = st.lists(labels, max_size=6).map(".".join)
dots = st.sampled_from(["", "", ".", "..."])
many_labels = st.builds(
    lambda count, name: "x." * count + name,
    st.sampled_from([60, 200, 1000]),
    st.sampled_from(["co.uk", "a.ck", "b.c", ".com"]),
)
names = st.one_of(dotted, st.builds(lambda before, name, after: before + name + after, dots, dotted, dots), many_labels)

# Addresses

octets = st.one_of(
    st.integers(0, 300).map(str),
    st.sampled_from(
        ["", "0", "00", "01", "001", "255", "256", "0255", "-1", "+1", " 1", "1 ", "0x1", "１", "٣", "²", "a"]
    ),
)
ipv4 = st.one_of(st.lists(octets, min_size=4, max_size=4), st.lists(octets, min_size=1, max_size=6)).map(".".join)
groups = st.one_of(
    st.integers(0, 0xFFFF).map("{:x}".format),
    st.sampled_from(["", "0", "0000", "00000", "FFFF", "ffff", "g", "-1", " 1", "0x1", "１", "::", ":"]),
)
ipv6 = st.one_of(
    st.lists(groups, min_size=2, max_size=9).map(":".join),
    st.tuples(st.lists(groups, max_size=5), st.lists(groups, max_size=5)).map(
        lambda two: "::".join(map(":".join, two))
    ),
    st.builds(lambda left, last: ":".join([*left, last]), st.lists(groups, min_size=1, max_size=8), ipv4),
    st.ip_addresses(v=6).map(str),
    st.ip_addresses(v=6).map(lambda address: address.exploded),
)
addresses = st.builds(
    lambda before, address, after: before + address + after,
    st.sampled_from([""] * 9 + ["[", " ", ":", "0"]),
    st.one_of(ipv4, ipv6, st.ip_addresses(v=4).map(str)),
    st.sampled_from([""] * 9 + ["]", " ", ":53", "/32", "%eth0", "%", ".", ":", "\x00"]),
)

# Numbers and timestamps

UNIT_EDGES = [sign * 10**power + off for power in (11, 14, 17, 20) for sign in (1, -1) for off in (-1, 0, 1)]
YEAR_EDGES = [
    second * 10**power + off for second in (253402300800, -62135596800) for power in (0, 3, 6, 9) for off in (-1, 0, 1)
]
BIT_EDGES = [sign * 2**bits + off for bits in (31, 32, 53, 63, 64, 65) for sign in (1, -1) for off in (-1, 0, 1)]
MOMENTS = [1657233726 * 10**power for power in (0, 3, 6, 9)] + [86399, 86400, -86400, 0]
integers = st.one_of(
    st.sampled_from(UNIT_EDGES + YEAR_EDGES + BIT_EDGES + MOMENTS),
    st.integers(-(10**21), 10**21),
    st.integers(-70000, 70000),
    st.integers(0, 300),
).map(str)
exponents = st.one_of(
    st.just(""),
    st.just(""),
    st.builds(
        "{}{}{}".format,
        st.sampled_from("eE"),
        st.sampled_from(["", "+", "-"]),
        st.one_of(st.integers(0, 25), st.integers(0, 500), st.sampled_from([309, 10**9, 10**13, 10**30, "", "007"])),
    ),
)
FRACTIONS = ["", "", "", ".0", ".5", ".000001", ".0000009", ".9999999", "." + "9" * 30, "." + "0" * 30 + "1"]
DOUBLE_EDGES = [
    "1e400",
    "1e-400",
    "1E+308",
    "1.8e308",
    "17976931348623157" + "0" * 292,
    "17976931348623159" + "0" * 292,
]
json_numbers = st.one_of(
    st.builds("{}{}{}".format, integers, st.sampled_from(FRACTIONS), exponents),
    st.builds(
        "{}{}".format, st.sampled_from(["", "-"]), st.sampled_from(["0", "0.0", "0e5", "0e999999999", *DOUBLE_EDGES])
    ),
)
# Integers as tools that only have doubles write them, and similar numbers that are no integers.
doubles = st.builds(
    "{}{}".format,
    st.one_of(st.integers(0, 300), st.integers(-70000, 70000), st.sampled_from(BIT_EDGES)),
    st.sampled_from([".0", ".00", "e0", ".0e0", "0e-1", "000e-3", "e2", ".50", ".5e1", ".0e1", "." + "0" * 30, "e-1"]),
)
numbers = st.one_of(
    json_numbers,
    st.builds(
        "{}{}{}{}{}".format,
        st.sampled_from(["", "", "+", "-", " ", "00"]),
        integers,
        st.sampled_from(["", "", "0" * 20, "0" * 400]),
        st.sampled_from([*FRACTIONS, ".", ".x"]),
        exponents,
    ),
)


def two_digits(low: int, high: int) -> SearchStrategy[str]:
    return st.one_of(
        st.integers(low, high).map("{:02d}".format), st.sampled_from(["00", "60", "99", "1", "001", "٠١", "+1", ""])
    )


OFFSETS = "Z Z Z z +00:00 -00:00 +02:00 +0200 -0330 +23:59 -2359 +24:00 +01:60 +0 +02 ZZ UTC −01:00"
near_clock = st.builds(
    "{}{}{}{}{}{}{}:{}{}{}{}{}".format,
    st.one_of(
        st.integers(0, 9999).map("{:04d}".format), st.sampled_from(["0000", "0001", "9999", "1900", "999", "10000"])
    ),
    st.sampled_from(["-", "-", "-", "-", "/", ""]),
    two_digits(0, 13),
    st.sampled_from(["-", "-", "-", "-", "", ":"]),
    two_digits(0, 32),
    st.sampled_from(["T", "T", "T", "t", " ", "  ", "_", "", "\t"]),
    two_digits(0, 24),
    two_digits(0, 60),
    st.sampled_from([":", ":", ":", ":", "", "."]),
    two_digits(0, 60),
    st.one_of(st.sampled_from([*FRACTIONS, ".", ",5", ".5x"]), st.integers(1, 10**9).map(".{}".format)),
    st.sampled_from([*OFFSETS.split(), "", " Z", "Z\n"]),
)
offsets = st.one_of(
    st.sampled_from("Zz"),
    st.builds(
        "{}{:02d}{}{:02d}".format,
        st.sampled_from("+-"),
        st.integers(0, 23),
        st.sampled_from(["", ":"]),
        st.integers(0, 59),
    ),
)
clock = st.builds(
    lambda moment, mark, fraction, offset: moment.isoformat(sep=mark, timespec="seconds") + fraction + offset,
    st.datetimes(),
    st.sampled_from("Tt "),
    st.sampled_from(["", ".5", ".123456", ".123456789", ".9999999", ".000000"]),
    offsets,
)
time_text = st.one_of(clock, near_clock, numbers)

# Tokens

WORDS = 'true false null 0 1 -0 "" "true" "false" "0" "1" "." [] {} 1.0 1e0 "1.0" "0e5" "00" "+1" "-0"'
BROKEN = 'NaN -Infinity 01 +1 - 1. .5 1e tru nullx \'a\' " "\\x" "\\u12" \x00 [1,] {,} [ ] { "\\ud800" "\\udc00\\ud800"'
words = st.sampled_from(WORDS.split())
broken_tokens = st.sampled_from([*BROKEN.split(), "", '"\t"'])
quoted = st.one_of(time_text, names, addresses, free_text, integers).flatmap(json_text)
scalars = st.one_of(json_numbers, doubles, quoted, words)
inner_members = st.tuples(st.sampled_from(['"a"', '"QueryName"', '"\\u0051"', '"{"']), scalars).map(":".join)
nested = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]"),
        st.lists(inner_members, max_size=3).map(lambda items: f"{{{','.join(items)}}}"),
    ),
    max_leaves=4,
)
deep = st.builds(
    lambda opened, inside, closed: "[" * opened + inside + "]" * closed,
    st.sampled_from([1, 254, 255, 256, 257]),
    st.sampled_from(["", "1", "{}", '"["']),
    st.sampled_from([1, 254, 255, 256, 257]),
)
tokens_by_field = {
    "Timestamp": st.one_of(json_numbers, time_text.flatmap(json_text)),
    "QueryName": names.flatmap(json_text),
    "SourceIP": addresses.flatmap(json_text),
    "QueryType": st.one_of(integers, integers.map('"{}"'.format), doubles, doubles.map('"{}"'.format)),
    "ResponseCode": st.one_of(integers, st.integers(0, 30).map(str), doubles),
    "EDNSSubnetLength": st.one_of(json_numbers, numbers.map('"{}"'.format), doubles),
    "ResponseCached": st.one_of(words, doubles, doubles.map('"{}"'.format)),
    "ColoCode": st.one_of(free_text.flatmap(json_text), json_numbers, doubles),
    "EDNSSubnet": addresses.flatmap(json_text),
}


def tokens_of(field: str) -> SearchStrategy[list[str]]:
    """Return lists of tokens for one field, so that a batch tries many; some tokens are of another kind."""
    return st.lists(st.one_of(tokens_by_field[field], tokens_by_field[field], scalars), min_size=1, max_size=25)
