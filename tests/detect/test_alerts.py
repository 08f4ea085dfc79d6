"""Alerts: windows and their counts, late and missing times, bounds, and every kind of output."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.alerts import NOW_NS, START_S, alerts_of, documents, nop, record, summary
from support.detectors import Found

from cfdns_fast import Detection, Normalizer
from cfdns_fast.detect import Alerts, Indicators, IndicatorsFile, Sliver
from cfdns_fast.matching import ALLOW, SELF, Annotation, NameTableBuilder

FIRST, SECOND = (nop(7_000_000, nonce, "c2.evil.example") for nonce in (1, 2))


def table(*names: str) -> Any:
    builder = NameTableBuilder()
    for name in names:
        assert builder.add(name, SELF, 0) is None
    return builder.build()


def indicators(tmp_path: Path, text: str, name: str = "feed.txt", **options: Any) -> Indicators:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return Indicators.load(tmp_path / name, **options)


@pytest.fixture
def evil(tmp_path: Path) -> Indicators:
    return indicators(tmp_path, "evil.example\nbad.example\n")


def test_alert_is_given_at_once_and_again_with_count(evil: Indicators) -> None:
    found = alerts_of([evil], [record("www.evil.example", second) for second in (0, 10, 20)])
    assert summary(found) == [("high", "open", 1), ("high", "closed", 3)]
    first, last = found
    assert first["event"]["id"] == last["event"]["id"]
    assert first["event"]["start"] == first["event"]["end"] == last["event"]["start"] == first["@timestamp"]
    assert last["event"]["end"] == first["@timestamp"].replace(":00.000000000Z", ":20.000000000Z")


def test_half_a_surrogate_pair_of_a_feed_is_replaced(tmp_path: Path) -> None:
    """JSON allows it, and UTF-8 does not have it."""
    attribute = '{"type": "domain", "value": "evil.example", "to_ids": true}'
    feed = f'{{"Event": {{"Orgc": {{"name": "half \\ud800"}}, "Attribute": [{attribute}]}}}}'
    found = alerts_of([indicators(tmp_path, feed, "misp.json")], [record("evil.example")])
    assert found[0]["threat"]["enrichments"][0]["indicator"]["provider"] == "half ?"


def test_single_detection_is_given_once(evil: Indicators) -> None:
    assert summary(alerts_of([evil], [record("evil.example")])) == [("high", "open", 1)]
    assert summary(alerts_of([evil], [record("evil.example")], at_once=False)) == [("high", "closed", 1)]


def test_each_key_and_window_has_an_alert(evil: Indicators) -> None:
    names = [("evil.example", 0), ("x.evil.example", 599), ("bad.example", 5), ("evil.example", 600)]
    found = alerts_of([evil], [record(*each) for each in names], at_once=False)
    assert [(each["cfdns"]["alert"]["key"], each["cfdns"]["alert"]["count"]) for each in found] == [
        ("evil.example", 2),
        ("bad.example", 1),
        ("evil.example", 1),
    ]


def test_window_ends_by_event_time_and_lateness(evil: Indicators) -> None:
    """Nothing is given before the newest event is `late_s` after the end of the window; not by the clock."""
    taker = Taker(evil, window_s=60, late_s=30)
    assert taker.take("evil.example", 0) == []
    assert taker.take("evil.example", 89.9) == []
    assert taker.take("evil.example", 10) == []  # late, and counted
    assert taker.take("bad.example", 120) == [("evil.example", 2)]
    assert taker.take("evil.example", 20) == []  # too late: a new alert
    assert taker.flush() == [("evil.example", 1), ("evil.example", 1), ("bad.example", 1)]
    assert taker.alerts.findings == 5
    assert taker.flush() == []


class Taker:
    """Alerts without those at once, whose clock can be set; `take` returns keys and counts of what is closed."""

    def __init__(self, feed: Indicators, **options: Any) -> None:
        self.now_s = START_S + 86_400
        self.normalizer = Normalizer("ecs", detect=[feed])
        self.alerts = Alerts([feed], at_once=False, clock=lambda: self.now_s * 10**9, **options)

    def take(self, name: str, second: float) -> list[tuple[str, int]]:
        return self.closed(self.alerts.take(self.normalizer.to_ndjson(record(name, second))))

    def flush(self) -> list[tuple[str, int]]:
        return self.closed(self.alerts.flush())

    @staticmethod
    def closed(lines: list[bytes]) -> list[tuple[str, int]]:
        return [(each["cfdns"]["alert"]["key"], each["cfdns"]["alert"]["count"]) for each in documents(lines)]


def test_time_in_the_future_does_not_stop_the_windows(evil: Indicators) -> None:
    """A wrong time closes windows up to the clock, and those that begin later still end."""
    taker = Taker(evil)
    taker.now_s = START_S
    assert taker.take("bad.example", 400 * 86_400) == []
    assert taker.take("evil.example", 5) == []
    taker.now_s = START_S + 3000
    assert taker.take("evil.example", 3000) == [("evil.example", 1)]
    assert sorted(taker.flush()) == [("bad.example", 1), ("evil.example", 1)]


def test_late_records_share_a_window(evil: Indicators) -> None:
    """The window that a late record opens stays open while newer events arrive."""
    taker = Taker(evil)
    assert taker.take("evil.example", 1300) == []
    for second in range(5):
        assert taker.take("evil.example", second) == []
        assert taker.take("bad.example", 1301 + second) == []
    assert taker.flush() == [("evil.example", 5), ("evil.example", 1), ("bad.example", 5)]


def test_late_record_is_the_start_of_its_alert(evil: Indicators) -> None:
    first, last = alerts_of([evil], [record("evil.example", second) for second in (50, 10, 30)])
    assert first["event"]["start"] == first["@timestamp"] == last["@timestamp"]
    assert last["event"]["start"] == first["@timestamp"].replace(":50.", ":10.")
    assert last["event"]["end"] == first["@timestamp"]


def test_closed_alerts_are_not_open(tmp_path: Path) -> None:
    """Alerts that ended, early or not, count no more."""
    feed = indicators(tmp_path, "".join(f"n{number}.example\n" for number in range(10)))
    taker = Taker(feed, max_windows=2)
    closed = [taker.take(f"n{number}.example", second) for number, second in enumerate((0, 0, 2000, 2000))]
    assert closed == [[], [], [("n0.example", 1), ("n1.example", 1)], []]
    assert [taker.take(f"n{number}.example", 2001) for number in (4, 5)] == [[("n2.example", 1)], [("n3.example", 1)]]
    assert taker.flush() == [("n4.example", 1), ("n5.example", 1)]
    assert [taker.take(f"n{number}.example", 2002) for number in (6, 7)] == [[], []]


def test_first_alert_of_several_windows_ends_early(tmp_path: Path) -> None:
    feed = indicators(tmp_path, "".join(f"n{number}.example\n" for number in range(10)))
    taker = Taker(feed, max_windows=1)
    closed = [taker.take(f"n{number}.example", second) for number, second in enumerate((0, 601, 602, 603))]
    assert closed == [[], [("n0.example", 1)], [("n1.example", 1)], [("n2.example", 1)]]


def test_large_open_alerts_end_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The documents of open alerts are as large as records, so their bytes are bounded, too."""
    monkeypatch.setattr("cfdns_fast.detect.alerts.MAX_OPEN_BYTES", 3_500)
    feed = indicators(tmp_path, "".join(f"n{number}.example\n" for number in range(10)))
    taker = Taker(feed)
    closed = [taker.take(f"n{number}.example", second) for number, second in enumerate((0, 0, 601, 602))]
    assert closed == [[], [], [("n0.example", 1)], [("n1.example", 1)]]
    assert taker.flush() == [("n2.example", 1), ("n3.example", 1)]
    # One alert is kept, whatever its size is; and what ended is counted no more.
    monkeypatch.setattr("cfdns_fast.detect.alerts.MAX_OPEN_BYTES", 1)
    assert [taker.take(f"n{number}.example", 603) for number in (4, 5)] == [[], [("n4.example", 1)]]
    assert taker.flush() == [("n5.example", 1)]


def test_order_of_inputs_does_not_change_the_counts(evil: Indicators) -> None:
    records = [record("evil.example", second) for second in range(0, 6000, 100)]
    counts = [
        sorted(each["cfdns"]["alert"]["count"] for each in alerts_of([evil], [b"".join(each)], at_once=False))
        for each in (records, records[30:] + records[:30])
    ]
    assert counts == [[6] * 10] * 2


def test_event_without_time_counts_as_of_the_newest(evil: Indicators) -> None:
    found = alerts_of([evil], [record("evil.example", 5), record("evil.example", None)])
    assert summary(found) == [("high", "open", 1), ("high", "closed", 2)]
    assert found[1]["event"]["start"] == found[1]["event"]["end"]
    (alone,) = alerts_of([evil], [record("evil.example", None)])
    assert alone["@timestamp"] == alone["event"]["created"]
    assert "start" not in alone["event"]


def test_sessions_without_times_are_found() -> None:
    found = alerts_of([Sliver()], [record(name, None) for name in (FIRST, SECOND)])
    assert [each["cfdns"]["alert"]["level"] for each in found] == ["medium", "critical"]


def test_further_keys_share_an_alert(tmp_path: Path) -> None:
    feed = indicators(tmp_path, "".join(f"n{number}.example\n" for number in range(10)))
    records = [record(f"n{number}.example", number) for number in range(10)]
    found = alerts_of([feed], records + records, max_keys=3, at_once=False)
    alerts = [each["cfdns"]["alert"] for each in found]
    assert [each.get("key") for each in alerts] == ["n0.example", "n1.example", "n2.example", None]
    assert [each["count"] for each in alerts] == [2, 2, 2, 14]
    assert alerts[3]["merged"] is True


def test_open_alerts_are_bounded(tmp_path: Path) -> None:
    feed = indicators(tmp_path, "".join(f"n{number}.example\n" for number in range(10)))
    normalizer = Normalizer("ecs", detect=[feed])
    alerts = Alerts([feed], max_windows=2, at_once=False)
    keys = []
    for number in range(5):
        found = documents(alerts.take(normalizer.to_ndjson(record(f"n{number}.example", number))))
        keys.append([each["cfdns"]["alert"]["key"] for each in found])
    assert keys == [[], [], ["n0.example"], ["n1.example"], ["n2.example"]]
    assert len(alerts.flush()) == 2
    assert alerts.documents == 5


@pytest.mark.parametrize(("name", "value"), [("window_s", 0), ("late_s", -1), ("max_windows", 0), ("max_keys", 0)])
def test_option_below_its_minimum_is_refused(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=name):
        Alerts([Sliver()], **{name: value})


NAMES = ("evil.example", "x.evil.example", "good.example", FIRST, SECOND, "bad.example")
RECORDS = b"".join(record(name, second) for second, name in enumerate(NAMES * 2))


def of_result(evil: Indicators, convert: Any, *, on_detection: str = "collect") -> list[dict[str, Any]]:
    """Return the documents of one conversion, without the ids of the alerts."""
    detect = [evil, Sliver()]
    normalizer = Normalizer("ecs", detect=detect, on_detection=on_detection)
    alerts = Alerts(detect, clock=lambda: NOW_NS)
    found = documents(convert(normalizer, alerts) + alerts.flush())
    assert len(found) > 5
    return found


def of_stream(normalizer: Normalizer, alerts: Alerts, **options: Any) -> list[bytes]:
    made: list[bytes] = []
    with normalizer.stream(**options) as stream:
        for at in range(0, len(RECORDS), 37):
            made += alerts.take(stream.feed(RECORDS[at : at + 37]))
        return made + alerts.take(stream.finish())


def of_iterator(normalizer: Normalizer, alerts: Alerts) -> list[bytes]:
    made: list[bytes] = []
    seen = 0
    events = normalizer.iter_dicts(RECORDS)
    for event in events:
        made += alerts.take_event(event, events.detections[seen:])
        seen = len(events.detections)
    return made


def test_every_output_gives_the_same_alerts(evil: Indicators) -> None:
    expected = of_result(evil, lambda normalizer, alerts: alerts.take(normalizer.to_ndjson(RECORDS)))
    conversions: list[Any] = [
        lambda normalizer, alerts: alerts.take(normalizer.to_dicts(RECORDS)),
        lambda normalizer, alerts: alerts.take(normalizer.to_ndjson(RECORDS, threads=4)),
        of_iterator,
        of_stream,
    ]
    for convert in conversions:
        assert of_result(evil, convert) == expected
    annotated = of_result(evil, conversions[0], on_detection="annotate")
    assert annotated == expected


def test_record_batches_give_the_same_alerts(evil: Indicators) -> None:
    pytest.importorskip("pyarrow", reason="record batches need pyarrow")
    expected = of_result(evil, lambda normalizer, alerts: alerts.take(normalizer.to_ndjson(RECORDS)))
    assert of_result(evil, lambda normalizer, alerts: alerts.take(normalizer.to_arrow(RECORDS))) == expected
    assert of_result(evil, lambda normalizer, alerts: of_stream(normalizer, alerts, output="arrow")) == expected


def test_result_without_detections_gives_nothing(evil: Indicators) -> None:
    alerts = Alerts([evil])
    assert alerts.take(Normalizer("ecs").to_ndjson(RECORDS)) == []
    assert alerts.take(Normalizer("ecs", detect=[evil]).to_ndjson(record("good.example"))) == []


def test_other_output_is_a_type_error(evil: Indicators) -> None:
    detection = Normalizer("ecs", detect=[evil]).to_ndjson(RECORDS).detections[0]
    with pytest.raises(TypeError, match="must be bytes"):
        Alerts([evil]).take_event(7, [detection])  # type: ignore[arg-type]


@pytest.mark.parametrize(("second", "count"), [(9, 0), (10, 1), (19.999, 1), (20, 0)])
def test_indicator_counts_while_it_is_valid(tmp_path: Path, second: float, count: int) -> None:
    """At the time of the event, from the first second on and before the last one."""
    text = f"domain,valid_from,valid_until\nevil.example,{START_S + 10},{START_S + 20}\n"
    feed = indicators(tmp_path, text, "feed.csv")
    assert len(alerts_of([feed], [record("evil.example", second)])) == count


def test_listed_addresses_give_alerts(tmp_path: Path) -> None:
    feed = indicators(tmp_path, "198.51.100.7\n203.0.113.0/24\nevil.example\n", addresses=True)
    normalizer = Normalizer("ecs", dataset="gateway_dns", detect=[feed])
    alerts = Alerts([feed], at_once=False)
    answers = {"ResolvedIPs": ["198.51.100.7", "203.0.113.9", "192.0.2.1"], "SrcIP": "192.0.2.7"}
    records = record("fine.example", **answers) + record("also.example", **answers)
    assert alerts.take(normalizer.to_ndjson(records)) == []
    found = documents(alerts.flush())
    assert [(each["cfdns"]["alert"]["key"], each["cfdns"]["alert"]["count"]) for each in found] == [
        ("dns.resolved_ip 198.51.100.7", 2),
        ("dns.resolved_ip 203.0.113.0/24", 2),
    ]
    matched = found[1]["threat"]["enrichments"][0]
    assert matched["matched"]["field"] == "dns.resolved_ip"
    assert matched["indicator"]["ip"] == "203.0.113.0"
    assert [each["cfdns"]["indicator"]["match"] for each in found] == ["exact", "parent"]


def test_feed_that_changes_keeps_its_alerts(tmp_path: Path) -> None:
    path = tmp_path / "feed.txt"
    path.write_text("evil.example\n")
    feed = IndicatorsFile(path)
    normalizer = Normalizer("ecs", detect=[feed])
    alerts = Alerts([feed])
    before = normalizer.to_ndjson(record("evil.example", 1))
    path.write_text("bad.example\nother.example\n")
    assert feed.poll()
    after = normalizer.to_ndjson(record("evil.example", 2) + record("bad.example", 3))
    keys = [each["cfdns"]["alert"]["key"] for each in documents(alerts.take(after) + alerts.take(before))]
    assert keys == ["bad.example", "evil.example"]


def test_validity_of_a_new_version_counts(tmp_path: Path) -> None:
    path = tmp_path / "feed.csv"
    path.write_text("domain,valid_until\nevil.example,\n")
    feed = IndicatorsFile(path)
    normalizer = Normalizer("ecs", detect=[feed])
    alerts = Alerts([feed])
    data = record("evil.example", 1)
    assert len(alerts.take(normalizer.to_ndjson(data))) == 1
    path.write_text("domain,valid_until\nevil.example,2020-01-01\n")
    assert feed.poll()
    assert alerts.take(normalizer.to_ndjson(data)) == []
    assert alerts.findings == 1


def test_other_detector_is_described_by_its_annotation() -> None:
    names = ["a.one.example.com", "b.one.example.com", "quiet.example.com", "a.b.lan", "c.B.lan"]
    found = alerts_of([Found(table(*names), level=48)], [record(name) for name in names], at_once=False)
    assert summary(found) == [("medium", "closed", 2), ("medium", "closed", 2)]
    assert [each["cfdns"]["alert"]["key"] for each in found] == ["example.com", "b.lan"]
    assert found[0]["rule"] == {"id": "rule-48", "name": "a.one.example.com"}
    assert found[0]["threat"]["enrichments"][0]["matched"]["atomic"] == "a.one.example.com"


def test_detections_that_were_not_kept_are_counted(evil: Indicators) -> None:
    class Kept(tuple[Detection, ...]):
        not_kept = 3

    result = Normalizer("ecs", detect=[evil]).to_ndjson(RECORDS)
    alerts = Alerts([evil])
    from dataclasses import replace

    alerts.take(replace(result, detections=Kept(result.detections[:1])))
    assert alerts.not_kept == 3


def test_threads_lose_no_detection(evil: Indicators) -> None:
    """Several threads share one object: every detection is counted once."""
    normalizer = Normalizer("ecs", detect=[evil])
    alerts = Alerts([evil], at_once=False)
    result = normalizer.to_ndjson(b"".join(record("evil.example", second) for second in range(200)))
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=alerts.take, args=(result,)) for _ in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    finally:
        sys.setswitchinterval(interval_s)
    (document,) = documents(alerts.flush())
    assert document["cfdns"]["alert"]["count"] == alerts.findings == 1600


def test_detector_that_is_silent_gives_nothing() -> None:
    class Silent:
        def matcher(self) -> Any:
            return table("a.example")

        def annotation(self, detection: Detection, event: Mapping[str, Any]) -> Annotation | None:
            return None

    alerts = Alerts([Silent()])
    assert alerts.take(Normalizer("ecs", detect=[Silent()]).to_ndjson(record("a.example"))) == []
    assert alerts.findings == 0


def test_allowed_names_give_no_alert() -> None:
    builder = NameTableBuilder()
    builder.add("a.example", ALLOW | SELF, 0)
    assert alerts_of([Found(builder.build())], [record("a.example")]) == []
