"""Summaries of inspections for the tests of what shows them."""

from __future__ import annotations

import dataclasses
from typing import Any

from cfdns_fast.inspect.summary import Domain, Example, Fault, File, Files, Gap, Rate, Summary, Top

__all__ = ["START_NS", "empty_summary", "full_summary", "one_file"]

START_NS = 1_787_616_000_000_000_000  # 2026-08-25
_MINUTE_NS = 60_000_000_000
_TITLES = {
    "response_codes": "Response codes",
    "query_types": "Query types",
    "registered_domains": "Registered domains",
    "names": "Names",
    "top_level_domains": "Top-level domains",
    "data_centres": "Data centres",
    "clients": "Clients",
}


def one_file(name: str, **changes: Any) -> File:
    """Return a file of the batch."""
    file = File(name, "logs", 30_000, 1_000, 0, 0, START_NS, START_NS + 1, START_NS, START_NS + _MINUTE_NS, 0, 0)
    return dataclasses.replace(file, **changes)


def empty_summary(**changes: Any) -> Summary:
    """Return the summary of no event, with changes."""
    files = Files(0, 0, {}, None, None, None, (), 0, 0, (), (), 0, (), (), 0)
    tops = tuple(Top(key, title, 0, 0, 0, True, 0, ()) for key, title in _TITLES.items())
    summary = Summary(
        version="0.1.0",
        schema="sekoia",
        dataset="dns_logs",
        seconds=0.0,
        lines=0,
        events=0,
        blank=0,
        rejects=0,
        problems=0,
        first_ns=None,
        last_ns=None,
        without_time=0,
        rate=None,
        tops=tops,
        cached={"yes": 0, "no": 0, "unknown": 0},
        families={"IPv4": 0, "IPv6": 0, "none": 0},
        edns={"yes": 0, "no": 0},
        nxdomain=(),
        nxdomain_total=0,
        nxdomain_domains=0,
        nxdomain_is_exact=True,
        nxdomain_max_error=0,
        problem_examples=(),
        reject_examples=(),
        detections=(),
        detection_count=None,
        detections_not_kept=0,
        files=files,
    )
    return dataclasses.replace(summary, **changes)


def full_summary(**changes: Any) -> Summary:
    """Return a summary in which every number is another one, so that a test finds each on the page."""
    counts = ((801, 802, 0, 803), (91, 0, 0, 92), (0, 11, 0, 0))
    rate = Rate(60, START_NS, ("NOERROR", "NXDOMAIN", "(other)"), counts, before=21, after=22)
    tops = tuple(
        Top(
            key,
            title,
            total=10_000 + number,
            missing=7_000 + number,
            distinct=5_000 + number,
            is_exact=key != "names",
            max_error=43 if key == "names" else 0,
            rows=tuple((f"{key}{row}.example", 3_000 - 100 * row - number) for row in range(3)),
        )
        for number, (key, title) in enumerate(_TITLES.items())
    )
    late = one_file("20260825T000200Z_20260825T000300Z_b.log.gz", late=31, lateness_ns=61_500_000_000, rejects=2)
    files = Files(
        count=123,
        size_bytes=9_876_543,
        skipped={"checks of a destination": 3},
        named_from_ns=START_NS,
        named_to_ns=START_NS + 9 * _MINUTE_NS,
        usual_interval_s=60.0,
        gaps=(Gap(START_NS + 2 * _MINUTE_NS, START_NS + 3 * _MINUTE_NS),),
        gap_count=4,
        late_files=5,
        latest=(late,),
        equal=(("a.log.gz", "b.log.gz"),),
        equal_count=6,
        listed=(one_file("a.log.gz"), late),
        faults=(Fault("c.log.gz", "the gzip data ends early"),),
        fault_count=8,
    )
    summary = empty_summary(
        seconds=1.5,
        lines=17_123,
        events=17_100,
        blank=12,
        rejects=13,
        problems=14,
        first_ns=START_NS,
        last_ns=START_NS + 4 * _MINUTE_NS - 1,
        without_time=15,
        rate=rate,
        tops=tops,
        cached={"yes": 9_001, "no": 8_001, "unknown": 98},
        families={"IPv4": 11_001, "IPv6": 6_001, "none": 97},
        edns={"yes": 4_001, "no": 13_099},
        nxdomain=(Domain("victim.example", 1_801, 1_799, 1_799 / 1_801), Domain("(none)", 54, 1, 1 / 54)),
        nxdomain_total=1_855,
        nxdomain_domains=26,
        problem_examples=(Example("field.type:QueryType", 14, '{"QueryType":"A"}', "a.log.gz"),),
        reject_examples=(Example("json.syntax", 13, '{"QueryName":', "b.log.gz"),),
        detections=(Example("sliver.beacon", 27, "aa.bb.example", "a.log.gz", "high"),),
        detection_count=28,
        detections_not_kept=1,
        files=files,
    )
    return dataclasses.replace(summary, **changes)
