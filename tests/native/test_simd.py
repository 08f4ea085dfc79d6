"""Vector code, and shortcuts for records like the one before, give what the plain Python gives."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import random
from collections.abc import Iterator

import pytest
from support.processes import run_python

from cfdns_fast import Normalizer, reference

# Values of CFDNS_SIMD, which the package reads when it is imported.
VECTORS = ["vbmi2", "ssse3", "plain"]


def quads(pick: random.Random) -> Iterator[str]:
    """Yield dotted quads of many forms, most of them almost valid."""
    octets = [
        "0",
        "1",
        "9",
        "10",
        "25",
        "99",
        "100",
        "199",
        "200",
        "249",
        "250",
        "255",
        "256",
        "260",
        "300",
        "999",
        "00",
        "01",
    ]
    octets += ["001", "1000", "", "a", " 1", "-1", "1e", "é"]
    for _ in range(4000):
        quad = ".".join(
            pick.choices(octets, weights=[9] * 12 + [1] * (len(octets) - 12), k=pick.choice([4] * 9 + [3, 5]))
        )
        yield quad
        at = pick.randrange(len(quad) + 1)
        yield quad[:at] + pick.choice("0259.:/ x") + quad[at + pick.randrange(2) :]


def groups(pick: random.Random) -> Iterator[str]:
    """Yield IPv6 addresses of many forms, most of them almost valid."""
    parts = ["0", "1", "db8", "ffff", "FFFF", "::", "::", ":", "12345", "g", "1.2.3.4", "255.255.255.255", ".", "é", ""]
    for _ in range(3000):
        address = ipaddress.IPv6Address(
            pick.getrandbits(128) & pick.choice([-1, 0xFFFF << 96 | 0xFFFF, 0xFFFFFFFF << 64])
        )
        text = pick.choice(
            [address.compressed, address.exploded, f"::ffff:{ipaddress.IPv4Address(pick.getrandbits(32))}"]
        )
        yield text
        at = pick.randrange(len(text) + 1)
        yield text[:at] + pick.choice(parts) + text[at + pick.randrange(4) :]
        yield ":".join(pick.choices(parts, k=pick.randrange(1, 9)))


def addresses(pick: random.Random) -> Iterator[str]:
    """Yield addresses of both kinds."""
    yield from quads(pick)
    yield from groups(pick)


def values(pick: random.Random) -> Iterator[str]:
    """Yield words and numbers, valid and almost valid, of every length around that of a vector."""
    words = [
        "true",
        "false",
        "null",
        "tru",
        "truee",
        "True",
        "fals",
        "falsey",
        "nul",
        "nulls",
        "true\x00",
        "t",
        "f",
        "n",
    ]
    for size in range(1, 22):
        words += ["1" + "0" * (size - 1), "9" * size, "-" + "9" * size, "0" * size, "-0", "1" * size + "."]
    for _ in range(2000):
        one, other, flag = pick.choices(words, k=3)
        yield f'{{"EDNSSubnetLength":{one},"QueryType":{pick.choice([other, f"{chr(34)}{other}{chr(34)}"])}}}'
        yield f'{{"ResponseCached":{flag},"EDNSSubnetLength":"{one}","ColoCode":{other}}}'
    # Each record has one word, so that no other value hides its problem.
    for word in words:
        yield from (f'{{"{key}":{word}}}' for key in ("EDNSSubnetLength", "ResponseCached", "QueryType", "ColoCode"))


def names(pick: random.Random) -> Iterator[str]:
    """Yield names of 1 to 80 bytes, with dots at every position of a vector, and some just too long for one."""
    for size in [*range(1, 81), *[62, 63, 64, 65] * 20]:
        labels = "".join(pick.choice("abc..") for _ in range(size))
        yield labels
        yield labels[: -len(".co.uk")] + pick.choice([".co.uk", ".ck", "..com", ".www.ck", ".x.compute.amazonaws.com"])
        yield labels[: size // 2] + pick.choice(["\\.", "\\\\.", "é.", '"']) + labels[size // 2 :]


def times(pick: random.Random) -> Iterator[str]:
    """Yield times in every notation, which often have the second of the time before."""
    second = 1657233726
    for _ in range(6000):
        second = pick.choice([second] * 6 + [second + 1, second - 86400, 9999999999, 1000000000, 0])
        fraction = pick.choice(["000000000", "000000999", "999999999", "004000000", f"{pick.randrange(10**9):09}"])
        yield pick.choice(
            [f"{second}{fraction}"] * 8
            + [
                f'"{second}{fraction}"',
                f"{second}",
                f"{second}.{fraction}",
                f"-{second}{fraction}",
                f"{second}{fraction}0",
                '"2022-07-07T22:42:06.5Z"',
            ]
        )


def keys(pick: random.Random) -> Iterator[str]:
    """Yield records whose members have the order of the record before, or almost."""
    members = [
        '"ColoCode":"AMS"',
        '"QueryName":"www.example.com"',
        '"QueryType":1',
        '"ResponseCode":0',
        '"EDNSSubnetLength":24',
    ]
    odd = [
        '"QueryName" :"a.b.com"',
        '"QueryName":\t"a.b.com"',
        '"Query\\u004eame":"a.b.com"',
        '"queryname":1',
        '"QueryNam":"x"',
    ]
    odd += [
        '"QueryName":{"QueryName":"x"}',
        '"QueryName":"\\"QueryType\\":2,"',
        '"QueryTypeX":2',
        '"":0',
        '"QueryName":',
    ]
    for _ in range(3000):
        chosen = pick.sample(members, k=pick.choice([5, 5, 5, 3]))
        if pick.random() < 0.3:
            chosen.insert(pick.randrange(len(chosen) + 1), pick.choice(odd))
        yield (
            "{"
            + pick.choice([",", ",", ", ", " ,", ",,"]).join(chosen if pick.random() < 0.2 else sorted(chosen))
            + "}"
        )


def inputs() -> dict[str, bytes]:
    """Return batches by the fast path that they test."""
    pick = random.Random(20261126)
    records = {
        "addresses": [f'{{"SourceIP":{json.dumps(text)},"EDNSSubnet":"1"}}' for text in addresses(pick)],
        "names": [f'{{"QueryName":{json.dumps(text, ensure_ascii=False)}}}' for text in names(pick)],
        "values": list(values(pick)),
        "times": [f'{{"Timestamp":{text}}}' for text in times(pick)],
        "keys": list(keys(pick)),
        # A quote, a backslash or a control character is at every position of a vector.
        "messages": [
            '{"x":"' + "a" * i + mark + "b" * j + '"}'
            for i in range(70)
            for j in (0, 1, 31, 33)
            for mark in ('\\"', "\\\\", "\\n", "é", '" \t, "\u00e9":"')
        ],
    }
    return {name: "\n".join(lines).encode() for name, lines in records.items()}


INPUTS = inputs()


@pytest.mark.parametrize("schema", ["sekoia", pytest.param("ecs", marks=pytest.mark.slow)])
# The quick run compares the addresses with the module ipaddress.
@pytest.mark.parametrize(
    "batch", [pytest.param(name, marks=pytest.mark.slow if name == "addresses" else []) for name in INPUTS]
)
def test_values_near_a_fast_path_equal_reference(batch: str, schema: str) -> None:
    data = INPUTS[batch]
    result = Normalizer(schema).to_ndjson(data)
    assert result == reference.to_ndjson(data, schema)
    assert result.events > 100


@pytest.mark.parametrize("vectors", VECTORS)
def test_every_vector_width_gives_the_same_digests(vectors: str) -> None:
    code = "from native import test_simd; test_simd.print_digests()"
    done = run_python(code, CFDNS_SIMD=vectors)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == digests()


def digests() -> list[str]:
    normalizer = Normalizer()
    return [hashlib.sha256(normalizer.to_ndjson(data).output).hexdigest() for data in INPUTS.values()]


def print_digests() -> None:
    print(*digests(), sep="\n")


def test_addresses_are_those_that_ipaddress_accepts() -> None:
    texts = list(addresses(random.Random(1)))
    data = "\n".join(f'{{"SourceIP":{json.dumps(text)}}}' for text in texts).encode()
    right = 0
    for text, event in zip(texts, Normalizer().to_dicts(data).output, strict=True):
        try:
            ipaddress.ip_address(text)
        except ValueError:
            assert "source" not in event
        else:
            right += 1
            assert event["source"]["ip"] == text
    assert 4000 < right < len(texts) - 4000
