"""What the option `detect` finds, in every output; the core compared with the plain Python."""

from __future__ import annotations

import copy
import itertools
import json
import pickle
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.detectors import Found
from support.mappings import field

from cfdns_fast import Detection, MappingError, Normalizer, Result, parse, reference
from cfdns_fast._core import Detections
from cfdns_fast.matching import (
    ALLOW,
    BELOW,
    SELF,
    Annotation,
    Match,
    NameTableBuilder,
    Predicates,
    SharedNameTable,
    SliverNames,
)

NAMES = [
    "www.example.com.",
    "x.evil.com",
    "good.evil.com.",
    "a.lan",
    "q.a.lan",
    "EVIL.com",
    "baakb968ww3a.ns1.evil.com.",
    "baa8.c2.example.org",
    "\u00e9.evil.com",
    "",
    ".",
    "1.2.3.4",
    "quiet.evil.com",
    "a\\.b.evil.com",
    "evil.com" + "." * 3,
    "x" * 1100 + ".evil.com",
]
TIME = 1657233726


def table(*names: str) -> Any:
    builder = NameTableBuilder()
    builder.add("good.evil.com", SELF | BELOW | ALLOW)
    for number, name in enumerate(names):
        builder.add(name, SELF | BELOW, number)
    return builder.build()


EVIL = table("evil.com", "a.lan")


def lines(names: list[Any], key: str = "QueryName") -> bytes:
    texts = (
        json.dumps({key: name, "Timestamp": TIME}, ensure_ascii=number % 2 == 0) for number, name in enumerate(names)
    )
    return "".join(text + "\n" for text in texts).encode()


DATA = lines([*NAMES, None, 5, ["evil.com"]]) + b'no json\n{"QueryName":"\\u0065vil.com"}{"QueryName":"evil.com"}\n{}\n'
DETECT = [Found(SliverNames()), Found(EVIL, level=2)]


def test_detections_name_event_matcher_and_row() -> None:
    result = Normalizer(detect=DETECT).to_ndjson(DATA)
    found = {(each.event, each.matcher): each for each in result.detections}
    sliver, row = found[6, 0], found[6, 1]
    assert (sliver.rule, sliver.detail, sliver.start, sliver.name) == (1, 26855497, 13, "baakb968ww3a.ns1.evil.com")
    assert (row.by.name_of(row.rule), row.detail, row.name[row.start :]) == ("evil.com", 0, "evil.com")
    assert row.by is EVIL
    assert sorted(number for number, _ in found) == [1, 3, 4, 5, 6, 6, 7, 8, 12, 13, 14, 19, 20]
    assert found[4, 1].detail == 1
    for each in result.detections:
        line = result.output[each.byte_offset : result.output.index(b"\n", each.byte_offset)]
        assert json.loads(line) == Normalizer().to_dicts(DATA).output[each.event]


BUNDLED = [
    *itertools.product(("sekoia", "ecs"), ("dns_logs", "dns_firewall_logs", "gateway_dns")),
    ("ocsf", "gateway_dns"),
]
SETTINGS = [
    {"schema": schema, "dataset": dataset, "private_suffixes": private_suffixes, "keep_message": keep_message}
    for schema, dataset in BUNDLED
    for private_suffixes, keep_message in ((False, True), (True, False))
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: "-".join(map(str, settings.values())))
def test_every_output_equals_the_reference(settings: dict[str, Any]) -> None:
    expected = reference.to_ndjson(DATA, detect=DETECT, **settings)
    normalizer = Normalizer(detect=DETECT, **settings)
    assert normalizer.to_ndjson(DATA) == expected
    assert len(expected.detections) == 13
    built = normalizer.to_dicts(DATA)
    assert built == reference.to_dicts(DATA, detect=DETECT, **settings)
    iterator = normalizer.iter_dicts(DATA)
    assert list(iterator) == built.output
    assert iterator.detections == built.detections
    # Without matchers, the rest is the same.
    plain = Normalizer(**settings).to_ndjson(DATA)
    assert plain == Result(*(getattr(expected, name) for name in ("output", "events", "blank", "rejects", "problems")))


@pytest.mark.parametrize("schema", ["sekoia", "ecs"])
def test_annotation_equals_the_reference(schema: str) -> None:
    options: dict[str, Any] = {"detect": DETECT, "on_detection": "annotate"}
    normalizer = Normalizer(schema, **options)
    expected = reference.to_ndjson(DATA, schema, **options)
    assert normalizer.to_ndjson(DATA) == expected
    assert normalizer.to_dicts(DATA) == reference.to_dicts(DATA, schema, **options)
    assert list(normalizer.iter_dicts(DATA)) == normalizer.to_dicts(DATA).output
    event = normalizer.to_dicts(DATA).output[6]
    assert event["rule"] == {"id": "rule-2", "name": "baakb968ww3a.ns1.evil.com"}
    assert [each["matched"]["atomic"] for each in event["threat"]["enrichments"]] == ["ns1.evil.com", "evil.com"]
    assert event["cfdns"] == {"level": 1}
    plain = Normalizer(schema).to_ndjson(DATA).output.splitlines()
    changed = {number for number, line in enumerate(expected.output.splitlines()) if line != plain[number]}
    assert changed == {each.event for each in expected.detections} - {12}


def test_annotation_of_ocsf_is_an_enrichment() -> None:
    """OCSF has no objects `rule` and `threat`; each detection is one of `enrichments`."""
    options: dict[str, Any] = {"detect": DETECT, "on_detection": "annotate"}
    normalizer = Normalizer("ocsf", **options)
    assert normalizer.to_ndjson(DATA) == reference.to_ndjson(DATA, "ocsf", **options)
    assert list(normalizer.iter_dicts(DATA)) == normalizer.to_dicts(DATA).output
    event = normalizer.to_dicts(DATA).output[6]
    assert not {"rule", "threat", "cfdns"} & event.keys()
    assert [each["value"] for each in event["enrichments"]] == ["baakb968ww3a.ns1.evil.com"] * 2
    assert {each["name"] for each in event["enrichments"]} == {"query.hostname"}
    ecs = Normalizer("ecs", **options).to_dicts(DATA).output[6]
    assert ecs["rule"] in [each["data"]["rule"] for each in event["enrichments"]]


def test_annotation_of_an_event_without_members(tmp_path: Path) -> None:
    """The first member of an event needs no comma before it."""
    path = tmp_path / "a.toml"
    path.write_text(field(to="x", kind="text", **{"from": "Nothing"}), encoding="utf-8")
    result = Normalizer(path, detect=DETECT, on_detection="annotate").to_ndjson(lines(["evil.com"]))
    assert json.loads(result.output)["rule"]["id"] == "rule-2"


def test_ocsf_with_enrichments_cannot_be_annotated(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    texts = [field(to="class_uid", kind="constant", value=4003), field(to="enrichments", kind="constant", value=[])]
    path.write_text("".join(texts), encoding="utf-8")
    with pytest.raises(MappingError, match="annotations write 'enrichments' too"):
        Normalizer(path, detect=DETECT, on_detection="annotate")


@pytest.mark.parametrize("target", ["rule.id", "threat.x", "cfdns.x"])
def test_mapping_with_annotated_keys_is_an_error(tmp_path: Path, target: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(field(to=target, kind="name", **{"from": "QueryName"}), encoding="utf-8")
    with pytest.raises(MappingError, match=rf"{target}: events of this mapping cannot be annotated.*--alerts"):
        Normalizer(path, detect=DETECT, on_detection="annotate")
    assert len(Normalizer(path, detect=DETECT).to_ndjson(DATA).detections) == 13


def test_gateway_dns_in_ecs_cannot_be_annotated() -> None:
    with pytest.raises(MappingError, match=r"rule\.id: events of this mapping cannot be annotated, because"):
        Normalizer("ecs", dataset="gateway_dns", detect=DETECT, on_detection="annotate")


FIELDS = [
    field(to="x", kind="text", **{"from": "ColoCode"}),
    field(to="x", kind="text", **{"from": "QueryName"}),
    field(to="x", kind="name", **{"from": "QueryName"}),
    field(to="x", kind="subdomain", **{"from": "QueryName"}),
    field(to="x", kind="name", escape=True, **{"from": "QueryName"}),
    field(to="x", kind="name", trim=False, **{"from": ["Other", "QueryName"]}),
    field(to="x", kind="registered_domain", **{"from": ["QueryName", "Other"]}),
    field(to="message", kind="raw"),
]


@pytest.mark.parametrize("text", FIELDS)
@pytest.mark.parametrize("input_format", ["ndjson", "json", "auto"])
def test_name_is_read_with_any_mapping(tmp_path: Path, text: str, input_format: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text, encoding="utf-8")
    options: dict[str, Any] = {"detect": DETECT, "input_format": input_format}
    result = Normalizer(path, **options).to_ndjson(DATA)
    assert result == reference.to_ndjson(DATA, path, **options)
    assert len(result.detections) == (13 if input_format != "json" else len(result.detections))
    assert result.problems == Normalizer(path, input_format=input_format).to_ndjson(DATA).problems


def test_detections_of_an_event_are_in_order() -> None:
    """That of the option. A name waits for the next record, unless another matcher may find something."""
    rules = Predicates([Match("name", "startswith", ("q.",)), Match("name", "contains", ("dnscat",))])
    detect = [Found(SliverNames()), Found(EVIL), Found(rules), Found(table("evil.com"))]
    names = ["baakb968ww3a.dnscat.evil.com", "q.evil.com", "evil.com", "x.example", "", "dnscat.example", "a.lan"]
    for count in range(len(names) + 1):
        data = lines(names[:count])
        result = Normalizer(detect=detect[:3]).to_ndjson(data)
        assert result == reference.to_ndjson(data, detect=detect[:3])
        for order in itertools.permutations(detect):
            assert Normalizer(detect=order).to_ndjson(data) == reference.to_ndjson(data, detect=order)
    found = [(each.event, each.matcher) for each in result.detections]
    assert found == [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 1), (5, 2), (6, 1)]


def test_alternative_source_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(FIELDS[5] + FIELDS[0].replace('"x"', '"y"'), encoding="utf-8")
    data = b'{"Other":"evil.com"}\n{"Other":"","QueryName":"evil.com"}\n{"Other":"a.com","QueryName":"evil.com"}\n'
    result = Normalizer(path, detect=DETECT).to_ndjson(data)
    assert result == reference.to_ndjson(data, path, detect=DETECT)
    assert [each.event for each in result.detections] == [0, 1]


@pytest.mark.parametrize("input_format", ["csv", "tsv", "auto"])
def test_rows_are_matched(tmp_path: Path, input_format: str) -> None:
    """Also where the mapping does not read the name."""
    delimiter = "\t" if input_format == "tsv" else ","
    rows = ["QueryName,ColoCode,Timestamp", "evil.com,AMS,1657233726", "a.com,AMS,1", "x", "q.a.lan,AMS,2"]
    data = "\n".join(rows).replace(",", delimiter).encode()
    path = tmp_path / "a.toml"
    path.write_text(FIELDS[0] + field(to="t", kind="text", **{"from": "Timestamp"}), encoding="utf-8")
    for schema in ("sekoia", "ecs", path):
        options: dict[str, Any] = {"detect": DETECT, "input_format": input_format}
        normalizer = Normalizer(schema, **options)
        assert normalizer.to_ndjson(data) == reference.to_ndjson(data, schema, **options)
        assert normalizer.to_dicts(data) == reference.to_dicts(data, schema, **options)
        iterator = normalizer.iter_dicts(data)
        assert [event for event in iterator]
        assert [each.event for each in iterator.detections] == [0, 2]
        stream = normalizer.stream()
        assert stream.feed(data).events + stream.finish().events == 3


def test_rows_are_matched_with_one_version_of_a_table() -> None:
    """Also where the table is replaced before the last rows are read."""
    shared = SharedNameTable(table("evil.com"))
    data = b"QueryName,QueryType\n" + b"a.evil.com,1\n" * 5
    normalizer = Normalizer(detect=[Found(shared)], input_format="csv")
    iterator = normalizer.iter_dicts(data)
    seen = [iterator.detections]
    for _ in range(2):
        next(iterator)
    seen.append(iterator.detections)
    first, shared.table = shared.table, table("a.evil.com")
    assert len(list(iterator)) == 3
    assert [len(each) for each in seen] == [0, 2]
    assert [(each.event, each.start, each.by) for each in iterator.detections] == [(n, 2, first) for n in range(5)]
    assert iterator.detections[:2] == seen[1][:]
    later = normalizer.iter_dicts(data)
    assert len(list(later)) == 5
    assert {(each.start, each.by) for each in later.detections} == {(0, shared.table)}


@pytest.mark.parametrize("number", [float("nan"), float("-inf")])
def test_annotation_that_is_no_json_is_refused(number: float) -> None:
    class Scored(Found):
        def annotation(self, detection: Detection, event: Mapping[str, Any]) -> Annotation:
            return Annotation(1, {}, own={"score": number})

    normalizer = Normalizer(detect=[Found(EVIL), Scored(EVIL)], on_detection="annotate")
    with pytest.raises(ValueError, match=r"^detector 1 \(Scored\): its annotation is not JSON"):
        normalizer.to_ndjson(b'{"QueryName":"evil.com"}')


def test_annotation_with_a_surrogate_is_valid_utf8() -> None:
    class Surrogate(Found):
        def annotation(self, detection: Detection, event: Mapping[str, Any]) -> Annotation:
            return Annotation(1, {"name": "a\ud800"})

    options: dict[str, Any] = {"detect": [Surrogate(EVIL)], "on_detection": "annotate"}
    data = b'{"QueryName":"evil.com"}'
    result = Normalizer(**options).to_ndjson(data)
    assert json.loads(result.output)["rule"] == {"name": "a?"}
    assert result == reference.to_ndjson(data, **options)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("on_detection", ["collect", "annotate"])
def test_threads_and_streams_find_the_same(threads: int, on_detection: str) -> None:
    """Parts of a stream have positions in their own output."""
    data = DATA * 130
    normalizer = Normalizer(detect=DETECT, on_detection=on_detection)
    expected = normalizer.to_ndjson(data)
    assert normalizer.to_ndjson(data, threads=threads) == expected
    stream = normalizer.stream(threads=threads)
    results = [part for at in range(0, len(data), 40_001) for part in stream.parts(data[at : at + 40_001])]
    results.append(stream.finish())
    events = size_bytes = 0
    found = []
    for part in results:
        found += [
            each._replace(event=each.event + events, byte_offset=each.byte_offset + size_bytes)
            for each in part.detections
        ]
        events += part.events
        size_bytes += len(part.output)
    assert found == list(expected.detections)
    with normalizer.stream(threads=threads) as fed:
        whole = fed.feed(data)
        rest = fed.finish()
    assert len(whole.detections) + len(rest.detections) == len(found)
    assert list(whole.detections) == found[: len(whole.detections)]


def test_arrow_has_a_column_of_detections() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    normalizer = Normalizer(detect=DETECT, on_detection="annotate")
    result = normalizer.to_arrow(DATA)
    result.output.validate(full=True)
    assert result.detections == normalizer.to_dicts(DATA).detections
    rows = result.output.column("cfdns.detection").to_pylist()
    assert len(rows) == result.events
    for number, row in enumerate(rows):
        expected = [each for each in result.detections if each.event == number]
        names = ("matcher", "rule", "detail", "start")
        assert row == [{name: getattr(each, name) for name in names} | {"field": 0} for each in expected]
    plain = Normalizer().to_arrow(DATA)
    assert result.output.drop_columns(["cfdns.detection"]) == plain.output
    data = DATA * 400
    assert normalizer.to_arrow(data, threads=3).output == normalizer.to_arrow(data).output
    stream = normalizer.stream(output="arrow")
    parts = [*stream.parts(data), stream.finish()]
    table_of = pyarrow.Table.from_batches([part.output for part in parts])
    assert table_of == pyarrow.Table.from_batches([normalizer.to_arrow(data).output])
    assert stream.lines == data.count(b"\n")
    assert normalizer.stream(output="arrow").finish().output.num_rows == 0


def test_parse_is_unaffected() -> None:
    assert (
        parse(b'{"QueryName":"evil.com"}') == Normalizer(detect=DETECT).to_dicts(b'{"QueryName":"evil.com"}').output[0]
    )


def test_shared_table_is_replaced_between_calls() -> None:
    shared = SharedNameTable(EVIL)
    normalizer = Normalizer(detect=[Found(shared)])
    iterator = normalizer.iter_dicts(DATA)
    next(iterator)
    first = normalizer.to_ndjson(DATA)
    shared.table = table("example.org")
    assert [each.name for each in normalizer.to_ndjson(DATA).detections] == ["baa8.c2.example.org"]
    assert first.detections[0].by is EVIL
    list(iterator)
    assert {each.by for each in iterator.detections} == {EVIL}
    assert reference.to_ndjson(DATA, detect=[Found(shared)]) == normalizer.to_ndjson(DATA)


def test_calls_see_one_table_while_it_is_replaced() -> None:
    tables = [table("evil.com", f"x{number}.com") for number in range(20)]
    shared = SharedNameTable(tables[0])
    normalizer = Normalizer(detect=[Found(shared)])
    data = lines(["x.evil.com"] * 2000)
    ended = threading.Event()

    def replace() -> None:
        for each in itertools.cycle(tables):
            if ended.is_set():
                return
            shared.table = each

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        for _ in range(30):
            found = normalizer.to_ndjson(data, threads=2).detections
            assert len(found) == 2000
            assert len({id(each.by) for each in found[::100]}) == 1
    finally:
        ended.set()
        thread.join()


def test_detections_are_a_sequence_like_a_tuple() -> None:
    found = Normalizer(detect=DETECT).to_ndjson(DATA).detections
    assert isinstance(found, Detections)
    listed = tuple(found)
    assert found == listed and listed == found and found != listed[:-1] and hash(found) == hash(listed)
    assert found[-1] == listed[-1] and found[2:5] == listed[2:5] and tuple(reversed(found)) == listed[::-1]
    assert listed[3] in found and found.index(listed[3]) == 3 and found.count(listed[3]) == 1
    assert found.not_kept == 0 and "13" in repr(found)
    for index in (13, -14):
        with pytest.raises(IndexError):
            found[index]
    with pytest.raises(TypeError):
        found["x"]  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="no such"):
        found.index(None)
    unpickled = pickle.loads(pickle.dumps(found))
    assert unpickled == tuple(each._replace(by=None) for each in listed)


def test_empty_batch_has_no_detections() -> None:
    assert Normalizer().to_ndjson(DATA).detections == ()
    found = Normalizer(detect=DETECT).to_ndjson(b"").detections
    assert found == () and isinstance(found, Detections)


@pytest.mark.slow
def test_detections_beyond_the_limit_are_counted() -> None:
    data = lines(["evil.com"]) * 600_000
    for threads in (1, 2):
        normalizer = Normalizer(keep_message=False, detect=[Found(EVIL), Found(table("com.example", "evil.com"))])
        found = normalizer.to_ndjson(data, threads=threads).detections
        assert (len(found), found.not_kept) == (1_000_000, 200_000)  # type: ignore[attr-defined]
        assert found[-1].event == 499_999


@pytest.mark.parametrize(
    "options",
    [
        {"detect": "sliver"},
        {"detect": [SliverNames()]},
        {"detect": SliverNames()},
        {"detect": None},
        {"on_detection": "drop"},
        {"detect": [Found(SliverNames()), Found(SliverNames())]},
    ],
    ids=str,
)
def test_invalid_option_is_an_error(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="detect"):
        Normalizer(**options)


def test_number_of_detectors_is_limited() -> None:
    with pytest.raises(ValueError, match="more than 65535 objects"):
        Normalizer(detect=[Found(EVIL)] * 2**16)


def test_other_matcher_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="not a matcher: str"):
        Normalizer(detect=[Found("sliver")])  # type: ignore[arg-type]


def test_normalizer_with_detectors_can_be_copied() -> None:
    normalizer = Normalizer(detect=[Found(SliverNames()), Found(EVIL)])
    expected = [(each.event, each.matcher, each.rule) for each in normalizer.to_ndjson(DATA).detections]
    assert {each[1] for each in expected} == {0, 1}
    for made in (copy.copy(normalizer), copy.deepcopy(normalizer), pickle.loads(pickle.dumps(normalizer))):
        assert [(each.event, each.matcher, each.rule) for each in made.to_ndjson(DATA).detections] == expected
