"""Conditions: what they mean, what is refused, and equality of the core with the plain Python."""

from __future__ import annotations

import json
import pickle
import random
from pathlib import Path
from typing import Any

import pytest
from support.detectors import Found
from support.mappings import field

from cfdns_fast import Normalizer, reference
from cfdns_fast.matching import MAX_PATTERN_BYTES, And, Condition, Match, NofM, Not, Or, Predicates
from cfdns_fast.reference.matching import is_true


def record(name: str, type_: int = 1, rcode: int = 0, source: str = "192.0.2.7") -> bytes:
    members = {"QueryName": name, "QueryType": type_, "ResponseCode": rcode, "SourceIP": source}
    return json.dumps(members, ensure_ascii=False).encode() + b"\n"


def found(conditions: list[Condition], data: bytes, **options: Any) -> list[tuple[int, int]]:
    """Return event and condition of each detection, which must be those of the reference."""
    detect = [Found(Predicates(conditions))]
    result = Normalizer(detect=detect, **options).to_ndjson(data)
    assert result == reference.to_ndjson(data, detect=detect, **options)
    return [(each.event, each.rule) for each in result.detections]


CASES = [
    (Match("name", "equals", ("www.Evil.com",)), ["www.evil.com", "WWW.EVIL.COM."], ["evil.com", "xwww.evil.com"]),
    (Match("name", "equals", ("a.b",)), ["A.b"], ["a.b.c", "a"]),
    (Match("name", "equals", ("Evil.com",), cased=True), ["Evil.com"], ["evil.com"]),
    (Match("name", "endswith", ("monerohash.com",)), ["xmonerohash.com", "monerohash.com"], ["monerohash.com.a"]),
    (Match("name", "endswith", (".x",)), ["a.x"], ["x", "ax"]),
    (Match("name", "endswith", ("evil.com", ".net"), all_of=True), [], ["evil.com", "a.net"]),
    (Match("name", "endswith", ("evil.com", ".net")), ["evil.com", "a.net"], ["net"]),
    (Match("name", "startswith", ("post.1",)), ["post.1.example.com", "POST.15.a"], ["xpost.1.a", "post.2"]),
    (Match("name", "startswith", ("aaa.stage.",)), ["aaa.stage.1.evil.com"], ["aaa.stage1.evil.com"]),
    (Match("name", "startswith", ("a", "bc")), ["a.com", "bcd.com"], ["b.com"]),
    (Match("name", "contains", ("dnscat",)), ["x.dnscat.y", "dnscatx.com", "a.xdnscat"], ["dnsca.t"]),
    (Match("name", "contains", (".onion.",)), ["x.onion.to", "a.b.onion.c"], ["x.onion", "onion.to"]),
    (Match("name", "contains", ("e.t",)), ["evile.to.com", "e.t.b"], ["e.x"]),
    (Match("name", "contains", ("api.telegram",)), ["q.api.telegram.org", "xapi.telegram"], ["api.telegra"]),
    (Match("name", "contains", ("abc", "xyz"), all_of=True), ["abc.xyz"], ["abc.com", "xyz.com"]),
    (Match("name", "contains", ("\u00e9",)), ["\u00e9.com"], ["\u00e8.com"]),
    (Match("name", "glob", ("*.evil.*",)), ["a.evil.com", ".x.evil.b"], ["evil.com", "a.evil"]),
    (Match("name", "glob", ("w?w.evil.com",)), ["www.evil.com", "wxw.EVIL.com"], ["ww.evil.com", "wwww.evil.com"]),
    (Match("name", "glob", (r"\*.evil.com",)), ["*.evil.com"], ["a.evil.com"]),
    (Match("name", "glob", (r"a\\*b",)), [r"a\xb"], ["axb"]),
    (Match("name", "glob", ("a*b*c*.com",)), ["abc.com", "axxbxxcxx.com", "abcabc.com.com"], ["acb.com"]),
    (Match("name", "glob", ("*",)), ["a", "a.b"], []),
    (Match("name", "exists"), ["a"], []),
    (Not(Match("name", "endswith", (".com",))), ["a.net"], ["a.com"]),
    (
        And((Match("name", "endswith", (".com",)), Not(Match("name", "startswith", ("www.",))))),
        ["a.com"],
        ["www.a.com", "a.net"],
    ),
    (Or((Match("name", "equals", ("a.com",)), Match("type", "equals", ("mx",)))), ["a.com"], ["b.com"]),
    (
        NofM(2, tuple(Match("name", "contains", (word,)) for word in ("one", "two", "three"))),
        ["one.two", "x.three.one", "one.two.three"],
        ["one.on", "two.com"],
    ),
]


@pytest.mark.parametrize(("condition", "true", "false"), CASES, ids=lambda value: repr(value)[:60])
def test_condition_is_true_for_these_names(condition: Condition, true: list[str], false: list[str]) -> None:
    data = b"".join(map(record, (*true, *false, "", ".")))
    assert found([condition], data) == [(number, 0) for number in range(len(true))]


FIELDS: list[tuple[Condition, list[int]]] = [
    (Match("type", "equals", ("TXT",)), [1]),
    (Match("type", "equals", ("txt", "a"), cased=True), []),
    (Match("type", "exists"), [0, 1, 2]),
    (Match("rcode", "equals", ("NXDOMAIN",)), [2]),
    (Not(Match("rcode", "equals", ("NXDOMAIN",))), [0, 1, 3]),
    (Match("source", "cidr", ("192.0.2.0/24", "2001:db8::/33")), [0, 2]),
    (Match("source", "cidr", ("192.0.2.7",)), [0]),
    (Match("source", "cidr", ("::/0",)), [0, 1, 2]),
    (Match("source", "cidr", ("0.0.0.0/0",)), [0, 1]),
    (Match("source", "startswith", ("2001:DB8",)), [2]),
    (And((Match("type", "equals", ("TXT",)), Match("name", "endswith", ("evil.com",)))), [1]),
]


@pytest.mark.parametrize(("condition", "events"), FIELDS, ids=lambda value: repr(value)[:60])
@pytest.mark.parametrize("dataset", ["dns_logs", "gateway_dns"])
def test_other_fields_are_compared(condition: Condition, events: list[int], dataset: str) -> None:
    data = (
        record("a.com")
        + record("evil.com", 16, 0, "198.51.100.1")
        + record("b.com", 28, 3, "2001:db8::1")
        + b'{"QueryName":"c.com","QueryType":"x","SourceIP":"x"}\n{"QueryType":16}\n'
    )
    if dataset == "gateway_dns":
        data = data.replace(b'"ResponseCode"', b'"RCode"').replace(b'"SourceIP"', b'"SrcIP"')
    assert found([condition], data, dataset=dataset) == [(event, 0) for event in events]


@pytest.mark.parametrize("operator", ["contains", "startswith", "endswith", "equals"])
@pytest.mark.parametrize("dots", [0, 1, 2, 4])
def test_value_is_found_at_every_place(operator: str, dots: int) -> None:
    """The screen looks at the first 64 bytes and the first dots in another way than at the others."""
    value = "payload.zone"
    before, after = {"contains": (True, True), "startswith": (False, True), "endswith": (True, False)}.get(
        operator, (False, False)
    )
    hosts = [f"{'a.' * dots}{'b' * size}" for size in range(90 if before else 1)]
    names = [f"{host if before else ''}{value}{'c' * size if after else ''}" for host in hosts for size in (0, 1, 70)]
    data = b"".join(json.dumps({"QueryName": name}).encode() + b"\n" for name in names)
    found = Normalizer(detect=[Found(Predicates([Match("name", operator, [value])]))]).to_ndjson(data).detections
    assert [each.event for each in found] == list(range(len(names)))


#: The characters of values and names: dots at many places, and others that differ from them or each other by one bit.
ALPHABETS = ["abXY09-_", "ab.", "a.\x0e\u00e9", 'a\\"/.', ".", "nN.\x0e~^\0"]


def names_with(values: list[str], operator: str, rng: random.Random, count: int) -> list[str]:
    """Return names for which a value holds, with up to 300 characters before and after it."""
    names = []
    for number in range(count):
        sizes = [rng.choice((0, number % 90, rng.randrange(301))) for _ in range(2)]
        before, after = ("".join(rng.choices(rng.choice(ALPHABETS), k=size)) for size in sizes)
        name = "".join(rng.choice((c.lower(), c.upper())) if c.isascii() else c for c in rng.choice(values))
        if operator in ("contains", "endswith"):
            name = f"q{before}{name}" if before or name[0] == "." else name
        if operator in ("contains", "startswith"):
            name = f"{name}{after}q" if after or name[-1] == "." else name
        names.append(name)
    return names


@pytest.mark.parametrize("operator", ["contains", "startswith", "endswith", "equals"])
@pytest.mark.parametrize("seeds", [range(12), pytest.param(range(12, 100), marks=pytest.mark.slow)], ids=str)
def test_screen_passes_over_no_true_condition(operator: str, seeds: range) -> None:
    for seed in seeds:
        rng = random.Random(seed)
        sizes = rng.choices((1, 2, 3, 4, 5, 7, 8, 9, 12, 70), k=rng.choice((1, 1, 2, 20)))
        values = ["".join(rng.choices(rng.choice(ALPHABETS), k=size)) for size in sizes]
        # A query name has no dots at its ends.
        if operator in ("startswith", "equals"):
            values = [f"a{value[1:]}" for value in values]
        if operator in ("endswith", "equals"):
            values = [f"{value[:-1]}b" for value in values]
        names = names_with(values, operator, rng, 150)
        data = b"".join(json.dumps({"QueryName": name}, ensure_ascii=False).encode() + b"\n" for name in names)
        normalizer = Normalizer(keep_message=False, detect=[Found(Predicates([Match("name", operator, values)]))])
        found = {each.event for each in normalizer.to_ndjson(data).detections}
        assert [name for number, name in enumerate(names) if number not in found] == []


def test_every_true_condition_is_found_in_order() -> None:
    conditions: list[Condition] = [
        Match("name", "endswith", ("evil.com",)),
        Match("name", "exists"),
        Match("name", "equals", ("b.com",)),
        Match("name", "startswith", ("www.evil",)),
    ]
    assert found(conditions, record("www.evil.com") + record("b.com")) == [(0, 0), (0, 1), (0, 3), (1, 1), (1, 2)]
    assert found([], record("a.com")) == []
    assert len(Predicates(conditions)) == 4


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        (Match("answer", "equals", ("a",)), "field must be one of"),
        (Match("name", "re", ("a",)), "operator must be one of"),
        (Match("name", "equals"), "equals takes at least one value"),
        (Match("name", "exists", ("a",)), "exists takes no values"),
        (Match("name", "contains", ("",)), "must not be empty"),
        (Match("name", "contains", (5,)), "must be text"),  # type: ignore[arg-type]
        (Match("name", "contains", ("x" * (MAX_PATTERN_BYTES + 1),)), "more than 1023 bytes"),
        (Match("source", "cidr", ("x",)), "does not appear to be"),
        (And(()), "And has no conditions"),
        (NofM(0, (Match("name", "exists"),)), "count must be 1 to 1"),
        (NofM(2, (Match("name", "exists"),)), "count must be 1 to 1"),
        ("x", "not a condition: str"),
    ],
    ids=repr,
)
def test_invalid_condition_is_an_error(condition: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=rf"^condition 1: .*{reason}"):
        Predicates([Match("name", "exists"), condition])


def test_deep_condition_is_an_error() -> None:
    condition: Condition = Match("name", "exists")
    for _ in range(100):
        condition = Not(condition)
    with pytest.raises(ValueError, match="nested deeper"):
        Predicates([condition])


def test_field_that_the_mapping_lacks_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(field(to="x", kind="name", **{"from": "QueryName"}), encoding="utf-8")
    assert Normalizer(path, detect=[Found(Predicates([Match("name", "exists")]))])
    for name in ("type", "rcode", "source"):
        with pytest.raises(ValueError, match="does not have"):
            Normalizer(path, detect=[Found(Predicates([Match(name, "exists")]))])


def test_predicates_can_be_pickled() -> None:
    made = Predicates([Match("name", "endswith", ("evil.com",))])
    again = pickle.loads(pickle.dumps(made))
    assert again.conditions == made.conditions
    assert Normalizer(detect=[Found(again)]).to_ndjson(record("evil.com")).detections[0].by is again


def random_condition(rng: random.Random, depth: int = 0) -> Condition:
    kind = rng.randrange(9) if depth < 3 else 0
    if kind < 5:
        words = [
            "evil",
            "com",
            ".com",
            "a.b",
            "evil.com",
            "x",
            "dnscat",
            "post.1",
            ".",
            "\u00e9",
            "w*",
            "?v?l.*",
            r"\*",
        ]
        values = tuple(rng.choice(words) for _ in range(rng.randint(1, 3)))
        operator = rng.choice(("equals", "contains", "startswith", "endswith", "glob"))
        name = rng.choice(("name", "name", "name", "type"))
        return Match(name, operator, values, rng.random() < 0.2, rng.random() < 0.3)
    parts = tuple(random_condition(rng, depth + 1) for _ in range(rng.randint(1, 3)))
    made = (And(parts), Or(parts), Not(parts[0]), NofM(rng.randint(1, len(parts)), parts))
    return made[kind - 5]


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 80))])
def test_random_conditions_equal_the_plain_python(seed: int) -> None:
    rng = random.Random(seed)
    conditions = [random_condition(rng) for _ in range(12)]
    words = ["evil", "com", "a", "b", "EVIL", "x" * 40, "dnscat", "post", "1", "\u00e9", "wevil", "*"]
    names = [".".join(rng.choices(words, k=rng.randint(1, 7))) for _ in range(120)]
    normalizer = Normalizer(keep_message=False, detect=[Found(Predicates(conditions))])
    result = normalizer.to_dicts(b"".join(record(name, rng.choice((1, 16))) for name in names))
    expected = [
        (number, rule)
        for number, event in enumerate(result.output)
        for rule, condition in enumerate(conditions)
        if is_true(condition, {"name": names[number], "type": event["dns"]["question"]["type"]})
    ]
    assert [(each.event, each.rule) for each in result.detections] == expected
