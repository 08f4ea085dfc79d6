"""No record depends on the record before it, in the same batch or in the call before, with any mapping."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from support import random_mappings
from support.mappings import field, write_mapping
from support.random_mappings import BUNDLED, COUNT, QUICK_BUNDLED, SEED, normalizers

from cfdns_fast import Normalizer, reference
from cfdns_fast.mapping import load

#: A newline as JSON writes it.
NEWLINE = "\\n"

#: Name -> a field that reads the same key as the text field.
BESIDE = {
    "no other field": "",
    "a list": field(**{"from": "K"}, to="list", kind="text", list=True),
    "objects": field(**{"from": "K"}, to="objects", kind="objects", members=["m"]),
    "a number": field(**{"from": "K"}, to="number", kind="integer"),
    "another source": field(**{"from": ["K", "L"]}, to="either", kind="text"),
}
BEFORE = ['"\\n"', '"\\u0041"', '"' + "\\n" * 300 + '"', '"plain"', "17", "true", '["a\\nb"]', "[]"]
AFTER = ["", '"K":null', '"K":""', '"K":17', '"K":-0', '"K":true', '"K":{"m":"a\\"b"}', '"K":[]', '"K":"plain"']
AFTER += ['"K":["a\\nb"]', '"K":["\\",\\"c"]', '"K":["a\\"b"]', '"K":["x\\\\",1]', '"K":[{"m":"a\\"b"}]', '"L":"\\t"']


@pytest.mark.parametrize("beside", BESIDE.values(), ids=BESIDE)
def test_value_is_independent_of_the_record_before(beside: str, tmp_path: Path) -> None:
    path = write_mapping(tmp_path, field(**{"from": "K"}, to="text", kind="text") + beside)
    normalizer = Normalizer(path)
    for before in BEFORE:
        for after in AFTER:
            first, second = b'{"K":%s}' % before.encode(), b"{%s}" % after.encode()
            for data in (first + b"\n" + second, second + b"\n" + first):
                assert normalizer.to_ndjson(data) == reference.to_ndjson(data, path)
            # The next call has its own memory.
            assert normalizer.to_ndjson(second) == reference.to_ndjson(second, path)


@pytest.mark.parametrize(("schema", "dataset"), BUNDLED)
def test_record_is_independent_of_the_call_before(schema: str, dataset: str) -> None:
    normalizer = Normalizer(schema, dataset=dataset)
    sources = [source for each in load(schema, dataset).fields for source in each.sources]
    empty = reference.to_ndjson(b"{}", schema, dataset=dataset)
    for escapes in (50, 60_000):
        long = ",".join(f'"{source}":"{escapes * NEWLINE}"' for source in sources)
        normalizer.to_ndjson(b"{%s}\n" % long.encode())
        assert normalizer.to_ndjson(b"{}") == empty
        assert normalizer.to_dicts(b"{}").problems == empty.problems


def compare(normalizer: Normalizer, data: bytes, *arguments: Any, **options: Any) -> None:
    """Require that both writers equal the reference."""
    assert normalizer.to_ndjson(data) == reference.to_ndjson(data, *arguments, **options)
    dicts, expected = normalizer.to_dicts(data), reference.to_dicts(data, *arguments, **options)
    assert dicts == expected
    # repr() distinguishes True from 1.
    assert repr(dicts.output) == repr(expected.output)


@pytest.mark.parametrize("count", [COUNT // 4, pytest.param(COUNT, marks=pytest.mark.slow)], ids=["quarter", "all"])
def test_random_mapping_equals_reference(tmp_path: Path, count: int) -> None:
    pick = random.Random(SEED)
    tried = 0
    for normalizer, path in normalizers(pick, tmp_path, count):
        tried += 1
        for _ in range(4):
            compare(normalizer, random_mappings.batch(pick, random_mappings.KEYS), load(path))
    assert tried > count // 2


@pytest.mark.parametrize(
    ("schema", "dataset"),
    [pytest.param(*each, marks=[] if each in QUICK_BUNDLED else pytest.mark.slow) for each in BUNDLED],
)
def test_random_values_of_a_dataset_equal_reference(schema: str, dataset: str) -> None:
    pick = random.Random(SEED)
    sources = [source for each in load(schema, dataset).fields for source in each.sources]
    normalizer = Normalizer(schema, dataset=dataset)
    for _ in range(COUNT):
        compare(normalizer, random_mappings.batch(pick, sources), schema, dataset=dataset)
