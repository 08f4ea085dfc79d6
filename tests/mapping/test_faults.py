"""All faults of a mapping file at once, each with its line."""

from __future__ import annotations

import pickle
import random
import tomllib
from pathlib import Path

import pytest
from support.mappings import write_mapping

from cfdns_fast import MappingError, Normalizer
from cfdns_fast.mapping import bundled, bundled_path
from cfdns_fast.mapping.kinds import KINDS
from cfdns_fast.mapping.options import OPTIONS
from cfdns_fast.mapping.parser import check_mapping
from cfdns_fast.mapping.positions import positions_of

MANY_FAULTS = '''\
schema = 1
version = 2

# [[field]]
[[field]]
from = "QueryName"
to = "name"
kind = "names"
array = "yes"

[[field]]
from = ""
to = "type"
kind = "enum"
table = "rr_typ"
requird = true
note = """
[[field]]
"""

[[ "field" ]]
to = "name.first"
kind = "constant"
value = [
  1,
  nan,
]

[[field]]
from = "A"
to = "list"
kind = "text"
list = true
array = true
'''


def found(text: str) -> list[tuple[int | None, str | None, str]]:
    mapping, faults = check_mapping(text.encode(), "my.toml")
    assert mapping is None
    return [(fault.line, fault.entry, fault.reason) for fault in faults]


def test_all_faults_have_their_lines() -> None:
    faults = [(line, entry, reason.partition(";")[0][:32]) for line, entry, reason in found(MANY_FAULTS)]
    assert faults == [
        (1, "schema", "must be text"),
        (2, None, "unknown key 'version'"),
        (8, "field 1 (name)", "kind must be one of raw, constan"),
        (9, "field 1 (name)", "array must be true or false, not"),
        (11, "field 2 (type)", "kind enum needs naming"),
        (12, "field 2 (type)", "from must be text and not empty,"),
        (15, "field 2 (type)", "table must be one of rr_type, rc"),
        (16, "field 2 (type)", "unknown key 'requird'"),
        (17, "field 2 (type)", "unknown key 'note'"),
        (22, "field 3 (name.first)", "field 1 is a value at name"),
        (24, "field 3 (name.first)", "value must be text, a finite num"),
        (34, "field 4 (list)", "list describes the source and ar"),
    ]


def test_normalizer_raises_the_first_fault(tmp_path: Path) -> None:
    path = write_mapping(tmp_path, MANY_FAULTS)
    with pytest.raises(MappingError) as caught:
        Normalizer(path)
    assert str(caught.value) == f"{path}:1: schema: must be text"
    assert pickle.loads(pickle.dumps(caught.value)).line == 1


def test_faults_of_inline_entries_have_their_lines() -> None:
    first, second = '{from = "A", to = "a", kind = "text"}', '{to = "b", kind = "raw", x = [1, {y = 2}], from = 1}'
    text = f"field = [\n  {first},\n\n  {second},\n]\n"
    assert [line for line, _, _ in found(text)] == [4, 4]
    assert [line for line, _, _ in found(text.replace("\n", "\r\n"))] == [4, 4]


def test_syntax_fault_has_its_line() -> None:
    assert [(line, reason[:8]) for line, _, reason in found('schema = "x"\n\n[[field\n')] == [(3, "not TOML")]
    assert [line for line, _, _ in found('schema = "x"\nfield = [\n')] == [2]
    mapping, faults = check_mapping(b"schema = 'x'\n# \xff\n", "my.toml")
    assert (mapping, [fault.line for fault in faults]) == (None, [2])


def test_entry_without_a_kind_has_its_other_faults() -> None:
    text = "[[field]]\nfrom = 1\nrequird = true\nlist = true\n"
    assert [(line, reason.partition(";")[0].partition(" must")[0]) for line, _, reason in found(text)] == [
        (1, "kind"),
        (1, "every entry needs the key to"),
        (2, "from"),
        (3, "unknown key 'requird'"),
    ]


def test_entry_with_a_fault_causes_no_further_faults() -> None:
    """Its target exists for the alternatives and collections of other entries."""
    text = """\
[[field]]
from = "A"
to = "a"
kind = "txt"
[[field]]
from = "B"
to = "a"
kind = "text"
otherwise = true
[[field]]
to = "all"
kind = "collect"
of = ["a"]
"""
    assert [line for line, _, _ in found(text)] == [4]


@pytest.mark.parametrize("key", ["kind", "array", "required"])
def test_number_too_long_to_write_is_a_fault(key: str) -> None:
    text = f'[[field]]\nfrom = "A"\nto = "a"\nkind = "text"\n{key} = 0x{"9" * 5000}\n'.replace(
        'kind = "text"\nkind', "kind"
    )
    assert [(entry, reason[-38:]) for _, entry, reason in found(text)] == [
        ("field 1 (a)", ", not a number of more than 4,300 digits"[-38:])
    ]


def test_keys_with_many_dots_are_a_fault() -> None:
    keys = f"a{'.a' * 5000} = 1"
    for text in (keys, f"[[field]]\nkind.{keys}"):
        assert [reason for _, _, reason in found(text)] == ["tables and lists may be at most 100 deep"]


def test_faults_of_a_hostile_file_are_few() -> None:
    target = "t" * 100_000
    keys = "".join(f"k{number} = 1\n" for number in range(2_000))
    faults = found(f'{keys}[[field]]\nto = "{target}"\nkind = "raw"\n{keys}')
    assert len(faults) == 40
    assert sum(len(f"{entry}{reason}") for _, entry, reason in faults) < 40 * 500


def test_file_without_end_is_refused() -> None:
    if not Path("/dev/zero").exists():
        pytest.skip("no device without an end")
    with pytest.raises(MappingError, match="more than 16 MiB"):
        Normalizer("/dev/zero")


@pytest.mark.parametrize(("schema", "dataset"), [(name, key) for key, names in bundled().items() for name in names])
def test_positions_agree_with_the_document(schema: str, dataset: str) -> None:
    text = Path(bundled_path(schema, dataset)).read_text(encoding="utf-8")
    entries = tomllib.loads(text)["field"]
    positions = positions_of(text)
    lines = text.split("\n")
    assert [list(keys) for _, keys in positions.entries] == [list(entry) for entry in entries]
    assert all(lines[line - 1] == "[[field]]" for line, _ in positions.entries)
    for entry, (_, keys) in zip(entries, positions.entries, strict=True):
        for key, line in keys.items():
            assert lines[line - 1].startswith(f"{key} = ")
            assert tomllib.loads(f"{lines[line - 1]}\n")[key] == entry[key]


#: Values over which a scanner of lines could stumble.
TRICKY = [
    '"a"',
    "'[[field]]'",
    '"\\"[[field]]\\\\"',
    '""',
    "[]",
    '[ "]", # ] "\n  \'{\', ]',
    '"""\n[[field]]\nfrom = "x" \\""""""',
    "'''\n[field]\n'''",
    "{a = [1, {b = 'x = ,'}], \"c.d\".e = 1}",
    "1979-05-27 07:32:00.5",
    "-1.5e+3",
    "[[1, 2],\n\n[3]] # [[field]]",
]


def test_positions_of_tricky_values() -> None:
    pick = random.Random(20261201)
    for _ in range(200):
        lines: list[str] = [f"schema = {pick.choice(TRICKY)}"]
        expected = []
        for _ in range(pick.randint(1, 4)):
            lines += pick.choice([[], [""], ['# [[field]] """']])
            header = pick.choice(["[[field]]", ' [[ "field" ]] # [', "[['field']]"])
            start = "\n".join([*lines, header]).count("\n") + 1
            lines.append(header)
            keys = {}
            for key in pick.sample(["a", "b-c", "1"], pick.randint(0, 3)):
                keys[key] = "\n".join([*lines, ""]).count("\n") + 1
                lines.append(f"{pick.choice([key, repr(key)])}{pick.choice(['', '.x'])} = {pick.choice(TRICKY)}")
            expected.append((start, keys))
        text = "\n".join(lines)
        assert len(tomllib.loads(text)["field"]) == len(expected)
        assert positions_of(text).entries == expected, text


def test_every_key_of_a_kind_is_checked() -> None:
    assert {key for kind in KINDS.values() for key in kind.needs | kind.allows} == set(OPTIONS)
