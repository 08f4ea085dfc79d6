"""Results of the writers: attributes, rejects, fresh objects, lazy iteration."""

from __future__ import annotations

import copy
import dataclasses
import gc
import pickle
from pathlib import Path
from typing import Any

import pytest
from golden import ALL_GOLDEN, INPUTS
from support.processes import run_python
from support.records import GOOD, MIXED, containers, memory_mapped
from support.writers import consume

from cfdns_fast import Normalizer, RecordError, Reject, Rejects, Result, parse


def spoil(value: Any) -> None:
    """Empty every dict and list within a value."""
    for container in list(containers(value)):
        container.clear()


# Result and Reject


def test_result_has_the_documented_attributes() -> None:
    result = Normalizer().to_dicts(MIXED)
    assert type(result) is Result
    assert type(result.output) is list and all(type(event) is dict for event in result.output)
    assert (type(result.events), result.events) == (int, 5)
    assert (type(result.blank), result.blank) == (int, 1)
    assert type(result.rejects) is Rejects and all(type(reject) is Reject for reject in result.rejects)
    assert type(result.problems) is dict
    assert result.problems == {"field.range:QueryType": 1, "field.missing:Timestamp": 3}
    assert type(Normalizer().to_ndjson(MIXED).output) is bytes


def test_reject_has_position_code_and_bytes() -> None:
    rejects = Normalizer().to_ndjson(MIXED).rejects
    at = [MIXED.index(b"oops"), MIXED.index(b"[1]"), len(MIXED) - 1]
    assert rejects == (
        Reject(line=2, byte_offset=at[0], byte_length=4, code="json.syntax", raw=b"oops"),
        Reject(line=5, byte_offset=at[1], byte_length=3, code="json.not_object", raw=b"[1]"),
        Reject(line=7, byte_offset=at[2], byte_length=1, code="json.syntax", raw=b"{"),
    )
    assert all(type(value) is int for r in rejects for value in (r.line, r.byte_offset, r.byte_length))
    assert all(type(r.code) is str and type(r.raw) is bytes for r in rejects)


def test_reject_keeps_first_64_kib() -> None:
    """The byte length is that of the whole reject."""
    for length in (65535, 65536, 65537, 200_000):
        data = b"{}\n" + bytes(b"ab"[i % 2] for i in range(length)) + b"\n"
        (reject,) = Normalizer().to_dicts(data).rejects
        assert (reject.byte_offset, reject.byte_length) == (3, length)
        assert reject.raw == data[3 : 3 + min(length, 65536)]


def test_reject_raw_is_a_copy() -> None:
    data = bytearray(b"oops oops\n")
    (reject,) = Normalizer().to_dicts(data).rejects
    data[:] = b"x" * len(data)
    assert reject.raw == b"oops oops"


@pytest.mark.parametrize("attribute", ["output", "events", "blank", "rejects", "problems"])
def test_result_attributes_are_read_only(attribute: str) -> None:
    with pytest.raises(AttributeError):
        setattr(Normalizer().to_dicts(MIXED), attribute, None)


@pytest.mark.parametrize("attribute", ["line", "byte_offset", "byte_length", "code", "raw"])
def test_reject_attributes_are_read_only(attribute: str) -> None:
    with pytest.raises(AttributeError):
        setattr(Normalizer().to_dicts(MIXED).rejects[0], attribute, None)


def test_result_and_reject_compare_all_attributes() -> None:
    result, again = Normalizer().to_dicts(MIXED), Normalizer().to_dicts(MIXED)
    assert result == again and result.rejects[0] == again.rejects[0]
    assert result != Normalizer().to_dicts(MIXED + b"\n\n") and result != Normalizer().to_dicts(b"")
    assert result.rejects[0] != result.rejects[1]
    assert dataclasses.replace(result, blank=9) != result
    assert result.rejects[0]._replace(line=9) != result.rejects[0]


def test_result_and_reject_copies_are_equal() -> None:
    result = Normalizer().to_dicts(MIXED)
    assert pickle.loads(pickle.dumps(result)) == result
    assert copy.deepcopy(result) == result


# Fresh objects


@pytest.mark.parametrize(
    "make",
    [lambda n: n.to_dicts(GOOD * 20).output, lambda n: list(n.iter_dicts(GOOD * 20))],
    ids=["to_dicts", "iter_dicts"],
)
def test_events_share_no_dict_and_no_list(make: Any) -> None:
    events = make(Normalizer())
    found = [id(container) for event in events for container in containers(event)]
    assert len(found) == len(set(found))


def test_event_change_affects_no_other_event() -> None:
    normalizer = Normalizer()
    expected = copy.deepcopy(normalizer.to_dicts(GOOD * 3).output)
    events = normalizer.to_dicts(GOOD * 3).output
    spoil(events[1])
    assert [events[0], events[2]] == [expected[0], expected[2]]
    assert normalizer.to_dicts(GOOD * 3).output == expected
    iterator = normalizer.iter_dicts(GOOD * 3)
    spoil(next(iterator))
    assert list(iterator) == expected[1:]
    spoil(parse(GOOD))
    assert parse(GOOD)["event"] == expected[0]["event"]
    assert Normalizer().to_dicts(GOOD).output == expected[:1]


def test_problems_change_affects_no_later_call() -> None:
    normalizer = Normalizer()
    normalizer.to_dicts(MIXED).problems.clear()
    assert normalizer.to_dicts(MIXED).problems == {"field.range:QueryType": 1, "field.missing:Timestamp": 3}


@pytest.mark.parametrize("enabled", [True, False])
def test_to_dicts_leaves_gc_state_unchanged(enabled: bool) -> None:
    was_enabled = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        Normalizer().to_dicts(MIXED)
        assert gc.isenabled() is enabled
        with pytest.raises(RecordError):
            Normalizer(on_reject="raise").to_dicts(MIXED)
        assert gc.isenabled() is enabled
        with pytest.raises(TypeError):
            Normalizer().to_dicts(None)
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if was_enabled else gc.disable)()


# iter_dicts


def test_iter_dicts_starts_with_empty_counters() -> None:
    """An iterator that was not used has consumed nothing, and iter() returns it."""
    iterator = Normalizer().iter_dicts(MIXED)
    assert iter(iterator) is iterator
    assert (iterator.events, iterator.blank, tuple(iterator.rejects), dict(iterator.problems)) == (0, 0, (), {})


def test_iter_dicts_counters_cover_consumed_input() -> None:
    data = b'oops\n\n{"QueryType":-1,"Timestamp":0}\n[1]\n\n{"Timestamp":"x"}{"ColoCode":0}\n'
    data += b'{"SourceIP":1,"Timestamp":0}\n \n{'
    iterator = Normalizer().iter_dicts(data)
    steps = []
    for _ in iterator:
        steps.append((iterator.events, iterator.blank, [r.line for r in iterator.rejects], dict(iterator.problems)))
    assert steps == [
        (1, 1, [1], {"field.range:QueryType": 1}),
        (2, 2, [1, 4], {"field.range:QueryType": 1, "field.type:Timestamp": 1}),
        (3, 2, [1, 4], {"field.range:QueryType": 1, "field.type:Timestamp": 1, "field.missing:Timestamp": 1}),
        (
            4,
            2,
            [1, 4],
            {
                "field.range:QueryType": 1,
                "field.type:Timestamp": 1,
                "field.missing:Timestamp": 1,
                "field.type:SourceIP": 1,
            },
        ),
    ]
    assert (iterator.events, iterator.blank, [r.line for r in iterator.rejects]) == (4, 3, [1, 4, 9])
    assert next(iterator, None) is None and next(iterator, None) is None


def test_iter_dicts_equals_to_dicts() -> None:
    normalizer = Normalizer()
    for data in (*INPUTS, ALL_GOLDEN):
        assert consume(normalizer.iter_dicts(data)) == normalizer.to_dicts(data)


def test_iter_dicts_counts_each_event_of_a_large_batch() -> None:
    data = b"".join(b'{"QueryType":%d}\noops\n' % (number % 2 * 70000) for number in range(3000))
    iterator = Normalizer().iter_dicts(data)
    for number, _ in enumerate(iterator, 1):
        assert iterator.events == number
        assert len(iterator.rejects) == number - 1
        assert iterator.problems.get("field.range:QueryType", 0) == number // 2
    assert len(iterator.rejects) == 3000


def test_iter_dicts_copies_its_input() -> None:
    data = bytearray(MIXED)
    iterator = Normalizer().iter_dicts(data)
    data[:] = b"x" * len(data)
    assert consume(iterator) == Normalizer().to_dicts(MIXED)


def test_iter_dicts_outlives_its_input(tmp_path: Path) -> None:
    """The input may be resized, released or freed after the iterator is created."""
    expected = Normalizer().to_dicts(MIXED)
    data = bytearray(MIXED)
    iterator = Normalizer().iter_dicts(data)
    first = next(iterator)
    data.clear()
    del data
    assert [first, *iterator] == expected.output
    view = memoryview(bytearray(MIXED))
    iterator = Normalizer().iter_dicts(view)
    view.release()
    assert consume(iterator) == expected
    mapped = memory_mapped(MIXED, tmp_path)
    iterator = Normalizer().iter_dicts(mapped)
    mapped.close()
    assert consume(iterator) == expected
    iterator = Normalizer().iter_dicts(b"".join([MIXED]))
    assert consume(iterator) == expected


def test_iter_dicts_in_a_garbage_cycle_is_collected() -> None:
    code = """
import gc, cfdns_fast
for consumed in (0, 1, 2):
    iterator = cfdns_fast.Normalizer().iter_dicts(b"{}{}")
    [next(iterator) for _ in range(consumed)]
    cycle = [iterator]
    cycle.append(cycle)
    del iterator, cycle
    gc.collect()
print("alive")
"""
    done = run_python(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "alive\n", "")
