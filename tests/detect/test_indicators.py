"""Which names an indicator matches: the name itself, names below it, allow lists, suffixes, and several feeds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.feeds import detection_of, found, found_all, load, matches, skipped, write

from cfdns_fast import Normalizer, split_domain
from cfdns_fast.detect import Feed, FeedError, Indicators, Limits

hypothesis = pytest.importorskip("hypothesis", reason="hypothesis makes the examples")
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

RECORD = b'{"QueryName":"%s","QueryType":1,"Timestamp":1657233726}\n'


def test_boundary_is_a_dot(tmp_path: Path) -> None:
    indicators = load(tmp_path, "higan.org\nchigan.org\nigan.org\n")
    assert matches(indicators, "michigan.org", "www.michigan.org", "x.higan.org") == ["x.higan.org"]


def test_case_and_last_dot_do_not_matter(tmp_path: Path) -> None:
    indicators = load(tmp_path, "Evil.COM.\n")
    value = found(indicators, "WwW.eViL.cOm.")
    assert value is not None
    assert value.value == "evil.com"


SUFFIXES = "com\nco.uk\ngithub.io\n*.herokuapp.com\nevil.github.io\nkobe.jp\n"


@pytest.mark.parametrize("text", [SUFFIXES, SUFFIXES + "# a comment, so that lines are read one by one: \x7f\n"])
def test_suffix_is_no_parent(tmp_path: Path, text: str) -> None:
    """Suffixes of both sections match themselves, whatever the conversion splits names by."""
    indicators = load(tmp_path, text)
    names = ["co.uk", "github.io", "x.evil.github.io"]
    assert matches(indicators, *names) == names
    assert matches(indicators, "x.co.uk", "x.github.io", "x.com", "x.herokuapp.com", "a.city.kobe.jp") == []
    assert indicators.report.demoted == 3
    assert {reason: count for reason, (count, _) in skipped(indicators).items()} == {
        "name.single_label": 1,
        "suffix.refused": 1,
    }


def test_allow_list_wins(tmp_path: Path) -> None:
    feed = write(tmp_path, "evil.example\nbad.example\nsame.example\n", "feed.txt")
    allow = write(tmp_path, "# good\ngood.evil.example\nsame.example\n", "allow.txt")
    indicators = Indicators.load(feed, allow=allow)
    assert matches(indicators, "evil.example", "x.evil.example") == ["evil.example", "x.evil.example"]
    assert matches(indicators, "good.evil.example", "x.good.evil.example", "same.example", "x.same.example") == []
    assert indicators.report.allowed == 2
    assert [feed.is_allow for feed in indicators.report.feeds] == [False, True]


def test_longer_name_wins_over_an_allowed_one(tmp_path: Path) -> None:
    feed = write(tmp_path, "very.good.example\n", "feed.txt")
    indicators = Indicators.load(feed, allow=[Feed(write(tmp_path, "good.example\n", "allow.txt"))])
    assert matches(indicators, "good.example", "x.very.good.example") == ["x.very.good.example"]


@pytest.mark.parametrize("kind", ["stix", "csv"])
def test_allow_list_in_any_format(tmp_path: Path, kind: str) -> None:
    pattern = {"type": "indicator", "id": "indicator--1", "pattern": "[domain-name:value = 'good.evil.example']"}
    text = json.dumps([pattern]) if kind == "stix" else "domain,comment\ngood.evil.example,x\n"
    feed = write(tmp_path, "evil.example\n", "feed.txt")
    indicators = Indicators.load(feed, allow=write(tmp_path, text, "allow"))
    assert matches(indicators, "evil.example", "x.good.evil.example") == ["evil.example"]


def test_feeds_keep_what_each_says(tmp_path: Path) -> None:
    """A name in an expired indicator and in a plain list still matches, by the list."""
    csv = write(tmp_path, "domain,valid_until,confidence\nevil.example,2020-01-01,80\n", "old.csv")
    plain = write(tmp_path, "other.example\nEvil.example.\n", "list.txt")
    hosts = write(tmp_path, "0.0.0.0 evil.example\n0.0.0.0 host.example\n", "hosts")
    for order in ((csv, plain, hosts), (hosts, plain, csv)):
        indicators = Indicators.load(*order)
        assert sorted(each.source for each in found_all(indicators, "evil.example")) == ["hosts", "list.txt", "old.csv"]
        # A hosts file says nothing about names below.
        assert sorted(each.source for each in found_all(indicators, "x.evil.example")) == ["list.txt", "old.csv"]
        now = found(indicators, "x.evil.example", 1_767_225_600 * 10**9)
        assert now is not None
        assert now.source == "list.txt"
        assert indicators.report.names == 3


def test_feed_defaults_apply(tmp_path: Path) -> None:
    feed = Feed(write(tmp_path, "evil.example\n"), name="n", provider="p", tlp="amber", confidence=60)
    value = found(Indicators.load(feed, min_confidence=60), "evil.example")
    assert value is not None
    assert (value.source, value.provider, value.tlp, value.confidence) == ("n", "p", "AMBER", 60)
    indicators = Indicators.load(feed, min_confidence=61)
    assert (len(indicators), indicators.report.skipped) == (0, {"confidence.low": 1})


def test_version_names_the_content(tmp_path: Path) -> None:
    path = write(tmp_path, "evil.example\n")
    first, second = Indicators.load(path), Indicators.load(path)
    assert first.version == second.version
    assert Indicators.load(path, grace_s=1).version != first.version
    write(tmp_path, "evil.example\nbad.example\n")
    assert Indicators.load(path).version != first.version


def test_report_is_text_and_json(tmp_path: Path) -> None:
    report = load(tmp_path, "evil.example\nbad..example\n192.0.2.1\n").report
    assert json.loads(json.dumps(report.to_dict()))["skipped"] == {"address.off": 1, "name.syntax": 1}
    assert "1 skipped: name.syntax: not a domain name (first: line 2: bad..example)" in str(report)


def test_conversion_finds_indicators(tmp_path: Path) -> None:
    """Detections of every dataset name their indicator, by the table of the call."""
    indicators = load(tmp_path, "evil.example\n*.below.example\n")
    data = b"".join(
        RECORD % name for name in (b"a.evil.example", b"fine.example", b"below.example", b"x.below.example")
    )
    detections = Normalizer(detect=[indicators]).to_ndjson(data).detections
    resolved = [(each.event, indicators.resolve(each)) for each in detections]
    assert [(event, value.value) for event, value in resolved if value is not None] == [
        (0, "evil.example"),
        (3, "below.example"),
    ]


def test_annotation_checks_the_time_of_the_event(tmp_path: Path) -> None:
    text = "domain,valid_until,confidence,reference\nevil.example,2022-07-07T22:42:06Z,80,https://r.example\n"
    indicators = load(tmp_path, text)
    detection = detection_of(indicators, "a.evil.example")
    assert detection is not None
    annotation = indicators.annotation(detection, {"@timestamp": "2022-07-07T22:42:05.999999999Z"})
    assert annotation is not None
    assert annotation.enrichments[0] == {
        "indicator": {
            "type": "domain-name",
            "name": "evil.example",
            "url": {"domain": "evil.example"},
            "provider": "feed",
            "confidence": "High",
            "reference": "https://r.example",
        },
        "matched": {
            "atomic": "evil.example",
            "field": "dns.question.name",
            "type": "indicator_match_rule",
            "occurred": "2022-07-07T22:42:05.999999999Z",
        },
    }
    assert annotation.own == {"indicator": {"match": "parent"}}
    assert indicators.annotation(detection, {"@timestamp": "2022-07-07T22:42:06Z"}) is None


ADDRESSES = "192.0.2.1\n198.51.100.0/24\n198.51.100.128/25\n2001:db8::/32\n203.0.113.9/24\n"


def test_addresses_longest_prefix_wins(tmp_path: Path) -> None:
    indicators = load(tmp_path, ADDRESSES, addresses=True)
    assert (indicators.report.names, indicators.report.addresses) == (0, 5)

    def value(text: str) -> str | None:
        match = indicators.match_address(text)
        return None if match is None else match.value

    assert value("192.0.2.1") == "192.0.2.1"
    assert value("::ffff:192.0.2.1") == "192.0.2.1"
    assert value("198.51.100.127") == "198.51.100.0/24"
    assert value("198.51.100.200") == "198.51.100.128/25"
    assert value("2001:db8:1::5") == "2001:db8::/32"
    # Host bits of a network are cleared.
    assert value("203.0.113.200") == "203.0.113.0/24"
    assert [value(text) for text in ("192.0.2.2", "", "evil.example", "1.2.3", "::1%eth0")] == [None] * 5


def test_addresses_of_an_event(tmp_path: Path) -> None:
    """For the client and the answers of gateway_dns."""
    indicators = load(tmp_path, "192.0.2.0/24\n198.51.100.1\n", addresses=True)
    record = {
        "QueryName": "www.example.com",
        "SrcIP": "192.0.2.7",
        "ResolvedIPs": ["203.0.113.1", "198.51.100.1"],
        "Datetime": "2022-07-07T22:42:06Z",
    }
    normalizer = Normalizer("ecs", dataset="gateway_dns", detect=[indicators])
    found = normalizer.to_dicts(json.dumps(record).encode()).detections
    assert [(each.field, each.name) for each in found] == [("source", "192.0.2.7"), ("answer", "198.51.100.1")]
    resolved = [each for each in map(indicators.resolve, found) if each is not None]
    assert [(each.value, each.is_exact) for each in resolved] == [("192.0.2.0/24", False), ("198.51.100.1", True)]
    annotation = indicators.annotation(found[1], {})
    assert annotation is not None
    assert annotation.enrichments[0]["matched"]["field"] == "dns.resolved_ip"


def test_popular_names_are_reported_not_dropped(tmp_path: Path) -> None:
    feed = write(tmp_path, "shop.example\nevil.example\n", "feed.txt")
    indicators = Indicators.load(feed, allow=write(tmp_path, "www.shop.example\n", "allow"))
    names = ["www.shop.example", "shop.example", "fine.example", "a.shop.example"]
    assert list(indicators.matching(names)) == ["shop.example", "a.shop.example"]


def test_addresses_of_servers_are_no_clients(tmp_path: Path) -> None:
    value = {
        "type": "indicator",
        "pattern": "[ipv4-addr:value = '192.0.2.1']",
        "kill_chain_phases": [{"kill_chain_name": "x", "phase_name": "command-and-control"}],
        "valid_until": "2026-01-01T00:00:00Z",
    }
    indicators = load(tmp_path, json.dumps([value]), addresses=True)
    assert indicators.match_address("192.0.2.1", role="source") is None
    answer = indicators.match_address("192.0.2.1", role="answer")
    assert answer is not None
    assert (answer.type, answer.is_exact) == ("ipv4-addr", True)
    end = 1_767_225_600 * 10**9
    assert indicators.match_address("192.0.2.1", end - 1, role="answer") is not None
    assert indicators.match_address("192.0.2.1", end, role="answer") is None


@pytest.mark.parametrize(
    "options", [{"min_confidence": 101}, {"min_confidence": -1}, {"min_confidence": True}, {"grace_s": -1}]
)
def test_invalid_option_is_refused(tmp_path: Path, options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must"):
        load(tmp_path, "evil.example\n", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [
        {"format": "xml"},
        {"wildcard": "x"},
        {"tlp": "blue"},
        {"confidence": 101},
        {"columns": {"x": 1}},
        {"columns": {"value": 0}},
        {"delimiter": ",,"},
    ],
)
def test_invalid_option_of_a_feed_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(FeedError) as caught:
        Feed("x", **options)  # type: ignore[arg-type]
    assert caught.value.code == "feed.option"


def test_limits_are_positive() -> None:
    with pytest.raises(ValueError, match="max_indicators"):
        Limits(max_indicators=0)


# A slow oracle: the longest listed name decides, an allowed one before an equal listed one.

LABELS = st.sampled_from(["a", "b", "evil", "x-1", "_s"])
SUFFIX = st.sampled_from(["com", "co.uk", "github.io", "example", "kobe.jp", "compute.amazonaws.com"])
LISTED = st.builds(lambda labels, suffix: ".".join([*labels, suffix]), st.lists(LABELS, max_size=3), SUFFIX)
ROWS = st.lists(st.tuples(LISTED, st.sampled_from(["self", "below", "both"]), st.booleans()), max_size=12)


def is_suffix(name: str) -> bool:
    """Return whether names of many owners may be below the name."""
    if name == "kobe.jp" or "." not in name:
        return True
    return any(
        split_domain(name, private_suffixes=private).registered_domain is None
        and split_domain(name, private_suffixes=private).top_level_domain is not None
        for private in (False, True)
    )


def oracle(rows: list[tuple[str, str, bool]], query: str) -> bool:
    labels = query.split(".")
    for start in range(len(labels)):
        name = ".".join(labels[start:])
        kinds = set()
        for listed, kind, is_allowed in rows:
            if listed != name or ("." not in listed):
                continue
            if start == 0 and kind != "below":
                kinds.add(is_allowed)
            if start > 0 and kind != "self" and not is_suffix(listed):
                kinds.add(is_allowed)
        if kinds:
            return True not in kinds
    return False


@given(rows=ROWS, queries=st.lists(LISTED, min_size=1, max_size=8))
def test_longest_name_wins_as_in_the_oracle(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, bool]], queries: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("oracle")
    lines = {
        (kind, is_allowed): "".join(
            ("*." if kind == "below" else "") + name + "\n"
            for name, row_kind, row_is_allowed in rows
            if (row_kind, row_is_allowed) == (kind, is_allowed)
        )
        for kind in ("self", "below", "both")
        for is_allowed in (False, True)
    }
    feeds = {
        key: Feed(write(folder, "# a list\n" + text, f"{key[0]}{key[1]}"), format="plain", subdomains=key[0] != "self")
        for key, text in lines.items()
        if text
    }
    try:
        indicators = Indicators.load(
            *(feed for (_, is_allowed), feed in feeds.items() if not is_allowed),
            allow=[feed for (_, is_allowed), feed in feeds.items() if is_allowed],
        )
    except FeedError as error:
        assert error.code == "feed.nothing_valid"
        return
    names = [*queries, *(name for name, _, _ in rows), *(f"q.{name}" for name, _, _ in rows)]
    for name in names:
        assert (found(indicators, name) is not None) == oracle(rows, name), (rows, name)
