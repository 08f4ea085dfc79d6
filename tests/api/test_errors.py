"""Exceptions: when they are raised, their attributes, and that their text holds no content of records."""

from __future__ import annotations

import copy
import pickle
import traceback
from typing import Any

import pytest
from golden import CASES
from support.records import GOOD
from support.writers import WRITERS, every_writer

from cfdns_fast import Normalizer, Reject, parse
from cfdns_fast.errors import CfdnsError, EngineError, MappingError, RecordError

# on_reject="raise"


@every_writer
def test_on_reject_raise_returns_accepted_records(write: Any) -> None:
    data = GOOD + b"\n" + b'{"QueryType":-1}{}'
    assert write(Normalizer(on_reject="raise"), data) == write(Normalizer(), data)


@every_writer
def test_on_reject_raise_raises_the_first_reject(native: Any, write: Any) -> None:
    for case in CASES:
        if not case.rejects:
            continue
        first = native.normalizer(**case.options).to_ndjson(case.data).rejects[0]
        normalizer = native.normalizer(on_reject="raise", **case.options)
        with pytest.raises(RecordError) as caught:
            write(normalizer, case.data)
        error = caught.value
        assert Reject(error.line, error.byte_offset, error.byte_length, error.code, error.raw) == first


def test_iter_dicts_yields_events_before_the_reject() -> None:
    iterator = Normalizer(on_reject="raise").iter_dicts(GOOD + b"\n" + GOOD + b"oops\n" + GOOD)
    assert [next(iterator)["message"] for _ in range(2)] == [GOOD.decode().rstrip()] * 2
    with pytest.raises(RecordError) as caught:
        next(iterator)
    assert (caught.value.line, caught.value.byte_offset, caught.value.code) == (4, 2 * len(GOOD) + 1, "json.syntax")
    assert (iterator.events, iterator.blank) == (2, 1)


# Exceptions


def _exceptions() -> list[CfdnsError]:
    return [
        RecordError(3, 10, 4, "json.syntax", b"oops"),
        RecordError(1, 0, 0, "record.empty", b""),
        MappingError("my.toml", "field 3 (a.b)", "kind must be one of text"),
        MappingError("my.toml", None, "not TOML"),
        EngineError("no kernel"),
        CfdnsError("any"),
    ]


@pytest.mark.parametrize("error", _exceptions(), ids=repr)
@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))], ids=["copy", "deepcopy", "pickle"]
)
def test_exception_copies_keep_type_and_attributes(error: CfdnsError, duplicate: Any) -> None:
    twin = duplicate(error)
    assert type(twin) is type(error)
    assert str(twin) == str(error)
    assert twin.args == error.args
    assert vars(twin) == vars(error)


def test_raised_record_error_pickles() -> None:
    with pytest.raises(RecordError) as caught:
        parse(b"[1]")
    twin = pickle.loads(pickle.dumps(caught.value))
    assert (twin.line, twin.byte_offset, twin.byte_length, twin.code, twin.raw) == (1, 0, 3, "json.not_object", b"[1]")


SECRET = "confidential" + "-name"
SECRET_INPUTS = {
    "syntax": f'{{"QueryName":"{SECRET}.example",}}',
    "too large": f'{{"QueryName":"{SECRET}{"x" * 1048576}"}}',
    "surrogate": f'{{"QueryName":"{SECRET}\\ud800"}}',
    "not object": f'["{SECRET}"]',
    "depth": f'["{SECRET}",{"[" * 300}',
    "multiple": f'{{"QueryName":"{SECRET}"}}{{}}',
    "key": f'{{"{SECRET}":1,}}',
}


@pytest.mark.parametrize("text", SECRET_INPUTS.values(), ids=SECRET_INPUTS)
@pytest.mark.parametrize(
    "call",
    [
        parse,
        *(lambda data, write=write: write(Normalizer(on_reject="raise"), data + b"{") for write in WRITERS.values()),
    ],
    ids=["parse", *WRITERS],
)
@pytest.mark.parametrize("spoil_utf8", [False, True], ids=["valid UTF-8", "invalid UTF-8"])
def test_exception_text_holds_no_record_content(call: Any, text: str, spoil_utf8: bool) -> None:
    data = text.encode() + (b"\xff" if spoil_utf8 else b"")
    with pytest.raises(RecordError) as caught:
        call(data)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(caught.value.args)
    assert SECRET not in shown
    assert caught.value.code in str(caught.value)
