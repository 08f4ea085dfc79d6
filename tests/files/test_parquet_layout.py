"""Layouts: options, names of columns, schemas, and the selection of fields."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow", reason="Parquet files are written by pyarrow")

import pyarrow as pa
from support.mappings import field, write_mapping

from cfdns_fast import MappingError, Normalizer
from cfdns_fast.files.layout import NAMES, Layout
from cfdns_fast.files.schema import Shaper, check_layout, events_schema, schema_of
from cfdns_fast.mapping import bundled

BUNDLED = [(schema, dataset) for dataset, schemas in bundled().items() for schema in schemas]
LINE = (
    b'{"QueryName":"www.example.com","QueryType":1,"Timestamp":"2026-08-25T12:00:00.123456789Z","SourceIP":"192.0.2.1"}'
)


def mapping_of(folder: Path, *targets: str, time: str | None = "@timestamp") -> Normalizer:
    entries = [field(to=target, kind="text", **{"from": "QueryName"}) for target in targets]
    if time is not None:
        entries.append(field(to=time, kind="timestamp", **{"from": "Timestamp"}))
    return Normalizer(write_mapping(folder, 'schema = "mine"\n' + "".join(entries)))


# Options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": "flat"}, "names must be one of 'underscore', 'nested', 'dotted', not 'flat'"),
        ({"names": None}, "names must be one of"),
        (
            {"partition_by": ("hour",)},
            r"partition_by must be one of \('date', 'hour'\), \('date',\), \('eventDay',\), \(\), not",
        ),
        ({"partition_by": "date"}, "partition_by must be a sequence of names"),
        ({"partition_by": (1,)}, "partition_by must be a sequence of names"),
        ({"columns": ()}, "columns must name at least one field"),
        ({"columns": "message"}, "columns must be a sequence of names, not 'message'"),
        ({"without": {"message": 1}}, "without must be a sequence of names"),
        ({"compression_level": 0}, "compression_level must be a whole number from 1 to 22, not 0"),
        ({"compression_level": 23}, "compression_level must be"),
        ({"compression_level": True}, "compression_level must be"),
        ({"compression_level": 1.5}, "compression_level must be"),
    ],
)
def test_wrong_option_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Layout(**options)


@pytest.mark.parametrize(
    "layout",
    [
        Layout(),
        Layout(names="nested", partition_by=("date",), columns=("dns", "@timestamp"), compression_level=22),
        Layout(names="dotted", partition_by=(), without=("message",)),
    ],
)
def test_layout_survives_json_and_pickle(layout: Layout) -> None:
    copy = Layout(**json.loads(json.dumps(layout.as_dict())))
    assert copy == layout and hash(copy) == hash(layout)
    assert pickle.loads(pickle.dumps(layout)) == layout


# Schemas


def leaves(fields: Any) -> list[tuple[str, pa.Field]]:
    """Return the paths of all fields that are no objects, and the fields."""
    found = []
    for each in fields:
        if pa.types.is_struct(each.type):
            found += [(f"{each.name}.{path}", leaf) for path, leaf in leaves(each.type)]
        else:
            found.append((each.name, each))
    return found


@pytest.mark.parametrize(("schema", "dataset"), BUNDLED)
@pytest.mark.parametrize("names", NAMES)
def test_schema_has_each_field_once(schema: str, dataset: str, names: str) -> None:
    normalizer = Normalizer(schema, dataset=dataset)
    events = events_schema(normalizer)
    made = schema_of(normalizer, Layout(names=names))
    found = leaves(made)
    assert [leaf.metadata[b"ecs"].decode() for _, leaf in found] == sorted(
        events.names, key=lambda name: [leaf.metadata[b"ecs"].decode() for _, leaf in found].index(name)
    )
    for path, leaf in found:
        ecs = leaf.metadata[b"ecs"].decode()
        if names == "underscore":
            assert path.isidentifier() and path == path.lower()
        else:
            assert path == ecs
        assert "dictionary" not in str(leaf.type) and "[ns" not in str(leaf.type)


def test_names_of_columns_are_these() -> None:
    normalizer = Normalizer(keep_message=False)
    names = {
        "underscore": ["timestamp", "dns_question_name", "cloudflare_colocode"],
        "dotted": ["@timestamp", "dns.question.name", "cloudflare.ColoCode"],
        "nested": ["@timestamp", "dns", "cloudflare"],
    }
    columns = ("@timestamp", "dns.question.name", "cloudflare.ColoCode")
    for form, expected in names.items():
        made = schema_of(normalizer, Layout(names=form, columns=columns))
        assert sorted(made.names) == sorted(expected)
    nested = schema_of(normalizer, Layout(names="nested", columns=columns))
    assert nested.field("dns").metadata == {b"ecs": b"dns"}
    assert str(nested.field("dns").type) == "struct<question: struct<name: string>>"
    assert nested.field("@timestamp").type == pa.timestamp("us", tz="UTC")


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("options", [{}, {"input_format": "csv"}, {"input_format": "auto"}, {"on_reject": "raise"}])
def test_batches_have_the_schema_of_their_layout(names: str, options: dict[str, Any]) -> None:
    layout = Layout(names=names)
    normalizer = Normalizer(**options)
    shaper = Shaper(events_schema(normalizer), layout)
    data = LINE if options.get("input_format") != "csv" else b"QueryName,Timestamp\na.example,1\n"
    for rows in (normalizer.to_arrow(data).output, normalizer.to_arrow(data).output.slice(1)):
        for given in (rows, pa.Table.from_batches([rows, rows])):
            made = shaper.shape(given)
            made.validate(full=True)
            assert made.schema.equals(schema_of(normalizer, layout), check_metadata=True)
            assert made.num_rows == given.num_rows
    assert pickle.loads(pickle.dumps(shaper)).shape(rows).schema == made.schema


# Collisions


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (("a.b", "a_b"), "mapping: a_b: its column has the name a_b, as that of a.b; use nested or dotted names"),
        (("a.B", "a.b"), "mapping: a.b: its column has the name a_b, as that of a.B"),
        (("@a", "a"), "mapping: a: its column has the name a, as that of @a"),
        (("@",), "mapping: @: there is no name for its column; use nested or dotted names"),
    ],
)
def test_fields_with_one_name_are_refused(targets: tuple[str, ...], message: str, tmp_path: Path) -> None:
    normalizer = mapping_of(tmp_path, *targets)
    with pytest.raises(MappingError, match=f"^{message}"):
        schema_of(normalizer, Layout())
    for names in ("nested", "dotted"):
        assert len(leaves(schema_of(normalizer, Layout(names=names)))) == len(targets) + 1
    left = Layout(without=targets[-1:])
    assert len(schema_of(normalizer, left)) == len(targets)


@pytest.mark.parametrize(
    ("target", "partition_by", "is_refused"),
    [
        ("date", ("date", "hour"), True),
        ("Hour", ("date", "hour"), True),
        ("hour", ("date",), False),
        ("EventDay", ("eventDay",), True),
        ("date", ("eventDay",), False),
        ("date", (), False),
    ],
)
def test_field_named_as_a_partition_is_refused(
    target: str, partition_by: tuple[str, ...], is_refused: bool, tmp_path: Path
) -> None:
    normalizer = mapping_of(tmp_path, target)
    layout = Layout(partition_by=partition_by)
    assert len(schema_of(normalizer, layout)) == 2
    if is_refused:
        with pytest.raises(MappingError, match="the name of its column is that of a partition"):
            check_layout(normalizer, layout)
    else:
        check_layout(normalizer, layout)


def test_mapping_without_a_time_has_no_partitions(tmp_path: Path) -> None:
    normalizer = mapping_of(tmp_path, "a", time=None)
    with pytest.raises(MappingError, match="events have no time, so they can have no partitions"):
        check_layout(normalizer, Layout())
    check_layout(normalizer, Layout(partition_by=()))


# Selection


def chosen(**options: Any) -> list[str]:
    made = schema_of(Normalizer("ecs"), Layout(names="dotted", **options))
    return list(made.names)


def test_fields_and_objects_are_selected() -> None:
    every = chosen()
    assert chosen(columns=("dns", "@timestamp")) == [
        name for name in every if name.startswith("dns.") or name == "@timestamp"
    ]
    assert chosen(columns=("dns",), without=("dns.question", "dns.question.name")) == ["dns.response_code", "dns.type"]
    assert chosen(without=("event.original",)) == [name for name in every if name != "event.original"]
    # The order is that of the mapping.
    assert chosen(columns=("source.ip", "@timestamp")) == chosen(columns=("@timestamp", "source.ip"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": ("dns.question.nam",)}, r"columns: .*'dns.question.nam'; did you mean dns.question.name"),
        ({"without": ("dns_question_name",)}, r"without: .*'dns_question_name'; did you mean dns.question.name"),
        ({"columns": ("timestamp",)}, r"columns: there is no field 'timestamp'; did you mean @timestamp\?"),
        ({"columns": ("relatd",)}, r"did you mean related"),
        ({"columns": ("dns.",)}, r"did you mean dns"),
        ({"columns": ("zzzzzzzz",)}, r"columns: there is no field 'zzzzzzzz'$"),
        ({"columns": ("",)}, r"columns: there is no field ''$"),
        ({"columns": ("dns",), "without": ("dns",)}, "columns and without leave no field"),
    ],
)
def test_name_of_no_field_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        chosen(**options)
