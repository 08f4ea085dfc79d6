"""Alerts that continue in another process, and with other detectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.alerts import NOW_NS, documents, nop, record

from cfdns_fast import Normalizer
from cfdns_fast.detect import Alerts, Indicators, Sliver


@pytest.fixture
def detect(tmp_path: Path) -> list[Any]:
    (tmp_path / "feed").write_text("bad.example\n")
    return [Sliver(), Indicators.load(tmp_path / "feed")]


def taken(alerts: Alerts, detect: list[Any], *records: bytes) -> list[tuple[str, str, int]]:
    """Return level, state and count of the documents."""
    lines = alerts.take(Normalizer("ecs", detect=detect).to_ndjson(b"".join(records)))
    return summary(documents(lines))


def summary(found: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
    of_alerts = [each["cfdns"]["alert"] for each in found]
    return [(each["level"], each["state"], each["count"]) for each in of_alerts]


def moved(alerts: Alerts, detect: list[Any], **options: Any) -> Alerts:
    """Return other alerts with the state, which goes through JSON."""
    other = Alerts(detect, clock=lambda: NOW_NS, **options)
    other.restore(json.loads(json.dumps(alerts.state())))
    return other


def test_state_has_alerts_and_sessions(detect: list[Any]) -> None:
    alerts = Alerts(detect, clock=lambda: NOW_NS)
    first = (record(nop(7_000_000, 1, "c2.example")), record("x.bad.example", 1), record("baa8.boot.example", 2))
    assert taken(alerts, detect, *first) == [("medium", "open", 1), ("high", "open", 1)]
    other = moved(alerts, detect)
    second = (
        record(nop(7_000_000, 2, "c2.example"), 3),
        record("y.bad.example", 4),
        record(nop(9_000_000, 1, "boot.example"), 5),
    )
    assert taken(other, detect, *second) == [("critical", "open", 1), ("critical", "open", 1)]
    (closed,) = documents(other.flush())
    assert summary([closed]) == [("high", "closed", 2)]
    assert closed["event"]["start"] < closed["event"]["end"]
    assert other.state()["spans"] == []


def test_state_keeps_the_bounds(detect: list[Any]) -> None:
    """The number of keys of a rule, and of open alerts, counts on."""
    alerts = Alerts(detect, max_keys=2, clock=lambda: NOW_NS)
    names = [nop(7_000_000, n, f"c{n}.example") for n in range(6)]
    assert len(taken(alerts, detect, *map(record, names[:2]))) == 2
    other = moved(alerts, detect, max_keys=2)
    assert taken(other, detect, *map(record, names[2:])) == [("medium", "open", 1)]
    small = moved(alerts, detect, max_windows=2)
    assert len(taken(small, detect, record(names[3]))) == 1
    assert len(small.state()["spans"][0][1]["alerts"]) == 2


def test_state_keeps_closed_windows_closed(detect: list[Any]) -> None:
    alerts = Alerts(detect, clock=lambda: NOW_NS)
    assert taken(alerts, detect, record("x.bad.example", 5000)) == [("high", "open", 1)]
    other = moved(alerts, detect)
    # A late record opens an alert of its window, which is closed when time moves on, not at once.
    assert taken(other, detect, record("x.bad.example", 0)) == [("high", "open", 1)]
    assert taken(other, detect, record("x.bad.example", 1)) == []
    assert taken(other, detect, record("x.bad.example", 5700)) == [("high", "closed", 2), ("high", "open", 1)]


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"window_ns": 7},
        {"window_ns": 600 * 10**9, "newest_ns": None, "bound": None, "spans": [[1, {}]], "sessions": None},
        {"window_ns": 600 * 10**9, "newest_ns": None, "bound": None, "spans": [], "sessions": {"names": [[1]]}},
        {"window_ns": 600 * 10**9, "newest_ns": None, "bound": None, "spans": 7, "sessions": None},
        {"window_ns": 600 * 10**9, "newest_ns": "x", "bound": None, "spans": [], "sessions": None},
        *(
            {"window_ns": 600 * 10**9, "newest_ns": None, "bound": None, "spans": [], "sessions": sessions}
            for sessions in (
                {"names": [["c2.example", 7_000_000, 1]], "bootstraps": []},
                {"names": [["c2.example", 7_000_000, 1, None]], "bootstraps": []},
                {"names": [], "bootstraps": [["c2.example", 1, "x"]]},
            )
        ),
    ],
)
def test_other_state_is_refused(detect: list[Any], state: dict[str, Any]) -> None:
    """A state that is used and ends the process later would end the next one too."""
    alerts = Alerts(detect, clock=lambda: NOW_NS)
    taken(alerts, detect, record("x.bad.example"))
    before = alerts.state()
    with pytest.raises(ValueError, match=r"state|windows|unpack|session|literal"):
        alerts.restore(state)
    assert alerts.state() == before


def test_advance_closes_by_events_without_detections(detect: list[Any]) -> None:
    alerts = Alerts(detect, clock=lambda: NOW_NS)
    plain = Normalizer("ecs")
    assert alerts.advance(plain.to_ndjson(record("fine.example", 9000)).output) == []
    taken(alerts, detect, record("x.bad.example"), record("y.bad.example", 1))
    for second, count in ((599, 0), (1199, 0), (1200, 1), (1300, 0)):
        output = plain.to_ndjson(record("other.example", second) + record("fine.example", second)).output
        assert len(alerts.advance(output)) == count
    assert alerts.advance(b"") == []
    taken(alerts, detect, record("x.bad.example", 2000))
    assert alerts.advance(plain.to_ndjson(record("fine.example", None)).output) == []


def test_other_detectors_keep_what_is_known(detect: list[Any]) -> None:
    alerts = Alerts(detect, clock=lambda: NOW_NS)
    taken(alerts, detect, record(nop(7_000_000, 1, "c2.example")), record("x.bad.example"))
    changed = [detect[1], detect[0]]
    alerts.use(changed)
    found = taken(alerts, changed, record(nop(7_000_000, 2, "c2.example"), 1), record("y.bad.example", 2))
    assert found == [("critical", "open", 1)]
    assert ("high", "closed", 2) in summary(documents(alerts.flush()))
