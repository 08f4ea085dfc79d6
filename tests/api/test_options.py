"""The options of a Normalizer: allowed values, errors and effects."""

from __future__ import annotations

import inspect
import json
from dataclasses import fields
from typing import Any

import pytest
from golden import ALL_GOLDEN
from support.records import GOOD, MIXED
from support.writers import WRITERS, every_writer

from cfdns_fast import Normalizer, parse, reference
from cfdns_fast.options import THREADS, Options, option


@pytest.mark.parametrize(
    "options",
    [
        {"on_reject": "skip"},
        {"on_reject": "RAISE"},
        {"on_reject": ""},
        {"on_reject": None},
        {"on_reject": 1},
        {"on_reject": ["raise"]},
        {"timestamp_unit": "m"},
        {"timestamp_unit": "S"},
        {"timestamp_unit": "µs"},
        {"timestamp_unit": ""},
        {"timestamp_unit": None},
        {"timestamp_unit": 1},
        {"timestamp_unit": {}},
        {"max_record_bytes": 0},
        {"max_record_bytes": -1},
        {"max_record_bytes": 2**30 + 1},
        {"max_record_bytes": 2**64 + 1},
        {"max_record_bytes": -(2**64)},
        {"max_record_bytes": True},
        {"max_record_bytes": 1024.0},
        {"max_record_bytes": "1024"},
        {"max_record_bytes": None},
        {"keep_message": "no"},
        {"keep_message": None},
        {"private_suffixes": "no"},
        {"private_suffixes": None},
    ],
    ids=str,
)
def test_normalizer_error_names_the_invalid_option(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Normalizer(**options)


@pytest.mark.parametrize("options", [{"threads": 2}, {"strict": True}, {"output": "ndjson"}], ids=str)
def test_normalizer_unknown_option_raises_type_error(options: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        Normalizer(**options)


def test_writers_reject_normalizer_options() -> None:
    for name in WRITERS:
        with pytest.raises(TypeError):
            getattr(Normalizer(), name)(GOOD, keep_message=False)


def test_normalizer_options_are_keyword_only() -> None:
    with pytest.raises(TypeError):
        Normalizer("sekoia", "raise")


def test_normalizer_accepts_documented_values() -> None:
    for options in (
        *({"on_reject": value} for value in ("collect", "raise")),
        *({"timestamp_unit": value} for value in ("auto", "s", "ms", "us", "ns")),
        *({"max_record_bytes": value} for value in (1, 2, 1048576, 2**30)),
        *({"keep_message": value} for value in (True, False)),
        *({"private_suffixes": value} for value in (True, False)),
    ):
        Normalizer(**options)
        Normalizer("sekoia", **options)
        Normalizer(schema="sekoia", **options)


def test_normalizer_has_documented_defaults() -> None:
    given = Normalizer(
        "sekoia",
        on_reject="collect",
        keep_message=True,
        private_suffixes=False,
        timestamp_unit="auto",
        max_record_bytes=1048576,
    )
    assert Normalizer().to_dicts(ALL_GOLDEN) == given.to_dicts(ALL_GOLDEN)


@every_writer
def test_keep_message_false_drops_only_the_message(write: Any) -> None:
    with_message = Normalizer().to_dicts(MIXED).output
    without = write(Normalizer(keep_message=False), MIXED)
    output = (
        without.output
        if isinstance(without.output, list)
        else [json.loads(line) for line in without.output.splitlines()]
    )
    for event in with_message:
        del event["message"]
    assert output == with_message


@every_writer
def test_private_suffixes_apply_the_private_section(write: Any) -> None:
    record = b'{"QueryName":"a.foo.github.io"}'
    for private, registered in ((True, "foo.github.io"), (False, "github.io")):
        result = write(Normalizer(private_suffixes=private), record)
        event = result.output[0] if isinstance(result.output, list) else json.loads(result.output)
        assert event["dns"]["question"]["registered_domain"] == registered


@every_writer
def test_max_record_bytes_rejects_one_byte_more(write: Any) -> None:
    """Only the record that exceeds the limit is rejected."""
    exact = write(Normalizer(max_record_bytes=len(GOOD) - 1), GOOD + b"{}\n" + GOOD)
    assert (exact.events, exact.rejects) == (3, ())
    less = write(Normalizer(max_record_bytes=len(GOOD) - 2), GOOD + b"{}\n" + GOOD)
    assert less.events == 1
    assert [(r.line, r.byte_offset, r.byte_length, r.code) for r in less.rejects] == [
        (1, 0, len(GOOD) - 1, "record.too_large"),
        (3, len(GOOD) + 3, len(GOOD) - 1, "record.too_large"),
    ]


def test_normalizer_signature_is_that_of_options() -> None:
    """The signature repeats names and defaults for readers and type checkers."""
    parameters = list(inspect.signature(Normalizer).parameters.values())
    assert [(each.name, each.default) for each in parameters] == [(each.name, each.default) for each in fields(Options)]


@pytest.mark.parametrize("call", [parse, reference.parse], ids=["parse", "reference.parse"])
def test_parse_defaults_are_those_of_options(call: Any) -> None:
    for name, parameter in list(inspect.signature(call).parameters.items())[1:]:
        assert parameter.default == option(name).default


@pytest.mark.parametrize("name", ["to_ndjson", "to_arrow", "stream"])
def test_threads_default_is_that_of_options(name: str) -> None:
    assert inspect.signature(getattr(Normalizer, name)).parameters["threads"].default == THREADS.default
