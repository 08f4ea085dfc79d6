"""Arrow batches hold the events of the other writers, in columns that only the mapping decides."""

from __future__ import annotations

import json
import pickle
import tempfile
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow")

import pyarrow as pa
from golden import ALL_GOLDEN, INPUTS
from support.mappings import field, write_mapping
from support.processes import run_python
from support.records import GOOD, LISTS, MIXED
from support.writers import events_of

from cfdns_fast import Normalizer
from cfdns_fast.mapping import bundled, load

#: The bundled mappings of a quick run.
QUICK_BUNDLED = [("sekoia", "dns_logs"), ("ecs", "gateway_dns")]
BUNDLED = [(schema, dataset) for dataset, schemas in bundled().items() for schema in schemas]

# The same events


def drop(event: dict[str, Any], path: list[str]) -> None:
    """Remove a field from an event, and the objects that become empty."""
    if len(path) > 1:
        drop(event[path[0]], path[1:])
        if event[path[0]]:
            return
    del event[path[0]]


def value_at(event: Any, path: list[str]) -> Any:
    for key in path:
        event = event.get(key) if isinstance(event, dict) else None
    return event


def is_beyond_64_bits(text: str) -> bool:
    time = text.removesuffix("Z")
    return not "1677-09-21T00:12:43.145225" < (time if "." in time else f"{time}.0") < "2262-04-11T23:47:16.854775"


def as_held(value: Any) -> Any:
    """Return a value as Arrow holds it: a list of constants of several types is a list of JSON texts."""
    if isinstance(value, dict):
        return {key: as_held(item) for key, item in value.items()}
    if isinstance(value, list) and len({type(item) for item in value}) > 1:
        return [json.dumps(item) for item in value]
    return value


def assert_same(normalizer: Normalizer, data: bytes, mapping: Any) -> None:
    expected = normalizer.to_dicts(data)
    result = normalizer.to_arrow(data)
    batch = result.output
    batch.validate(full=True)
    assert (result.events, result.blank, result.rejects, result.problems) == (
        expected.events,
        expected.blank,
        expected.rejects,
        expected.problems,
    )
    assert batch.num_rows == result.events
    nine_digits = [each.to for each in mapping.fields if each.digits is not None]
    got = events_of(batch, nine_digits)
    wanted = [as_held(event) for event in expected.output]
    times = [name for name, column in zip(batch.schema.names, batch.columns, strict=True) if "time" in str(column.type)]
    for path in (name.split(".") for name in times):
        for event, mine in zip(wanted, got, strict=True):
            text = value_at(event, path)
            text = text[0] if isinstance(text, list) else text
            if text is not None and value_at(mine, path) in (None, [None]) and is_beyond_64_bits(text):
                drop(event, path)
                if value_at(mine, path) == [None]:
                    drop(mine, path)
    # repr() shows the order of keys, and distinguishes True from 1.
    assert repr(got) == repr(wanted)


@pytest.mark.parametrize("keep_message", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("schema", "dataset"),
    [pytest.param(*each, marks=[] if each in QUICK_BUNDLED else pytest.mark.slow) for each in BUNDLED],
)
def test_to_arrow_of_golden_inputs_equals_to_dicts(schema: str, dataset: str, keep_message: bool) -> None:
    normalizer = Normalizer(schema, dataset=dataset, keep_message=keep_message)
    mapping = load(schema, dataset)
    for data in (*INPUTS, ALL_GOLDEN, MIXED + b"\n" + LISTS, LISTS * 500):
        assert_same(normalizer, data, mapping)


try:
    from hypothesis import given
    from hypothesis import strategies as st
    from support import strategies
except ImportError:
    pass
else:

    @given(data=strategies.any_batch, options=strategies.options, bundle=st.sampled_from(BUNDLED))
    def test_to_arrow_of_any_batch_equals_to_dicts(
        native: Any, data: bytes, options: dict[str, Any], bundle: tuple[str, str]
    ) -> None:
        assert_same(native.normalizer(bundle[0], dataset=bundle[1], **options), data, load(*bundle))

    @given(text=strategies.mappings(), data=strategies.mapped_batches, keep_message=st.booleans())
    def test_to_arrow_of_any_mapping_equals_to_dicts(text: str, data: bytes, keep_message: bool) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = write_mapping(Path(folder), text)
            normalizer = Normalizer(path, keep_message=keep_message)
            assert_same(normalizer, data, load(path))
            two = [normalizer.to_arrow(data).output, normalizer.to_arrow(b"{}").output]
            pa.Table.from_batches(two).validate(full=True)


@pytest.mark.parametrize(
    ("options", "data"),
    [
        ({"input_format": "json"}, b'{"events":[%s,1,\n%s]}' % (GOOD, GOOD)),
        ({"input_format": "json", "on_reject": "collect"}, b"[%s" % GOOD),
        ({"input_format": "csv"}, b'QueryName,QueryType,Timestamp\na.b.com,1,1\n\nx\nb.com,,"2"\n'),
        ({"input_format": "tsv", "columns": ["ColoCode", "QueryName"]}, b"AMS\ta.com\nCDG\tb.com\textra\n"),
        ({"input_format": "auto"}, MIXED),
        ({"input_format": "auto"}, b"[\n%s]" % GOOD),
        ({"input_format": "auto"}, b"QueryName,ColoCode\na.com,AMS\n"),
        ({"record_delimiter": "|"}, b'{"ColoCode":"AMS"}|{"ColoCode":"CDG"}|x'),
    ],
)
def test_to_arrow_of_other_formats_equals_to_dicts(options: dict[str, Any], data: bytes) -> None:
    normalizer = Normalizer(**options)
    assert_same(normalizer, data, load("sekoia"))
    assert normalizer.to_arrow(data).output.schema == Normalizer().to_arrow(b"").output.schema
    assert normalizer.to_arrow(data, threads=4) == normalizer.to_arrow(data)


def test_to_arrow_without_events_has_all_columns() -> None:
    for data in (b"", b"\n \n", b"oops\n[1]\n" * 100):
        result = Normalizer().to_arrow(data)
        result.output.validate(full=True)
        assert (result.events, result.output.num_rows) == (0, 0)
        assert result.output.schema == Normalizer().to_arrow(GOOD).output.schema


# Columns

DICTIONARY = pa.dictionary(pa.int16(), pa.string())


def test_default_schema_has_these_column_types() -> None:
    schema = Normalizer().to_arrow(GOOD).output.schema
    types = {each.name: each.type for each in schema}
    assert list(types) == [column.name for column in Normalizer()._converter.plan.columns.shown]
    assert types == {
        "message": pa.string(),
        "event.category": pa.list_(DICTIONARY),
        "event.dataset": DICTIONARY,
        "event.kind": DICTIONARY,
        "event.type": pa.list_(DICTIONARY),
        "@timestamp": pa.timestamp("ns", tz="UTC"),
        "dns.question.name": pa.string(),
        "dns.question.registered_domain": pa.string(),
        "dns.question.subdomain": pa.string(),
        "dns.question.top_level_domain": pa.string(),
        "dns.question.type": DICTIONARY,
        "dns.response_code": DICTIONARY,
        "observer.type": DICTIONARY,
        "observer.vendor": DICTIONARY,
        "related.hosts": pa.list_(pa.string()),
        "related.ip": pa.list_(pa.string()),
        "cloudflare.ColoCode": pa.string(),
        "cloudflare.EDNSSubnet": pa.string(),
        "cloudflare.EDNSSubnetLength": pa.int64(),
        "cloudflare.ResponseCached": pa.bool_(),
        "source.address": pa.string(),
        "source.ip": pa.string(),
    }
    assert all(each.nullable for each in schema)
    without = Normalizer(keep_message=False).to_arrow(GOOD).output.schema
    assert without.names == schema.names[1:]


def test_column_of_an_open_set_of_texts_is_plain_text(tmp_path: Path) -> None:
    enum = {"kind": "enum", "table": "rr_type", "naming": "iana"}
    text = (
        field(**enum, **{"from": "A"}, to="closed")
        + field(**enum, **{"from": "A"}, to="open", unassigned="TYPE")
        + field(**enum, **{"from": "A"}, to="either")
        + field(**{"from": "B"}, kind="text", to="either", otherwise=True)
        + field(**enum, **{"from": "A"}, to="both")
        + field(**enum, **{"from": "B"}, to="both", otherwise=True)
        + field(**{"from": "C"}, kind="boolean", if_true='"y"', if_false="n", to="named")
        + field(to="number", kind="constant", value=1, if_problem=2.5)
        + field(to="whole", kind="constant", value=1, if_problem=2)
        + field(to="flag", kind="constant", value=True, if_problem=False)
        + field(**{"from": "A"}, kind="objects", members=["b", "a.b"], to="objects")
        + field(to="mixed", kind="constant", value=[1, "a", True])
        + field(to="none", kind="constant", value=[])
    )
    normalizer = Normalizer(write_mapping(tmp_path, text))
    batch = normalizer.to_arrow(b'{"A":28,"C":"true"}\n{"A":65353,"B":28}\n{"A":1.5,"C":0}').output
    batch.validate(full=True)
    types = {each.name: each.type for each in batch.schema}
    assert types["closed"] == types["both"] == types["named"] == DICTIONARY
    assert types["open"] == types["either"] == pa.string()
    assert (types["number"], types["whole"], types["flag"]) == (pa.float64(), pa.int64(), pa.bool_())
    assert types["objects"] == pa.list_(pa.struct({"b": pa.string(), "a.b": pa.string()}))
    assert batch.to_pydict() == {
        "closed": ["AAAA", None, None],
        "open": ["AAAA", "TYPE65353", None],
        "either": ["AAAA", "28", None],
        "both": ["AAAA", "AAAA", None],
        "named": ['"y"', None, "n"],
        "number": [2.5, 2.5, 2.5],
        "whole": [2, 2, 2],
        "flag": [False, False, False],
        "objects": [None, None, None],
        "mixed": [["1", '"a"', "true"]] * 3,
        "none": [[]] * 3,
    }


def test_batches_of_a_mapping_form_a_table() -> None:
    for schema, dataset in BUNDLED:
        normalizer = Normalizer(schema, dataset=dataset)
        batches = [normalizer.to_arrow(data).output for data in (MIXED, b"", LISTS, GOOD * 1000)]
        table = pa.Table.from_batches(batches)
        table.validate(full=True)
        assert table.combine_chunks().num_rows == sum(batch.num_rows for batch in batches)
        pickled = pickle.loads(pickle.dumps(normalizer))
        assert pickled.to_arrow(MIXED).output == batches[0]


@pytest.mark.parametrize(
    ("timestamp", "ns"),
    [
        ("0", 0),
        ("-1", -(10**9)),
        ('"2024-01-02T03:04:05.678901234Z"', 1704164645678901234),
        ('"1969-12-31T23:59:59.999999999Z"', -1),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", None),
        ("-9223372036854775000", -9223372036854775000),
        ("-9223372036854775001", None),
        ('"2262-04-11T23:47:16.854775807Z"', 2**63 - 1),
        ('"2262-04-11T23:47:16.854775808Z"', None),
        ('"9999-12-31T23:59:59Z"', None),
        ('"0001-01-01T00:00:00Z"', None),
        ('"x"', None),
    ],
)
def test_timestamps_have_nanoseconds_or_are_null(timestamp: str, ns: Any) -> None:
    """A timestamp that 64 bits cannot hold is null."""
    data = b'{"Timestamp":%s}' % timestamp.encode()
    normalizer = Normalizer()
    result = normalizer.to_arrow(data)
    assert result.output.column("@timestamp").cast(pa.int64()).to_pylist() == [ns]
    assert result.problems == normalizer.to_dicts(data).problems


def test_late_nulls_keep_earlier_values() -> None:
    full = b'{"ColoCode":"AMS","EDNSSubnetLength":24,"ResponseCached":true,"QueryType":1,"Timestamp":1}\n'
    batch = Normalizer().to_arrow(full * 1001 + b"{}\n" * 3 + full).output
    batch.validate(full=True)
    values = {"cloudflare.ColoCode": "AMS", "cloudflare.ResponseCached": True, "dns.question.type": "A"}
    for name, value in values.items():
        column = batch.column(name)
        assert column.to_pylist() == [value] * 1001 + [None] * 3 + [value]
        assert column.null_count == 3


def test_null_list_has_no_items(tmp_path: Path) -> None:
    # Arrow allows items in a null list, but pyarrow 16 cannot write them to Parquet.
    kinds = ["text", "integer", "boolean", "timestamp"]
    text = "".join(field(**{"from": "A"}, kind=kind, to=kind, array=True) for kind in kinds)
    normalizer = Normalizer(write_mapping(tmp_path, text + field(**{"from": "A"}, kind="text", to="plain")))
    batch = normalizer.to_arrow(b'{"A":1}\n{}\n{"A":"0"}\n{}\n{}\n{"A":1}\n' * 50).output
    batch.validate(full=True)
    for kind in kinds:
        assert len(batch.column(kind).values) == 150
        assert batch.column(kind).values.null_count == 0
        assert batch.column(kind).null_count == 150
    assert batch.column("text").to_pylist() == [["1"], None, ["0"], None, None, ["1"]] * 50
    assert batch.column("boolean").to_pylist() == [[True], None, [False], None, None, [True]] * 50
    assert batch.column("plain").to_pylist() == ["1", None, "0", None, None, "1"] * 50


# Other libraries


def test_to_arrow_without_pyarrow_names_the_extra() -> None:
    code = """
import sys
import cfdns_fast
normalizer = cfdns_fast.Normalizer()
assert "pyarrow" not in sys.modules
sys.modules["pyarrow"] = None
for _ in range(2):
    try:
        normalizer.to_arrow(b"{}")
    except ImportError as error:
        print(error)
"""
    done = run_python(code)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Arrow output needs pyarrow: pip install 'cfdns-fast[arrow]'\n" * 2


@pytest.fixture(params=[("sekoia", "dns_logs"), ("ecs", "gateway_dns")], ids=".".join)
def table(request: pytest.FixtureRequest) -> Any:
    """Return batches of every kind of column as one table."""
    schema, dataset = request.param
    normalizer = Normalizer(schema, dataset=dataset)
    return pa.Table.from_batches([normalizer.to_arrow(data).output for data in (MIXED, LISTS, LISTS * 100)])


def test_polars_reads_the_same_values(table: Any) -> None:
    polars = pytest.importorskip("polars")
    frame = polars.from_arrow(table)
    assert frame.drop("@timestamp").to_dicts() == table.drop_columns("@timestamp").to_pylist()
    assert frame["@timestamp"].to_physical().to_list() == table.column("@timestamp").cast(pa.int64()).to_pylist()
    batch = Normalizer().to_arrow(GOOD).output
    assert polars.DataFrame(batch).select("dns.question.name").to_series().to_list() == ["www.example.com"]
    exploded = polars.from_arrow(Normalizer().to_arrow(MIXED).output)["related.hosts"].explode()
    assert exploded.to_list() == ["www.example.com", None, None, None, "www.example.com"]


def test_duckdb_reads_the_same_values(table: Any) -> None:
    duckdb = pytest.importorskip("duckdb")
    plain = table.drop_columns("@timestamp")
    with duckdb.connect() as connection:
        connection.register("events", plain)
        found = connection.sql("select * from events")
        names = [column[0] for column in found.description]
        assert [dict(zip(names, row, strict=True)) for row in found.fetchall()] == plain.to_pylist()
        query = """select "dns.question.name" from events where list_contains("event.category", 'network') limit 1"""
        assert connection.sql(query).fetchall() == [("www.example.com",)]


def test_parquet_and_ipc_preserve_the_table(table: Any) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink)
    read = parquet.read_table(pa.BufferReader(sink.getvalue()))
    # The types are not compared: older readers return plain text for dictionaries in lists.
    assert read.drop_columns("@timestamp").to_pylist() == table.drop_columns("@timestamp").to_pylist()
    assert read.column("@timestamp").equals(table.column("@timestamp"))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    assert pa.ipc.open_file(sink.getvalue()).read_all().equals(table)
