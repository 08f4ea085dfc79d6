"""The times of events, as alerts read them."""

from __future__ import annotations

import pytest

from cfdns_fast.detect.event_reader import event_time_ns

S = 10**9
NOON_NS = 1_767_268_800 * S  # 2026-01-01T12:00:00Z


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-01T12:00:00Z", NOON_NS),
        ("2026-01-01T12:00:00.000000000Z", NOON_NS),
        ("2026-01-01T12:00:00.123456789Z", NOON_NS + 123_456_789),
        ("2026-01-01T12:00:00.5Z", NOON_NS + S // 2),
        ("2026-01-01T12:00:00.1234567891Z", NOON_NS + 123_456_000),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("0001-01-01T00:00:00.000000000Z", -(2**63) + 1),
        ("2026-01-01T13:00:00+01:00", NOON_NS),
        ("2026-01-01T12:00:00", NOON_NS),
        ("1767268800", NOON_NS),
        ("2026-01-01T25:00:00Z", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_time_is_read(text: str, expected: int | None) -> None:
    assert event_time_ns(text) == expected
