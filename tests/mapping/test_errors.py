"""How a schema is named, and the errors of invalid mapping files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from golden import CONSTANTS, flatten
from support.mappings import field, write_mapping

import cfdns_fast
from cfdns_fast import MappingError, Normalizer
from cfdns_fast.mapping import load
from cfdns_fast.mapping.kinds import KINDS

# How a schema is named


class FsPath:
    def __init__(self, path: Any) -> None:
        self.path = path

    def __fspath__(self) -> Any:
        return self.path


def test_schema_accepts_path_like_objects(tmp_path: Path, implementation: Any) -> None:
    path = write_mapping(tmp_path, field(to="a", kind="constant", value=1), "no_suffix")
    assert implementation.to_dicts(b"{}", path).output == [{"a": 1}]
    assert implementation.to_dicts(b"{}", FsPath(str(path))).output == [{"a": 1}]


def test_schema_text_may_be_a_path(tmp_path: Path, implementation: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text with a separator or the suffix .toml is a path; other text is a bundled name."""
    monkeypatch.chdir(tmp_path)
    write_mapping(tmp_path, field(to="a", kind="constant", value=1), "my.toml")
    write_mapping(tmp_path, field(to="a", kind="constant", value=2), "sekoia")
    for schema, expected in (("./my.toml", 1), ("my.toml", 1), (str(tmp_path / "my.toml"), 1), ("./sekoia", 2)):
        assert implementation.to_dicts(b"{}", schema).output == [{"a": expected}]
    assert flatten(implementation.to_dicts(b"{}", "sekoia").output[0]) == {**CONSTANTS, "message": "{}"}


@pytest.mark.parametrize(
    "schema", ["", "ecs2", "SEKOIA", "dns_logs", "dns_logs.sekoia", "sekoia ", "toml", "é", "a\x00b"]
)
def test_unknown_schema_error_lists_the_bundled_ones(schema: str, implementation: Any) -> None:
    with pytest.raises(MappingError, match="sekoia") as caught:
        implementation.to_dicts(b"{}", schema)
    assert caught.value.file == schema


@pytest.mark.parametrize("schema", [None, 5, b"sekoia", ["sekoia"], object()], ids=repr)
def test_schema_of_another_type_raises(schema: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        Normalizer(schema)


# Invalid files


@pytest.mark.parametrize("number", ["9" * 5000, "0x" + "9" * 5000], ids=["decimal", "hexadecimal"])
def test_too_long_integer_error_names_the_file(number: str, tmp_path: Path) -> None:
    """Python refuses to convert an integer of so many digits."""
    path = write_mapping(tmp_path, f'[[field]]\nto = "a"\nkind = "constant"\nvalue = {number}\n')
    with pytest.raises(MappingError) as caught:
        Normalizer(path)
    assert caught.value.file == str(path)


@pytest.mark.slow
def test_too_many_source_names_raise(tmp_path: Path) -> None:
    field = '[[field]]\nto = "t{}"\nkind = "text"\nfrom = {}\n'
    names = [[f"k{number}_{name}" for name in range(1000)] for number in range(11)]
    text = "".join(field.format(number, sources) for number, sources in enumerate(names))
    with pytest.raises(MappingError, match="10000 source names"):
        Normalizer(write_mapping(tmp_path, text))
    fewer = "".join(field.format(number, sources) for number, sources in enumerate(names[:10]))
    normalizer = Normalizer(write_mapping(tmp_path, fewer))
    assert normalizer.to_dicts(b'{"k9_999":"last","k0_0":1}').output == [{"t0": "1", "t9": "last"}]


def test_digits_must_be_an_integer(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="digits must be 9"):
        Normalizer(write_mapping(tmp_path, '[[field]]\nfrom = "T"\nto = "a"\nkind = "timestamp"\ndigits = 9.0\n'))


def test_missing_file_error_names_the_file(tmp_path: Path, implementation: Any) -> None:
    path = tmp_path / "absent.toml"
    with pytest.raises(MappingError, match="cannot be read") as caught:
        implementation.to_dicts(b"{}", path)
    assert caught.value.file == str(path) and str(path) in str(caught.value)


def test_directory_error_names_the_directory(tmp_path: Path, implementation: Any) -> None:
    with pytest.raises(MappingError, match=re.escape(str(tmp_path))):
        implementation.to_dicts(b"{}", tmp_path)


def test_path_with_a_nul_raises_mapping_error() -> None:
    with pytest.raises(MappingError):
        Normalizer("./a\x00b.toml")


def test_invalid_utf8_error_names_the_position(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_bytes(b"schema = '\xff'\n")
    with pytest.raises(MappingError, match="UTF-8") as caught:
        Normalizer(path)
    assert caught.value.file == str(path) and "10" in caught.value.reason


GOOD_TEXT = {"from": "ColoCode", "to": "a.b", "kind": "text"}
ENUM = {"from": "QueryType", "to": "t", "kind": "enum", "table": "rr_type", "naming": "iana"}
TIME = {"from": "T", "to": "a", "kind": "timestamp"}
INVALID: dict[str, tuple[str, str | None, list[str]]] = {
    "empty file": ("", None, ["[[field]]"]),
    "no field": ('schema = "x"\n', None, ["[[field]]"]),
    "not TOML": ("schema = \n", None, ["TOML"]),
    "fields are text": ('field = "x"\n', None, ["[[field]]"]),
    "fields are a list of text": ('field = ["x"]\n', None, ["[[field]]"]),
    "fields are an empty list": ("field = []\n", None, ["[[field]]"]),
    "field is one table": ('[field]\nto = "a"\nkind = "raw"\n', None, ["[[field]]"]),
    "unknown top-level key": (
        "version = 1\n" + field(**GOOD_TEXT),
        None,
        ["version", "schema", "dataset", "source", "field"],
    ),
    "schema is a number": ("schema = 1\n" + field(**GOOD_TEXT), "schema", ["text"]),
    "dataset is a list": ("dataset = []\n" + field(**GOOD_TEXT), "dataset", ["text"]),
    "no kind": (field(to="a"), "field 1 (a)", ["kind", *KINDS]),
    "unknown kind": (field(to="a", kind="number"), "field 1 (a)", ["kind", "number", *KINDS]),
    "kind is a number": (field(to="a", kind=1), "field 1 (a)", ["kind", *KINDS]),
    "kind is a list": (field(to="a", kind=["raw"]), "field 1 (a)", ["kind", *KINDS]),
    "unknown key": (
        field(**GOOD_TEXT, sauce="x"),
        "field 1 (a.b)",
        ["sauce", "from", "to", "kind", "array", "required"],
    ),
    "key of another kind": (
        field(**GOOD_TEXT, table="rcode"),
        "field 1 (a.b)",
        ["table", "from", "to", "array", "required"],
    ),
    "from on raw": (field(**{"from": "x"}, to="a", kind="raw"), "field 1 (a)", ["from", "to", "kind"]),
    "array on a constant": (
        field(to="a", kind="constant", value=1, array=True),
        "field 1 (a)",
        ["array", "to", "value"],
    ),
    "required on raw": (field(to="a", kind="raw", required=True), "field 1 (a)", ["required"]),
    "no from": (field(to="a", kind="text"), "field 1 (a)", ["text", "from"]),
    "no to": (field(kind="raw"), "field 1", ["raw", "to"]),
    "no value": (field(to="a", kind="constant"), "field 1 (a)", ["constant", "value"]),
    "no table": (field(**{"from": "x"}, to="a", kind="enum", naming="iana"), "field 1 (a)", ["enum", "table"]),
    "no naming": (field(**{"from": "x"}, to="a", kind="enum", table="rcode"), "field 1 (a)", ["enum", "naming"]),
    "to is empty": (field(to="", kind="raw"), "field 1 ()", ["to", "empty"]),
    "to is a number": (field(to=1, kind="raw"), "field 1", ["to", "text"]),
    "to is a list": (field(to=["a"], kind="raw"), "field 1", ["to", "text"]),
    "from is empty": (field(**{"from": ""}, to="a", kind="text"), "field 1 (a)", ["from", "empty"]),
    "from is an empty list": (field(**{"from": []}, to="a", kind="text"), "field 1 (a)", ["from", "empty"]),
    "from is a list with a number": (field(**{"from": ["x", 1]}, to="a", kind="text"), "field 1 (a)", ["from", "text"]),
    "from is a list that repeats": (
        field(**{"from": ["x", "x"]}, to="a", kind="text"),
        "field 1 (a)",
        ["from", "once"],
    ),
    "array is text": (field(**GOOD_TEXT, array="yes"), "field 1 (a.b)", ["array", "true", "false", "yes"]),
    "array is a number": (field(**GOOD_TEXT, array=1), "field 1 (a.b)", ["array", "true", "false"]),
    "required is text": (field(**GOOD_TEXT, required="true"), "field 1 (a.b)", ["required", "true", "false"]),
    "epoch of another unit": (field(**TIME, epoch="s"), "field 1 (a)", ["epoch", '"ms"', "'s'"]),
    "epoch is a number": (field(**TIME, epoch=1), "field 1 (a)", ["epoch", '"ms"']),
    "epoch with digits": (field(**TIME, epoch="ms", digits=9), "field 1 (a)", ["epoch", "digits"]),
    "default with unassigned": (field(**ENUM, default="x", unassigned="y"), "field 1 (t)", ["default", "unassigned"]),
    "default of another type": (field(**ENUM, default=1), "field 1 (t)", ["default", "text"]),
    "default is not an integer": (
        field(**{**ENUM, "table": "rcode", "naming": "ocsf_id"}, default="x"),
        "field 1 (t)",
        ["default", "integer"],
    ),
    "default is a boolean": (field(**ENUM, default=True), "field 1 (t)", ["default", "integer", "text"]),
    "default is empty": (field(**ENUM, default=""), "field 1 (t)", ["default", "empty"]),
    "if_true of two types": (
        field(**{"from": "x"}, to="a", kind="boolean", if_true=1, if_false="no"),
        "field 1 (a)",
        ["if_true", "if_false", "integers"],
    ),
    "if_true beyond 64 bits": (
        field(**{"from": "x"}, to="a", kind="boolean", if_true=2**63, if_false=0),
        "field 1 (a)",
        ["if_true", "64"],
    ),
    "member without list": (field(**GOOD_TEXT, member="m"), "field 1 (a.b)", ["member", "list"]),
    "member of integers": (
        field(**{"from": "x"}, to="a", kind="integer", list=True, member="m"),
        "field 1 (a)",
        ["member", "list"],
    ),
    "collect of objects": (
        field(**GOOD_TEXT, list=True, member="m") + field(to="c", kind="collect", of=["a.b"]),
        "field 2 (c)",
        ["of", "'a.b'"],
    ),
    "observables of text": (
        field(**GOOD_TEXT) + field(to="o", kind="observables", of=["a.b"]),
        "field 2 (o)",
        ["of", "name", "ip", "'a.b'"],
    ),
    "observables of two kinds": (
        field(**{"from": "x"}, to="a", kind="ip")
        + field(**{"from": "x"}, to="a", kind="name", otherwise=True)
        + field(to="o", kind="observables", of=["a"]),
        "field 3 (o)",
        ["of", "'a'"],
    ),
    "observables of nothing": (field(to="o", kind="observables", of=["a"]), "field 1 (o)", ["of", "'a'"]),
    "text for an integer": (
        field(**{**ENUM, "table": "rcode", "naming": "ocsf_id"})
        + field(**{"from": "x"}, to="t", kind="text", otherwise=True),
        "field 2 (t)",
        ["integer", "text"],
    ),
    "leading dot": (field(to=".a", kind="raw"), "field 1 (.a)", ["to", "dot"]),
    "trailing dot": (field(to="a.", kind="raw"), "field 1 (a.)", ["to", "dot"]),
    "double dot": (field(to="a..b", kind="raw"), "field 1 (a..b)", ["to", "dot"]),
    "only a dot": (field(to=".", kind="raw"), "field 1 (.)", ["to", "dot"]),
    "too deep": (field(to="a." * 32 + "a", kind="raw"), "field 1", ["32"]),
    "unknown table": (field(**{**ENUM, "table": "opcode"}), "field 1 (t)", ["table", "rr_type", "rcode", "opcode"]),
    "unknown naming": (
        field(**{**ENUM, "naming": "sekoia"}),
        "field 1 (t)",
        ["naming", "rr_type", "iana", "standard", "sekoia"],
    ),
    "naming that is a fact of the table": (
        field(**{**ENUM, "naming": "registry"}),
        "field 1 (t)",
        ["naming", "iana", "standard"],
    ),
    "value is a table": (
        "[[field]]\nto = 'a'\nkind = 'constant'\nvalue = {x = 1}\n",
        "field 1 (a)",
        ["value", "text", "number", "list"],
    ),
    "value is a date": (
        "[[field]]\nto = 'a'\nkind = 'constant'\nvalue = 2022-07-07\n",
        "field 1 (a)",
        ["value", "text", "number", "list"],
    ),
    "value is nan": ("[[field]]\nto = 'a'\nkind = 'constant'\nvalue = nan\n", "field 1 (a)", ["value", "finite"]),
    "value is infinite": (
        "[[field]]\nto = 'a'\nkind = 'constant'\nvalue = [1, -inf]\n",
        "field 1 (a)",
        ["value", "finite"],
    ),
    "value is a nested list": (field(to="a", kind="constant", value=[[1]]), "field 1 (a)", ["value", "list"]),
    "value is beyond 64 bits": (field(to="a", kind="constant", value=[1, 2**63]), "field 1 (a)", ["value", "64-bit"]),
    "same target twice": (field(**GOOD_TEXT) + field(to="a.b", kind="raw"), "field 2 (a.b)", ["field 1", "target"]),
    "value below a value": (field(to="a", kind="raw") + field(**GOOD_TEXT), "field 2 (a.b)", ["field 1", "a"]),
    "value above a value": (field(**GOOD_TEXT) + field(to="a", kind="raw"), "field 2 (a)", ["field 1", "parent"]),
    "value far below a value": (
        field(to="a", kind="raw") + field(to="a.b.c.d", kind="raw"),
        "field 2 (a.b.c.d)",
        ["field 1", "a"],
    ),
    "fault in a later field": (field(**GOOD_TEXT) + field(**ENUM) + field(to="x", kind="?"), "field 3 (x)", ["kind"]),
    "too many fields": ("".join(field(to=f"t{n}", kind="raw") for n in range(1001)), None, ["1001", "1000"]),
    "nested beyond reason": ("schema = " + "[" * 5000 + "]" * 5000, None, ["TOML"]),
}


@pytest.mark.parametrize(("text", "entry", "words"), INVALID.values(), ids=INVALID)
def test_invalid_mapping_error_is_complete(text: str, entry: str | None, words: list[str], tmp_path: Path) -> None:
    """The error names the file, the entry and what is allowed."""
    path = write_mapping(tmp_path, text)
    with pytest.raises(MappingError) as caught:
        Normalizer(path)
    error = caught.value
    assert error.file == str(path)
    assert str(error).startswith(str(path))
    if entry is None:
        assert error.entry is None
    else:
        assert error.entry is not None and error.entry.startswith(entry)
        assert error.entry in str(error)
    for word in words:
        assert word in error.reason, error.reason
    with pytest.raises(MappingError, match=re.escape(str(error))):
        load(path)
    with pytest.raises(MappingError, match=re.escape(str(error))):
        cfdns_fast.parse(b"{}", path)
