"""Filters on the time select objects by their names, and never one that may hold a wanted event."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import Any

import pytest

if find_spec("pyspark") is None:
    pytest.skip("pyspark is not installed", allow_module_level=True)

from pyspark.sql import datasource
from support.clusters import object_name

from cfdns_fast.spark.pruning import Period, period_of

HOUR = timedelta(hours=1)


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 8, 25, hour, minute, tzinfo=UTC)


def hours(filters: list[Any], slack: timedelta = HOUR) -> list[int]:
    """Return the hours whose objects are taken."""
    period = period_of(filters, "timestamp")
    return [hour for hour in range(24) if period.may_be_in(object_name(hour, 30), slack)]


def test_filters_on_time_select_hours() -> None:
    first = datasource.GreaterThanOrEqual(("timestamp",), at(10))
    last = datasource.LessThan(("timestamp",), at(12))
    assert hours([first, last]) == [9, 10, 11, 12]
    assert hours([first, last], timedelta(0)) == [10, 11]
    assert hours([first]) == list(range(9, 24))
    assert hours([last]) == list(range(13))


def test_object_at_the_slack_is_taken() -> None:
    # The name ends at 09:30:59.
    end = datetime(2026, 8, 25, 9, 30, 59, tzinfo=UTC)
    assert 9 in hours([datasource.GreaterThan(("timestamp",), end + HOUR)])
    assert 9 not in hours([datasource.GreaterThan(("timestamp",), end + HOUR + timedelta(microseconds=1))])


def test_equal_and_in_select_hours() -> None:
    assert hours([datasource.EqualTo(("timestamp",), at(10, 30))], timedelta(0)) == [10]
    assert hours([datasource.In(("timestamp",), (at(3, 30), at(5, 30)))], timedelta(0)) == [3, 4, 5]


@pytest.mark.parametrize(
    "other",
    [
        datasource.EqualTo(("event_created",), at(10)),
        datasource.EqualTo(("timestamp", "x"), at(10)),
        datasource.EqualTo(("timestamp",), at(10).replace(tzinfo=None)),
        datasource.EqualTo(("timestamp",), "2026-08-25"),
        datasource.In(("timestamp",), (at(3), None)),
        datasource.In(("timestamp",), ()),
        datasource.IsNotNull(("timestamp",)),
        datasource.Not(datasource.EqualTo(("timestamp",), at(10))),
    ],
)
def test_other_filters_select_nothing_out(other: Any) -> None:
    assert hours([other]) == list(range(24))


def test_folder_tells_the_day() -> None:
    period = Period(at(10), at(12))
    assert period.may_be_in("logs/20260825/a.gz", HOUR)
    assert period.may_be_in("dt=20260825/a.gz", HOUR)
    assert not period.may_be_in("logs/20260823/a.gz", HOUR)
    assert not period.may_be_in("logs/20260827/a.gz", HOUR)
    assert period.may_be_in("20260823/20260825/a.gz", HOUR)


@pytest.mark.parametrize("key", ["a.gz", "99999999/a.gz", "20269925T120000Z_20260825T120000Z_ab.log.gz", "20260823.gz"])
def test_object_without_a_time_is_taken(key: str) -> None:
    assert Period(at(10), at(12)).may_be_in(key, HOUR)


@pytest.mark.parametrize(
    "key", ["00010101T000000Z_00010101T000001Z_ab.log.gz", "99991231T235958Z_99991231T235959Z_ab.log.gz"]
)
def test_name_at_an_end_of_the_calendar_has_a_time(key: str) -> None:
    assert Period(at(10)).may_be_in(key, HOUR) == key.startswith("9999")
    assert Period(None, at(12)).may_be_in(key, HOUR) == key.startswith("0001")


def test_last_day_of_the_calendar_is_taken() -> None:
    assert Period(at(10), at(12)).may_be_in("99991231/a.gz", HOUR)
