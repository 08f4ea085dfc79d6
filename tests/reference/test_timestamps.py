"""How the reference reads timestamps: numbers of any unit, and RFC 3339 text."""

from __future__ import annotations

import json

import pytest

from cfdns_fast.mapping import Field, Mapping
from cfdns_fast.reference import to_dicts

TIMESTAMP = Mapping("test", "test", "dns_logs", (Field("out", "timestamp", sources=("In",)),))


def read(token: str, unit: str = "auto") -> str:
    """Return the timestamp of a JSON token as text, or the code of its problem."""
    result = to_dicts(f'{{"In":{token}}}'.encode(), TIMESTAMP, timestamp_unit=unit)
    if result.output != [{}]:
        assert result.problems == {}
        return result.output[0]["out"]
    ((problem, count),) = result.problems.items()
    assert count == 1
    return problem.removesuffix(":In")


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("0", "1970-01-01T00:00:00Z"),
        ("-0", "1970-01-01T00:00:00Z"),
        ("1657233726004000000", "2022-07-07T22:42:06.004000Z"),
        ("1657233726004000", "2022-07-07T22:42:06.004000Z"),
        ("1657233726004", "2022-07-07T22:42:06.004000Z"),
        ("1657233726.004", "2022-07-07T22:42:06.004000Z"),
        ("1657233726", "2022-07-07T22:42:06Z"),
        ("1.657233726e9", "2022-07-07T22:42:06Z"),
        ("1657233726004000999", "2022-07-07T22:42:06.004000Z"),
        ("99999999999", "5138-11-16T09:46:39Z"),
        ("99999999999.9999999", "5138-11-16T09:46:39.999999Z"),
        ("100000000000", "1973-03-03T09:46:40Z"),
        ("99999999999999.9", "5138-11-16T09:46:39.999900Z"),
        ("1e14", "1973-03-03T09:46:40Z"),
        ("1e17", "1973-03-03T09:46:40Z"),
        ("-100000000000", "1966-10-31T14:13:20Z"),
        ("-0.0000001", "1969-12-31T23:59:59.999999Z"),
        ("-1e-400", "1969-12-31T23:59:59.999999Z"),
        ("1e-400", "1970-01-01T00:00:00Z"),
        ("-1e-99999999999999999999999", "1969-12-31T23:59:59.999999Z"),
        ("0e999999999", "1970-01-01T00:00:00Z"),
        ("0e99999999999999999999999", "1970-01-01T00:00:00Z"),
        pytest.param("1" + "0" * 5000 + "e-5000", "1970-01-01T00:00:01Z", id="5001 digits, e-5000"),
        pytest.param("0." + "0" * 5000 + "1e5001", "1970-01-01T00:00:01Z", id="5001 places, e5001"),
        ("1e00000000000000000000001", "1970-01-01T00:00:10Z"),
        ("-62135596800", "0001-01-01T00:00:00Z"),
        ("-62135596801", "field.range"),
        ("-62135596800.0000001", "field.range"),
        ("1e400", "field.range"),
        ("1e99999999999999999999999", "field.range"),
        pytest.param("9" * 5000, "field.range", id="5000 digits"),
        ('"+01657233726"', "2022-07-07T22:42:06Z"),
        ('"1657233726004000000"', "2022-07-07T22:42:06.004000Z"),
        ('"-1E+0"', "1969-12-31T23:59:59Z"),
        ('"1."', "field.type"),
        ('".5"', "field.type"),
        ('"1e"', "field.type"),
        ('" 1"', "field.type"),
        ('"1_0"', "field.type"),
        ('"\u0661"', "field.type"),
        ('"NaN"', "field.type"),
        ('"Infinity"', "field.type"),
        ("true", "field.type"),
    ],
)
def test_number_of_automatic_unit_is_exact(token: str, expected: str) -> None:
    assert read(token) == expected


@pytest.mark.parametrize(
    ("unit", "number", "expected"),
    [
        ("s", "253402300799.9999995", "9999-12-31T23:59:59.999999Z"),
        ("s", "253402300800", "field.range"),
        ("s", "1657233726004", "field.range"),
        ("ms", "1657233726", "1970-01-20T04:20:33.726000Z"),
        ("us", "-1", "1969-12-31T23:59:59.999999Z"),
        ("us", "253402300799999999", "9999-12-31T23:59:59.999999Z"),
        ("us", "253402300800000000", "field.range"),
        ("us", "-62135596800000001", "field.range"),
        ("ns", "999", "1970-01-01T00:00:00Z"),
        ("ns", "-1", "1969-12-31T23:59:59.999999Z"),
        ("ns", "-1000", "1969-12-31T23:59:59.999999Z"),
        ("ns", "-1001", "1969-12-31T23:59:59.999998Z"),
        ("ns", "9223372036854775808", "2262-04-11T23:47:16.854775Z"),
    ],
)
def test_number_of_fixed_unit_is_exact(unit: str, number: str, expected: str) -> None:
    for token in (number, f'"{number}"'):
        assert read(token, unit) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2022-07-07T22:42:06Z", "2022-07-07T22:42:06Z"),
        ("2022-07-07t22:42:06.5z", "2022-07-07T22:42:06.500000Z"),
        ("2022-07-07 22:42:06.000000Z", "2022-07-07T22:42:06Z"),
        ("2022-07-07T22:42:06.1234569Z", "2022-07-07T22:42:06.123456Z"),
        pytest.param("2022-07-07T22:42:06." + "9" * 5000 + "Z", "2022-07-07T22:42:06.999999Z", id="5000 places"),
        ("2022-07-07T22:42:06+02:00", "2022-07-07T20:42:06Z"),
        ("2022-07-07T22:42:06-0230", "2022-07-08T01:12:06Z"),
        ("2022-07-07T22:42:06-00:00", "2022-07-07T22:42:06Z"),
        ("2022-07-07T22:42:06+23:59", "2022-07-06T22:43:06Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.999999Z"),
        ("0001-01-01T00:00:00+00:01", "field.range"),
        ("9999-12-31T23:59:59-00:01", "field.range"),
        ("0000-01-01T00:00:00Z", "field.range"),
        ("2022-13-01T00:00:00Z", "field.range"),
        ("2022-00-01T00:00:00Z", "field.range"),
        ("2022-01-00T00:00:00Z", "field.range"),
        ("2023-02-29T00:00:00Z", "field.range"),
        ("2022-01-01T24:00:00Z", "field.range"),
        ("2022-01-01T00:60:00Z", "field.range"),
        ("2016-12-31T23:59:60Z", "field.range"),
        ("2022-01-01T00:00:00+24:00", "field.range"),
        ("2022-01-01T00:00:00+00:60", "field.range"),
        ("2022-01-01T00:00:00", "field.type"),
        ("2022-01-01T00:00Z", "field.type"),
        ("2022-01-01T00:00:00+02", "field.type"),
        ("2022-01-01T00:00:00.Z", "field.type"),
        ("2022-01-01T00:00:00,5Z", "field.type"),
        ("2022-01-01  00:00:00Z", "field.type"),
        ("2022-01-01T00:00:00 Z", "field.type"),
        ("2022-01-01T00:00:00\u2212\u0661\u0661:00", "field.type"),
        ("2022-01-01", "field.type"),
        ("20220101T000000Z", "field.type"),
        ("yesterday", "field.type"),
    ],
)
def test_rfc3339_text_becomes_utc(text: str, expected: str) -> None:
    assert read(json.dumps(text)) == expected
