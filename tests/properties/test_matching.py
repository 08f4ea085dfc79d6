"""What the matchers of the core find equals what the plain Python finds, on generated names and batches."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given
from hypothesis import strategies as st
from support import strategies, value_strategies
from support.detectors import Found

from cfdns_fast import InputFormatError, Normalizer, reference
from cfdns_fast.matching import ALLOW, BELOW, SELF, NameTableBuilder, NetworkTable, SliverNames, decode_sliver
from cfdns_fast.reference.sliver import decode

labels = st.one_of(
    st.sampled_from(["baakb968ww3a", "baa8", "11d5hqrb342f4y93bc2qegjf", "a", "evil", "_cb", "_", "si", "x" * 63]),
    st.text("abkc2d3e4f5gBAKQ_-\\\u00e9", max_size=26),
)
names = st.lists(labels, max_size=7).map(".".join)
table_names = st.lists(st.sampled_from(["com", "co.uk", "evil", "a", "b", "lan"]), min_size=1, max_size=4).map(".".join)
tables = st.lists(st.tuples(table_names, st.sampled_from([SELF, BELOW, 3, 3 | ALLOW])), max_size=8)


def matchers(rows: list[tuple[str, int]]) -> list[Found]:
    builder = NameTableBuilder()
    for number, (name, flags) in enumerate(rows):
        builder.add(name, flags, number)
    other = NameTableBuilder()
    other.add("a.com")
    return [Found(SliverNames()), Found(builder.build()), Found(other.build(), level=3)]


@given(name=st.one_of(names, value_strategies.names, st.text(max_size=300)))
def test_sliver_decoder_equals_reference(name: str) -> None:
    assert decode_sliver(name) == decode(name)


@given(
    found=st.lists(st.one_of(names, table_names, st.tuples(names, table_names).map(".".join)), max_size=12),
    rows=tables,
    on_detection=st.sampled_from(["collect", "annotate"]),
    private_suffixes=st.booleans(),
)
def test_detections_equal_reference(
    found: list[str], rows: list[tuple[str, int]], on_detection: str, private_suffixes: bool
) -> None:
    data = "".join(json.dumps({"QueryName": name}, ensure_ascii=len(name) % 2 == 0) + "\n" for name in found).encode()
    options: dict[str, Any] = {
        "detect": matchers(rows),
        "on_detection": on_detection,
        "private_suffixes": private_suffixes,
    }
    normalizer = Normalizer(**options)
    assert normalizer.to_ndjson(data) == reference.to_ndjson(data, **options)
    assert normalizer.to_dicts(data) == reference.to_dicts(data, **options)


@given(data=strategies.any_batch, options=strategies.options, rows=tables)
def test_any_batch_is_unchanged_by_matchers(data: bytes, options: dict[str, Any], rows: list[tuple[str, int]]) -> None:
    detects = Normalizer(detect=matchers(rows), **options)
    plain = Normalizer(**options)
    try:
        expected = plain.to_ndjson(data)
    except InputFormatError as error:
        with pytest.raises(InputFormatError, match=error.code):
            detects.to_ndjson(data)
        return
    result = detects.to_ndjson(data)
    assert (result.output, result.rejects, result.problems) == (expected.output, expected.rejects, expected.problems)
    assert result == reference.to_ndjson(data, detect=detects._options.detect, **options)


def _network(number: int, bits: int, is_v4: bool) -> IPv4Network | IPv6Network:
    size = 32 if is_v4 else 128
    bits = bits % (size + 1)
    kind = IPv4Network if is_v4 else IPv6Network
    return kind((number % 2**size >> size - bits << size - bits, bits))


#: Numbers that are near to each other, so that networks hold some of the addresses.
numbers = st.one_of(
    st.integers(0, 2**128 - 1),
    st.builds(
        lambda upper, lower: upper << 96 | lower, st.sampled_from([0, 0x20010DB8]), st.integers(0xFFFF << 32, 2**48 - 1)
    ),
    st.integers(0xC0000200, 0xC0000210),
)
networks = st.lists(st.tuples(st.builds(_network, numbers, st.integers(0, 128), st.booleans()), st.integers(1, 3)))
addresses = st.one_of(
    st.builds(lambda number: str(IPv4Address(number % 2**32)), numbers),
    st.builds(lambda number: str(IPv6Address(number)), numbers),
    st.builds(lambda number: f"::ffff:{IPv4Address(number % 2**32)}", numbers),
    st.sampled_from(["", "::", "1.2.3", "::1%eth0", "www.example.com"]),
)


@given(rows=networks, asked=st.lists(addresses, max_size=4), answers=st.lists(addresses, max_size=4))
def test_networks_equal_reference(
    rows: list[tuple[IPv4Network | IPv6Network, int]], asked: list[str], answers: list[str]
) -> None:
    table = NetworkTable((network, roles, number) for number, (network, roles) in enumerate(rows))
    records = [{"QueryName": "a.example", "SrcIP": each, "ResolvedIPs": answers} for each in asked]
    data = "".join(json.dumps(each) + "\n" for each in records).encode()
    options: dict[str, Any] = {"dataset": "gateway_dns", "detect": [Found(table), Found(SliverNames())]}
    assert Normalizer("ecs", **options).to_ndjson(data) == reference.to_ndjson(data, "ecs", **options)
