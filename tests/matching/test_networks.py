"""Tables of networks: the longest prefix, roles, and the addresses of events; compared with plain Python."""

from __future__ import annotations

import copy
import json
import pickle
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network
from typing import Any

import pytest
from support.detectors import Found

from cfdns_fast import Normalizer, reference
from cfdns_fast.matching import ANSWER, SOURCE, NameTableBuilder, NetworkTable, SharedNameTable

BOTH = SOURCE | ANSWER


def table(*networks: str | tuple[str, int]) -> NetworkTable:
    rows = [(each, BOTH) if isinstance(each, str) else each for each in networks]
    return NetworkTable([(ip_network(text), roles, number) for number, (text, roles) in enumerate(rows, 7)])


def found(networks: NetworkTable, *addresses: str, answers: tuple[str, ...] = ()) -> list[tuple[str, int]]:
    """Return the field and the number for each address that is found, equal in all ways of conversion."""
    records = [{"QueryName": "www.example.com", "SrcIP": each} for each in addresses]
    if answers:
        records.append({"QueryName": "www.example.com", "ResolvedIPs": list(answers)})
    data = "".join(json.dumps(each) + "\n" for each in records).encode()
    options: dict[str, Any] = {"dataset": "gateway_dns", "detect": [Found(networks)]}
    normalizer = Normalizer("ecs", **options)
    result = normalizer.to_ndjson(data)
    assert result == reference.to_ndjson(data, "ecs", **options)
    assert [each._replace(byte_offset=-1) for each in result.detections] == list(normalizer.to_dicts(data).detections)
    iterator = normalizer.iter_dicts(data)
    assert len(list(iterator)) == len(records)
    assert iterator.detections == normalizer.to_dicts(data).detections
    assert all(each.rule + 7 == each.detail and each.start == 0 for each in result.detections)
    of_ocsf = Normalizer("ocsf", **options).to_ndjson(data)
    assert of_ocsf == reference.to_ndjson(data, "ocsf", **options)
    assert [each[4:] for each in of_ocsf.detections] == [each[4:] for each in result.detections]
    return [(each.field, each.detail) for each in result.detections]


def test_longest_network_is_found() -> None:
    networks = table("192.0.2.0/24", "192.0.0.0/16", "192.0.2.128/25", "192.0.2.255/32", "2001:db8::/32", "0.0.0.0/1")
    asked = ("192.0.2.1", "192.0.3.1", "192.0.2.129", "192.0.2.255", "10.0.0.1", "203.0.113.1", "2001:db8::1", "::1")
    assert found(networks, *asked) == [("source", number) for number in (7, 8, 9, 10, 12, 11)]


def test_networks_of_every_length_are_found() -> None:
    for bits in range(33):
        networks = table(str(IPv4Network(("198.51.100.77", bits), strict=False)))
        assert found(networks, "198.51.100.77") == [("source", 7)]
        other = IPv4Address(int(IPv4Address("198.51.100.77")) ^ (1 << (32 - bits) if bits else 0))
        assert found(networks, str(other)) == ([] if bits else [("source", 7)])
    for bits in range(0, 129, 5):
        networks = table(str(IPv6Network(("2001:db8:1:2:3:4:5:6", bits), strict=False)))
        assert found(networks, "2001:db8:1:2:3:4:5:6", "192.0.2.1") == [("source", 7)]


def test_mapped_addresses_are_those_of_ipv4() -> None:
    networks = table("192.0.2.0/24", "::/0", "::ffff:198.51.100.0/120")
    addresses = ("::ffff:192.0.2.1", "192.0.2.1", "::1", "198.51.100.1", "203.0.113.1", "::ffff:203.0.113.1")
    assert [number for _, number in found(networks, *addresses)] == [7, 7, 8, 9]
    long_forms = ("0:0:0:0:0:ffff:192.0.2.1", "0::ffff:192.0.2.1", "0000:0::FFFF:c000:201")
    assert found(table("192.0.2.0/24"), *long_forms) == [("source", 7)] * 3
    assert [str(network) for _, network, _, _ in networks.rows()] == ["192.0.2.0/24", "::/0", "198.51.100.0/24"]


def test_roles_choose_the_addresses() -> None:
    """A longer network without the role does not hide a shorter one that has it."""
    networks = table(("192.0.2.1/32", ANSWER), ("192.0.2.0/24", SOURCE), ("198.51.100.1/32", ANSWER))
    assert found(networks, "192.0.2.1", "198.51.100.1") == [("source", 8)]
    assert found(networks, answers=("192.0.2.1", "192.0.2.2", "198.51.100.1")) == [("answer", 7), ("answer", 9)]


def test_equal_networks_keep_the_first() -> None:
    networks = table(("192.0.2.1/32", ANSWER), ("192.0.2.1/32", SOURCE))
    assert found(networks, "192.0.2.1", answers=("192.0.2.1",)) == [("answer", 7)]


def test_equal_networks_take_no_quadratic_time() -> None:
    everything = ip_network("0.0.0.0/0")
    networks = NetworkTable((everything, BOTH, number) for number in range(7, 60_000))
    assert len(networks) == 59_993
    assert found(networks, "192.0.2.1", "::1") == [("source", 7)]


def test_text_that_is_no_address_is_not_found() -> None:
    networks = table("0.0.0.0/0", "::/0")
    data = b'{"QueryName":"192.0.2.1","SrcIP":"www.example.com","ResolvedIPs":["",null,7,"1.2.3","::1%eth0"]}\n'
    assert Normalizer("ecs", dataset="gateway_dns", detect=[Found(networks)]).to_ndjson(data).detections == ()


@pytest.mark.parametrize("schema", ["ecs", "sekoia"])
@pytest.mark.parametrize("dataset", ["dns_logs", "dns_firewall_logs", "gateway_dns"])
def test_every_dataset_has_its_addresses(schema: str, dataset: str) -> None:
    key = "SrcIP" if dataset == "gateway_dns" else "SourceIP"
    record = {"QueryName": "www.example.com", key: "192.0.2.9", "ResolvedIPs": ["198.51.100.9"]}
    options: dict[str, Any] = {"dataset": dataset, "detect": [Found(table("192.0.2.0/24", "198.51.100.9/32"))]}
    result = Normalizer(schema, **options).to_ndjson(json.dumps(record).encode())
    answer = ["answer"] if dataset == "gateway_dns" else []
    assert [each.field for each in result.detections] == ["source", *answer]
    assert result == reference.to_ndjson(json.dumps(record).encode(), schema, **options)


def test_record_without_a_name_has_addresses() -> None:
    networks = table("192.0.2.0/24")
    for name in ("{}", '"QueryName":null,', '"QueryName":"' + "a." * 600 + 'com",', ""):
        data = f'{{{name}"SourceIP":"192.0.2.1"}}'.replace("{{}", "{").encode()
        options: dict[str, Any] = {"detect": [Found(networks)]}
        result = Normalizer(**options).to_ndjson(data)
        assert [each.name for each in result.detections] == ["192.0.2.1"]
        assert result == reference.to_ndjson(data, **options)


def test_names_and_addresses_of_one_table() -> None:
    builder = NameTableBuilder()
    builder.add("evil.example", metadata=3)
    names = builder.build()
    both = names.with_networks(table("192.0.2.0/24"))
    assert names.networks is None
    shared = SharedNameTable(names)
    normalizer = Normalizer(detect=[Found(table("192.0.2.1/32")), Found(shared)], on_detection="annotate")
    data = b'{"QueryName":"x.evil.example","SourceIP":"192.0.2.1"}\n'
    assert [(each.matcher, each.field) for each in normalizer.to_ndjson(data).detections] == [
        (1, "name"),
        (0, "source"),
    ]
    shared.table = both
    result = normalizer.to_ndjson(data)
    assert [(each.matcher, each.field) for each in result.detections] == [(1, "name"), (0, "source"), (1, "source")]
    assert [each.by is both for each in result.detections] == [True, False, True]
    (event,) = normalizer.to_dicts(data).output
    assert len(event["threat"]["enrichments"]) == 3
    for made in (copy.copy(both), copy.deepcopy(both), pickle.loads(pickle.dumps(both))):
        assert list(made.rows()) == list(both.rows())
        assert isinstance(made.networks, NetworkTable)
        assert list(made.networks.rows()) == [(0, ip_network("192.0.2.0/24"), BOTH, 7)]


def test_arrow_rows_say_the_field() -> None:
    pytest.importorskip("pyarrow")
    normalizer = Normalizer("ecs", dataset="gateway_dns", detect=[Found(table("192.0.2.0/24"))])
    data = b'{"QueryName":"a.example","SrcIP":"192.0.2.1","ResolvedIPs":["192.0.2.2","192.0.2.3"]}\n'
    (row,) = normalizer.to_arrow(data).output.column("cfdns.detection").to_pylist()
    assert [each["field"] for each in row] == [1, 2, 2]


def test_threads_and_parts_find_the_same() -> None:
    networks = table("192.0.0.0/20")
    records = (b'{"QueryName":"a%d.example","SourceIP":"192.0.%d.1"}\n' % (n, n % 64) for n in range(20_000))
    data = b"".join(records)
    normalizer = Normalizer(detect=[Found(networks)])
    alone = normalizer.to_ndjson(data)
    assert len(alone.detections) == sum(n % 64 < 16 for n in range(20_000))
    assert normalizer.to_ndjson(data, threads=3).detections == alone.detections
    stream = normalizer.stream()
    cut = [
        found
        for at in range(0, len(data), 99_991)
        for part in stream.parts(data[at : at + 99_991])
        for found in part.detections
    ]
    cut += [found for part in stream.parts(b"", final=True) for found in part.detections]
    assert [each.name for each in cut] == [each.name for each in alone.detections]


@pytest.mark.parametrize(
    ("roles", "number", "text"), [(0, 0, "roles"), (4, 0, "roles"), (1, -1, "number"), (1, 2**32, "number")]
)
def test_wrong_rows_are_refused(roles: int, number: int, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        NetworkTable([(ip_network("192.0.2.1"), roles, number)])
