"""Two mappings compared target by target, and the events that they make."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.mappings import field, write_mapping

from cfdns_fast import InputFormatError, Normalizer
from cfdns_fast.mapping_tools import changes_between, compare_events, event_differences, load_named
from cfdns_fast.mapping_tools.description import sentence
from cfdns_fast.mapping_tools.flatten import flatten

A = field(to="a", kind="text", **{"from": "A"})
B = field(to="b", kind="integer", **{"from": "B"})


def changes(folder: Path, before: str, after: str) -> Any:
    paths = (str(write_mapping(folder, text, name)) for text, name in ((before, "a.toml"), (after, "b.toml")))
    return changes_between(*map(load_named, paths))


def test_equal_mappings_have_no_change(tmp_path: Path) -> None:
    written = A.replace('kind = "text"', 'kind = "text"\nrequired = false\n# comment')
    found = changes(tmp_path, A + B, f'schema = "x"\n{written}{B}')
    assert not found and found.targets == ()


def test_changes_name_every_target_that_differs(tmp_path: Path) -> None:
    other = field(to="a", kind="text", required=True, **{"from": ["A", "Z"]})
    alternative = field(to="a", kind="text", otherwise=True, **{"from": "Y"})
    found = changes(tmp_path, A + B, other + alternative + field(to="c", kind="constant", value="é"))
    assert [(each.to, [*map(sentence, each.before)], [*map(sentence, each.after)]) for each in found.targets] == [
        ("a", ["text from A"], ["text from A else Z (required = true)", "text from Y (otherwise = true)"]),
        ("b", ["integer from B"], []),
        ("c", [], ['constant (value = "é")']),
    ]
    assert not found.is_reordered


@pytest.mark.parametrize("values", [(1, True), (1, 1.0), ([0], [False])], ids=str)
def test_constants_of_other_types_are_a_difference(values: tuple[Any, Any], tmp_path: Path) -> None:
    found = changes(tmp_path, *(field(to="a", kind="constant", value=value) for value in values))
    assert [each.to for each in found.targets] == ["a"]


def test_order_is_a_difference(tmp_path: Path) -> None:
    found = changes(tmp_path, A + B, B + A)
    assert found and found.is_reordered and found.targets == ()


def test_event_differences_equal_an_independent_count() -> None:
    data = b"".join(
        json.dumps({"QueryName": f"n{n}.com", "ResponseCode": n % 30, "QueryType": n}).encode() + b"\n"
        for n in range(200)
    )
    before, after = Normalizer("sekoia"), Normalizer("ecs")
    found = compare_events([data[:1000], data[1000:5000], b"", data[5000:]], before, after)
    pairs = list(zip(before.to_dicts(data).output, after.to_dicts(data).output, strict=True))
    flat = [(flatten(old), flatten(new)) for old, new in pairs]
    assert (found.events, found.different, found.unpaired) == (200, 200, 0)
    for to in {key for pair in flat for key in (*pair[0], *pair[1])}:
        removed = sum(to in old and to not in new for old, new in flat)
        added = sum(to not in old and to in new for old, new in flat)
        changed = sum(to in old and to in new and old[to] != new[to] for old, new in flat)
        each = found.targets.get(to)
        assert (each and (each.removed, each.added, each.changed)) == ((removed, added, changed) if each else None)
        assert bool(each) == bool(removed + added + changed), to
        if each:
            old, new = flat[each.event - 1]
            assert (each.before, each.after) == (old.get(to), new.get(to)) and each.before != each.after


def test_order_of_members_alone_is_a_different_event(tmp_path: Path) -> None:
    paths = [write_mapping(tmp_path, text, name) for text, name in ((A + B, "a.toml"), (B + A, "b.toml"))]
    found = compare_events([b'{"A":"x","B":1}\n{"A":"x"}'], *map(Normalizer, paths))
    assert (found.events, found.different, found.targets) == (2, 1, {})


def test_true_differs_from_one(tmp_path: Path) -> None:
    texts = (field(to="a", kind="integer", **{"from": "A"}), field(to="a", kind="boolean", **{"from": "A"}))
    paths = [write_mapping(tmp_path, text, f"{number}.toml") for number, text in enumerate(texts)]
    assert compare_events([b'{"A":1}'], *map(Normalizer, paths)).targets["a"].changed == 1


def test_records_of_one_side_are_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows without a known column of the second mapping are no header for it."""
    monkeypatch.setattr(event_differences, "_MAX_WAITING", 10)
    path = write_mapping(tmp_path, A)
    before, after = Normalizer(input_format="csv"), Normalizer(path, input_format="ndjson")
    rows = [b"QueryName,QueryType\n", *[b"a.com,1\n" * 50] * 3]
    found = compare_events(rows, before, after)
    assert (found.events, found.unpaired) == (0, 150)


def test_input_of_another_format_raises() -> None:
    with pytest.raises(InputFormatError):
        compare_events([b"PK\x03\x04" + bytes(100)], Normalizer(), Normalizer("ecs"))
