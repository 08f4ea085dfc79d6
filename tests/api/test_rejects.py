"""`Rejects` is a compact sequence of rejects that behaves like a tuple of rejects."""

from __future__ import annotations

import base64
import copy
import json
import operator
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.processes import run_python
from support.records import GOOD

from cfdns_fast import Normalizer, Reject, Rejects
from cfdns_fast.errors import REJECT_CODES
from cfdns_fast.io.reject_lines import reject_lines

FIELDS = {
    "line": st.integers(1, 2**64 - 1),
    "byte_offset": st.integers(0, 2**64 - 1),
    "byte_length": st.integers(0, 2**56 - 1),
    "code": st.sampled_from(list(REJECT_CODES)),
    "raw": st.binary(max_size=40) | st.binary(min_size=1, max_size=3).map(lambda part: part * 40_000),
}
TUPLES = st.lists(st.builds(Reject, **FIELDS)).map(tuple)
ANY_SLICE = st.builds(slice, *[st.none() | st.integers(-9, 9)] * 2, st.none() | st.integers(-3, 3).filter(bool))


def rejected(count: int) -> tuple[Reject, ...]:
    """Return the rejects of `count` lines that hold one byte each."""
    return tuple(Reject(number + 1, 2 * number, 1, "json.syntax", b"x") for number in range(count))


@given(rejects=TUPLES, others=TUPLES, part=ANY_SLICE)
def test_rejects_equal_the_tuple(rejects: tuple[Reject, ...], others: tuple[Reject, ...], part: slice) -> None:
    made = Rejects(rejects)
    assert len(made) == len(rejects) and bool(made) == bool(rejects)
    assert tuple(made) == rejects and list(reversed(made)) == list(reversed(rejects))
    assert made == rejects and rejects == made and hash(made) == hash(rejects)
    assert made == Rejects(iter(rejects)) and (made == Rejects(others)) == (rejects == others) == (made == others)
    assert made[part] == rejects[part] and made[part][part] == rejects[part][part]
    assert made[part] == Rejects(rejects[part]) and hash(made[part]) == hash(rejects[part])
    assert made + others == rejects + others and others + made[part] == others + rejects[part]
    assert made[part] + Rejects(others) == rejects[part] + others
    assert pickle.loads(pickle.dumps(made[part])) == rejects[part]
    assert sum(made.count_by_code().values()) == len(rejects)
    for index in range(-len(rejects), len(rejects)):
        assert made[index] == rejects[index]
        assert made.index(rejects[index]) == rejects.index(rejects[index])
        assert made.count(rejects[index]) == rejects.count(rejects[index])
        assert rejects[index] in made


def test_rejects_are_an_immutable_sequence() -> None:
    made: Any = Rejects(rejected(3))
    assert isinstance(made, Sequence)
    match made:
        case [first, *rest]:
            assert (first.line, len(rest)) == (1, 2)
    for name in ("builder", "first", "anything"):
        with pytest.raises(AttributeError):
            setattr(made, name, None)
    with pytest.raises(TypeError):
        made[0] = made[1]
    made.__init__(())
    assert made == rejected(3)
    assert copy.copy(made) is made and copy.deepcopy(made) is made


def test_rejects_equal_only_rejects_and_tuples() -> None:
    made = Rejects(rejected(2))
    assert made != list(rejected(2)) and made != rejected(1) and made != rejected(3) and made != "x"
    assert made[1] not in made[:1] and "x" not in made and made.count("x") == 0


@pytest.mark.parametrize("field", FIELDS)
def test_rejects_differ_if_one_field_differs(field: str) -> None:
    values: dict[str, Any] = {"line": 1, "byte_offset": 2, "byte_length": 3, "code": "json.syntax", "raw": b"abc"}
    other = {"line": 4, "byte_offset": 4, "byte_length": 4, "code": "json.utf8", "raw": b"abd"}[field]
    assert Rejects([Reject(**values)]) != Rejects([Reject(**{**values, field: other})])


@pytest.mark.parametrize(
    ("index", "error"),
    [(2, IndexError), (-3, IndexError), (2**70, IndexError), ("0", TypeError), (0.0, TypeError), (None, TypeError)],
)
def test_rejects_invalid_index_raises(index: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        Rejects(rejected(2))[index]


def test_rejects_index_searches_within_the_bounds() -> None:
    made = Rejects(rejected(3) * 2)
    assert (made.index(made[1], 2), made.index(made[1], -3), made.index(made[1], 0, 2)) == (4, 4, 1)
    for bounds in ((2, 4), (5,), (0, 1)):
        with pytest.raises(ValueError, match="no such reject"):
            made.index(made[1], *bounds)


@pytest.mark.parametrize(
    ("other", "error"),
    [([], TypeError), ([*rejected(1)], TypeError), (("x",), TypeError), (5, TypeError)],
)
def test_rejects_are_added_to_rejects_only(other: Any, error: type[Exception]) -> None:
    for left, right in ((Rejects(rejected(1)), other), (other, Rejects(rejected(1)))):
        with pytest.raises(error):
            operator.add(left, right)


@pytest.mark.parametrize(
    "values",
    [
        (1, 0, 1, "json.unknown", b"x"),
        (1, 0, 2**56, "json.syntax", b"x"),
        (1, 0, 1, "json.syntax", None),
        (-1, 0, 1, "json.syntax", b"x"),
        (1, 2**64, 1, "json.syntax", b"x"),
        ("1", 0, 1, "json.syntax", b"x"),
        (1, 0, 1, "json.syntax", "x"),
    ],
)
def test_rejects_invalid_values_raise(values: Any) -> None:
    with pytest.raises((ValueError, TypeError, OverflowError)):
        Rejects([Reject(*values)])


def test_rejects_show_counts_and_no_content() -> None:
    assert repr(Normalizer().to_ndjson(b"secret\n[1]\nsecret\n" * 1000).rejects) == (
        "<Rejects: json.syntax 2000, json.not_object 1000>"
    )
    assert repr(Rejects()) == "<Rejects: none>"


def test_rejects_of_a_running_iterator_do_not_change() -> None:
    iterator = Normalizer().iter_dicts((b"x\n" + GOOD + b"\n") * 3000)
    kept = [iterator.rejects for _ in iterator]
    assert [len(rejects) for rejects in kept] == list(range(1, 3001))
    assert all(rejects[-1] == kept[-1][number] for number, rejects in enumerate(kept))
    del iterator
    assert kept[0] == kept[-1][:1]


def test_rejects_of_threads_have_batch_positions() -> None:
    data = b"x\n" * 400_000
    rejects = Normalizer().to_ndjson(data, threads=3).rejects
    assert rejects == Normalizer().to_ndjson(data).rejects
    assert rejects[399_999] == Reject(400_000, 799_998, 1, "json.syntax", b"x")


def test_reject_lines_come_in_small_pieces() -> None:
    rejects = rejected(5000)
    pieces = list(reject_lines("in", Rejects(rejects)))
    assert b"".join(pieces) == b"".join(reject.to_json("in") + b"\n" for reject in rejects)
    assert len(pieces) > 5 and max(map(len, pieces)) < 70_000
    assert list(reject_lines("in", ())) == []


def test_rejects_unpickle_in_another_process() -> None:
    data = pickle.dumps(Normalizer().to_ndjson(b"x\n{}\n[1]").rejects, 0)
    done = run_python(f"import pickle; print(*[reject.code for reject in pickle.loads({data!r})])")
    assert (done.stdout, done.stderr) == ("json.syntax json.not_object\n", "")


def test_reject_to_json_names_every_attribute() -> None:
    reject = Reject(2, 7, 3, "json.syntax", b'{"\xc3\xa9\n')
    assert reject.to_json() == (
        b'{"line":2,"byte_offset":7,"byte_length":3,"code":"json.syntax","raw":"{\\"\xc3\xa9\\n"}'
    )
    assert reject.to_json("a b.log") == b'{"input":"a b.log",' + reject.to_json()[1:]


def test_reject_to_json_accepts_names_of_files() -> None:
    reject = Reject(1, 0, 1, "json.syntax", b"x")
    for name in ("a/b\udcff.log", Path("a") / "b\udcff.log"):
        assert json.loads(reject.to_json(name))["input"] == "a/b\\xff.log"
    assert reject.to_json(Path("é")) == reject.to_json("é")


def test_reject_to_json_of_other_bytes_is_base64() -> None:
    made = json.loads(Reject(1, 0, 2, "json.utf8", b"\xff\xfe").to_json(input=""))
    assert made == {
        "input": "",
        "line": 1,
        "byte_offset": 0,
        "byte_length": 2,
        "code": "json.utf8",
        "raw_base64": "//4=",
    }


@given(st.builds(Reject, **FIELDS))
def test_reject_to_json_is_one_line_without_loss(reject: Reject) -> None:
    line = reject.to_json()
    made = json.loads(line)
    raw = base64.b64decode(made.pop("raw_base64")) if "raw_base64" in made else made.pop("raw").encode()
    assert b"\n" not in line and b"\r" not in line
    assert Reject(**made, raw=raw) == reject
