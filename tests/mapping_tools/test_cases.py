"""Files of cases: what they must be, what differs from a result, and cases made of records."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from support.mappings import field, write_mapping

from cfdns_fast import Normalizer
from cfdns_fast.mapping_tools import CasesError, Defaults, load_named, mismatches_of, read_cases, written_cases

MAPPING = "".join(
    (
        field(to="message", kind="raw"),
        field(to="kind", kind="constant", value="event", if_problem="error"),
        field(to="labels", kind="constant", value=["x"]),
        field(to="error", kind="problems"),
        field(to="n", kind="integer", required=True, **{"from": "N"}),
        field(to="t.x", kind="text", **{"from": "T"}),
        field(to="t.all", kind="collect", of=["t.x"]),
    )
)


def mismatches(folder: Path, text: str) -> list[list[str]]:
    """Return what differs, for each case."""
    path = write_mapping(folder, MAPPING)
    mapping = load_named(str(path))
    found = []
    for case in read_cases(text.encode(), "cases.toml", mapping):
        normalizer = Normalizer(path, **case.options)
        result, written = normalizer.to_dicts(case.data), normalizer.to_ndjson(case.data).output
        found.append(mismatches_of(case, result, written, Defaults(mapping)))
    return found


GOOD = """
[[case]]
name = "defaults"
input = '''
{"N":1,"T":"a"}
{"N":"x"}

{}
'''
events = [{ n = 1, t.x = "a", "t.all" = ["a"] }, {}, {}]
blank = 1
problems = { "field.type:N" = 1, "field.missing:N" = 1, "record.unknown" = 1 }

[[values]]
name = "integers"
source = "N"
targets = ["n"]
rows = [['1', 1], ['"2"', 2], ['true', { problem = "field.type" }], ['null', { problem = "field.missing" }]]

[[values]]
name = "texts"
source = "T"
targets = ["t.x"]
lists = ["t.all"]
rows = [['"a"', "a"], ['""', {}], [['"', { repeat = "b", times = 3 }, '"'], { repeat = "b", times = 3 }]]

[[case]]
name = "written"
rule = "7.1"
options = { keep_message = false }
input = ["x\\n", { hex = "7b7d" }]
events = [{ kind = "error", error = "record.unknown, field.missing:N" }]
rejects = [{ line = 1, offset = 0, length = 1, code = "json.syntax" }]
problems = { "record.unknown" = 1, "field.missing:N" = 1 }
ndjson = '''
{"kind":"error","labels":["x"],"error":"record.unknown, field.missing:N"}
'''
"""


def test_good_cases_have_no_mismatch(tmp_path: Path) -> None:
    assert mismatches(tmp_path, GOOD) == [[]] * 9


def test_default_problems_are_those_of_alternatives(tmp_path: Path) -> None:
    first = field(to="n", kind="integer", required=True, **{"from": "N"})
    second = field(to="n", kind="integer", required=True, otherwise=True, **{"from": "M"})
    path = write_mapping(tmp_path, first + second)
    text = '[[case]]\nname = "a"\ninput = "{\\"x\\":1}"\nevents = [{}]\n'
    (case,) = read_cases(text.encode(), "cases.toml", load_named(str(path)))
    assert case.problems == Normalizer(path).to_dicts(case.data).problems


def test_source_of_values_may_be_any_key() -> None:
    text = "[[values]]\nname = 'a'\nsource = 'a\"\\é'\ntargets = ['b']\nrows = [['1', 1]]\n"
    (case,) = read_cases(text.encode(), "cases.toml", load_named("sekoia"))
    assert json.loads(case.data) == {'a"\\é': 1}


CHANGES = {
    "value": ('t.x = "a"', 't.x = "b"', ["event 1, t.x:", '  - "b"', '  + "a"']),
    "type": ("n = 1,", "n = true,", ["event 1, n:", "  - true", "  + 1"]),
    "missing": ('t.x = "a", ', "", ["event 1, t.x:", "  - (none)", '  + "a"']),
    "further": ("n = 1,", "n = 1, z = 2,", ["event 1, z:", "  - 2", "  + (none)"]),
    "constant": ("n = 1,", 'n = 1, labels = "y",', ["event 1, labels:", '  - "y"', '  + ["x"]']),
    "event": (", {}, {}]", ", {}]", ["event 3:", "  - (none)"]),
    "blank": ("blank = 1", "blank = 0", ["blank:", "  - 0", "  + 1"]),
    "problems": ('"field.type:N" = 1', '"field.type:N" = 2', ["problems:"]),
    "reject": ("length = 1", "length = 2", ["rejects (line, offset, length, code):"]),
    "error": ('error = "record', 'error = "recor', ["event 1, error:"]),
    "ndjson": ('"labels":["x"]', '"labels":["y"]', ["ndjson:"]),
    "message": ('rule = "7.1"\noptions = { keep_message = false }', 'messages = ["{ }"]', ["event 1, message:"]),
}


@pytest.mark.parametrize(("old", "new", "lines"), CHANGES.values(), ids=CHANGES)
def test_every_difference_is_found(old: str, new: str, lines: list[str], tmp_path: Path) -> None:
    assert GOOD.count(old) == 1
    found = [each for each in mismatches(tmp_path, GOOD.replace(old, new)) if each]
    assert len(found) == 1
    assert found[0][: len(lines)] == lines


def test_long_texts_are_cut_around_the_difference(tmp_path: Path) -> None:
    text = '[[case]]\nname = "long"\ninput = ["{\\"N\\":1,\\"T\\":\\"", {repeat = "a", times = 9999}, "b\\"}"]\n'
    ((first, *found),) = mismatches(tmp_path, text + 'events = [{ n = 1, "t.x" = "' + "a" * 9999 + 'c" }]')
    assert first == "event 1, t.x:"
    assert found[0].endswith(f'{"a" * 40}c"') and found[1].endswith(f'{"a" * 40}b"')
    assert max(map(len, found)) < 400


WRONG = {
    "nothing": ("", None, "at least one"),
    "not TOML": ("\n[[case", 2, "not TOML"),
    "not UTF-8": ("\udcff", 1, "not UTF-8"),
    "other table": ("[[names]]\n", None, "allowed: case, values"),
    "one table": ("[case]\n", None, "[[case]]"),
    "no input": ('\n[[case]]\nname = "a"\n', 2, "needs input"),
    "key": ('[[case]]\nname = "a"\ninput = ""\nevent = []\n', 1, "unknown key 'event'; allowed"),
    "name": ('[[case]]\nname = 1\ninput = ""\n', 1, "name must be text"),
    "input": ('[[case]]\nname = "a"\ninput = 1\n', 1, "an input must be"),
    "hex": ('[[case]]\nname = "a"\ninput = {hex = "xyz"}\n', 1, "hexadecimal"),
    "huge input": ('[[case]]\nname = "a"\ninput = {repeat = "a", times = 1000000000000000}\n', 1, "at most 16 MiB"),
    "huge list": (
        '[[case]]\nname = "a"\ninput = [' + '{repeat = "a", times = 9999999}, ' * 2 + "]\n",
        1,
        "at most 16 MiB",
    ),
    "huge sum": ('[[case]]\nname = "a"\ninput = {repeat = "a", times = 16000000}\n' * 5, 13, "together"),
    "events": ('[[case]]\nname = "a"\ninput = ""\nevents = [1]\n', 1, "events must be a list of tables"),
    "time": ('[[case]]\nname = "a"\ninput = ""\nevents = [{a = [2026-01-01]}]\n', 1, "a time is text in quotes"),
    "option": ('[[case]]\nname = "a"\ninput = ""\noptions = {schema = "x"}\n', 1, "unknown option 'schema'"),
    "problems": ('[[case]]\nname = "a"\ninput = ""\nproblems = {a = "b"}\n', 1, "table of numbers"),
    "blank": ('[[case]]\nname = "a"\ninput = ""\nblank = true\n', 1, "blank must be a number"),
    "code": (
        '[[case]]\nname = "a"\ninput = ""\nrejects = [{line = 1, offset = 0, length = 1, code = "x"}]\n',
        1,
        "code must be one of",
    ),
    "line": (
        '[[case]]\nname = "a"\ninput = ""\nrejects = [{line = 1.0, offset = 0, length = 1, code = "json.syntax"}]\n',
        1,
        "line must be a number",
    ),
    "deep": (f'[[case]]\nname = "a"\ninput = ""\nevents = [{{a{".a" * 5000} = 1}}]\n', None, "at most 100 deep"),
    "messages": (
        '[[case]]\nname = "a"\ninput = "{}"\nmessages = ["{}", "{}"]\nevents = [{}]\n',
        1,
        "messages has 2 records, and events has 1",
    ),
    "row": ('[[values]]\nname = "a"\nsource = "N"\ntargets = ["n"]\nrows = [["1"]]\n', 1, "a row must be"),
    "problem": (
        '[[values]]\nname = "a"\nsource = "N"\ntargets = ["n"]\nrows = [["1", {problem = "x"}]]\n',
        1,
        "problem must be one of",
    ),
    "time of a row": ('[[values]]\nname = "a"\nsource = "N"\ntargets = ["n"]\nrows = [["1", 07:00:00]]\n', 1, "time"),
    "token": ('[[values]]\nname = "a"\nsource = "N"\ntargets = ["n"]\nrows = [[{hex = "ff"}, 1]]\n', 1, "UTF-8"),
}


@pytest.mark.parametrize(("text", "line", "words"), WRONG.values(), ids=WRONG)
def test_wrong_file_of_cases_is_an_error(text: str, line: int | None, words: str) -> None:
    with pytest.raises(CasesError) as caught:
        read_cases(text.encode("utf-8", "surrogateescape"), "cases.toml", load_named("sekoia"))
    assert words in str(caught.value)
    assert caught.value.line == line
    assert pickle.loads(pickle.dumps(caught.value)).reason == caught.value.reason


RECORDS = [
    b'{"N":1,"T":"a\x7f\\"\\\\\xc3\xa9"}',
    b'{"N":"x","T":[]}',
    b'\n{"N":\n7}',
    b"oops",
    b"{}",
]


@pytest.mark.parametrize("data", [b"\n".join(RECORDS[:2]), *RECORDS[2:]])
def test_written_cases_are_true(data: bytes, tmp_path: Path) -> None:
    path = write_mapping(tmp_path, MAPPING)
    text = "\n".join(written_cases(data, path)) if data != b"oops" else ""
    assert text.count("[[case]]") == data.count(b"{")
    if text:
        assert all(each == [] for each in mismatches(tmp_path, text))


def test_written_cases_of_bundled_mappings_are_true() -> None:
    data = b'{"Datetime":"2026-01-01T00:00:00Z","RData":[{"type":"A","data":"x"}],"ResolvedIPs":["192.0.2.1"]}'
    for name in ("gateway_dns.ecs", "gateway_dns.sekoia"):
        mapping = load_named(name)
        schema, dataset = mapping.schema, mapping.dataset
        normalizer = Normalizer(schema, dataset=dataset)
        text = "".join(written_cases(data, schema, dataset))
        (case,) = read_cases(text.encode(), "cases.toml", mapping)
        assert mismatches_of(case, normalizer.to_dicts(case.data), None, Defaults(mapping)) == []


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_written_cases_of_rows_are_true(delimiter: str, tmp_path: Path) -> None:
    path = write_mapping(tmp_path, MAPPING)
    data = '\ufeff\nN,T,x\r\n1,"a\r\nb",\nx\n2,c,d\n'.replace(",", delimiter)
    text = "\n".join(written_cases(data.encode(), path))
    assert mismatches(tmp_path, text) == [[], []]
    cases = read_cases(text.encode(), "cases.toml", load_named(str(path)))
    assert [case.events[0]["t.x"] for case in cases] == ["a\r\nb", "c"]
