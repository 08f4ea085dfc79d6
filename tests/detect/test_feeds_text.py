"""Feeds of lines: plain lists, hosts files, filter lists, and configurations of resolvers."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.feeds import found, load, matches, skipped

PLAIN = """\
# Domains of a campaign; one a line
evil.example
  Bad.Example.COM.   # with a comment
*.below.example
.dotted.example
hxxp://defanged[.]example/
https://phish.example/login?x=1
http://root.example:8080/
strasse[.]example ; another comment
straße.example
BÜCHER.example
münchen。example
_dmarc.under.example
192.0.2.1
198.51.100.0/24
2001:db8::/32
d41d8cd98f00b204e9800998ecf8427e
localhost
two words
com
"""


def test_plain_list_reads_written_forms(tmp_path: Path) -> None:
    indicators = load(tmp_path, PLAIN)
    assert indicators.report.feeds[0].format == "plain"
    names = [
        "evil.example",
        "a.b.evil.example",
        "bad.example.com",
        "defanged.example",
        "root.example",
        "strasse.example",
        "xn--strae-oqa.example",
        "xn--bcher-kva.example",
        "xn--mnchen-3ya.example",
        "_dmarc.under.example",
    ]
    assert matches(indicators, *names) == names
    assert matches(indicators, "notevil.example", "example", "phish.example", "x.root.example") == []
    assert skipped(indicators) == {
        "url.path": (1, 7),
        "address.off": (3, 14),
        "name.single_label": (3, 17),
        "name.syntax": (1, 19),
    }


def test_wildcard_means_names_below(tmp_path: Path) -> None:
    indicators = load(tmp_path, PLAIN)
    assert matches(indicators, "x.below.example", "below.example", "x.dotted.example", "dotted.example") == [
        "x.below.example",
        "x.dotted.example",
    ]
    both = load(tmp_path, PLAIN, feed={"wildcard": "both"})
    assert matches(both, "x.below.example", "below.example") == ["x.below.example", "below.example"]


def test_subdomains_can_be_left_out(tmp_path: Path) -> None:
    indicators = load(tmp_path, "evil.example\nbad.example # x\n", feed={"subdomains": False})
    assert matches(indicators, "evil.example", "x.evil.example", "bad.example", "x.bad.example") == [
        "evil.example",
        "bad.example",
    ]


@pytest.mark.parametrize("data", [b"\xef\xbb\xbfevil.example\r\nbad.example", b"evil.example\nbad.example\n\n\n"])
@pytest.mark.parametrize("compressed", [False, True])
def test_line_endings_and_gzip_do_not_matter(tmp_path: Path, data: bytes, compressed: bool) -> None:
    import gzip

    indicators = load(tmp_path, gzip.compress(data) if compressed else data)
    assert matches(indicators, "evil.example", "bad.example") == ["evil.example", "bad.example"]
    assert len(indicators) == 2


def test_clean_block_reports_first_lines(tmp_path: Path) -> None:
    """The builder of the table only counts; the report names a line all the same."""
    indicators = load(tmp_path, "a.example\na..example\nb.example\n10.0.0.1\nlocalhost\nx..example\na.example\n")
    assert skipped(indicators) == {
        "address.off": (1, 4),
        "name.syntax": (2, 2),
        "name.single_label": (1, 5),
        "duplicate": (1, None),
    }
    assert indicators.report.feeds[0].skipped["name.syntax"].value == "a..example"
    assert (indicators.report.feeds[0].entries, indicators.report.feeds[0].names) == (7, 2)


def test_commas_in_comments_make_no_csv(tmp_path: Path) -> None:
    indicators = load(tmp_path, "evil.example # phishing, seen twice\nbad.example  # malware, spam\n")
    assert indicators.report.feeds[0].format == "plain"
    assert matches(indicators, "evil.example", "bad.example") == ["evil.example", "bad.example"]


HOSTS = """\
# Title: a hosts file
127.0.0.1 localhost
127.0.0.1 localhost.localdomain
::1 ip6-loopback
fe80::1%lo0 localhost
0.0.0.0 0.0.0.0

0.0.0.0 ads.example
0.0.0.0 Tracker.Example  # a comment
127.0.0.1\tone.example two.example
:: six.example
just.a.name.example
"""


def test_hosts_names_match_themselves(tmp_path: Path) -> None:
    indicators = load(tmp_path, HOSTS)
    assert indicators.report.feeds[0].format == "hosts"
    names = ["ads.example", "tracker.example", "one.example", "two.example", "six.example"]
    assert matches(indicators, *names) == names
    assert matches(indicators, *(f"x.{name}" for name in names), "just.a.name.example", "localhost") == []
    assert skipped(indicators) == {"line.unknown": (1, 12)}
    assert indicators.report.names == 5


ADBLOCK = """\
[Adblock Plus 2.0]
! Title: a filter list
||ads.example^
||Bad.example^
@@||good.ads.example^
||options.example^$third-party
||path.example/ads/*
##.banner
/banner/*/img^
||wild*.example^
"""


def test_adblock_has_rules_and_exceptions(tmp_path: Path) -> None:
    indicators = load(tmp_path, ADBLOCK)
    assert indicators.report.feeds[0].format == "adblock"
    assert matches(indicators, "ads.example", "x.ads.example", "bad.example") == [
        "ads.example",
        "x.ads.example",
        "bad.example",
    ]
    assert matches(indicators, "good.ads.example", "x.good.ads.example", "options.example", "path.example") == []
    assert skipped(indicators) == {"rule.options": (5, 6)}
    assert indicators.report.allowed == 1


DNSMASQ = """\
# A list for dnsmasq
address=/ads.example/0.0.0.0
address=/Six.example/::
address=/null.example/#
local=/nx.example/
server=/one.example/two.example/
server=/internal.example/192.0.2.53
server=/good.ads.example/#
cache-size=1000
"""


def test_dnsmasq_blocks_and_exempts(tmp_path: Path) -> None:
    indicators = load(tmp_path, DNSMASQ)
    assert indicators.report.feeds[0].format == "dnsmasq"
    names = ["x.ads.example", "six.example", "null.example", "x.nx.example", "one.example", "two.example"]
    assert matches(indicators, *names) == names
    assert matches(indicators, "internal.example", "good.ads.example") == []
    assert skipped(indicators) == {"rule.forward": (1, 7), "line.unknown": (1, 9)}


UNBOUND = """\
server:
    local-zone: "ads.example." redirect
    local-data: "ads.example. A 0.0.0.0"
    local-zone: "nx.example" always_nxdomain
    local-zone: "good.ads.example." transparent
    local-data: 'one.example. IN A 127.0.0.1'
    do-ip6: no  # not about names
"""


def test_unbound_zones_and_data(tmp_path: Path) -> None:
    indicators = load(tmp_path, UNBOUND)
    assert indicators.report.feeds[0].format == "unbound"
    names = ["ads.example", "x.ads.example", "nx.example", "x.nx.example", "one.example"]
    assert matches(indicators, *names) == names
    assert matches(indicators, "good.ads.example", "x.one.example") == []
    assert skipped(indicators) == {"line.unknown": (1, 7)}


RPZ = """\
$TTL 300
$ORIGIN rpz.example.
@ IN SOA localhost. root.localhost. (
    2026010101 ; serial
    3600 600 86400 60 )
  IN NS localhost.
evil.test CNAME .
*.evil.test CNAME .
self.test 60 IN CNAME .
*.wild.test IN CNAME *.
drop.test CNAME rpz-drop.
tcp.test CNAME rpz-tcp-only.
ok.evil.test CNAME rpz-passthru.
old.style.test CNAME old.style.test.
absolute.test.rpz.example. CNAME .
sink.test A 127.0.0.1
          AAAA ::1
          TXT "a; quoted ( text"
walled.test CNAME garden.example.net. ; comment
32.4.2.0.192.rpz-ip CNAME .
24.0.100.51.198.rpz-client-ip CNAME .
128.1.zz.db8.2001.rpz-ip CNAME .
ns.bad.test.rpz-nsdname CNAME .
$INCLUDE other.zone
what is this
"""


def test_rpz_owner_and_action_decide(tmp_path: Path) -> None:
    indicators = load(tmp_path, RPZ, addresses=True)
    assert indicators.report.feeds[0].format == "rpz"
    names = [
        "evil.test",
        "x.evil.test",
        "self.test",
        "x.wild.test",
        "drop.test",
        "absolute.test",
        "sink.test",
        "walled.test",
    ]
    assert matches(indicators, *names) == names
    assert matches(indicators, "x.self.test", "wild.test", "tcp.test", "old.style.test", "localhost") == []
    assert skipped(indicators) == {"rpz.trigger": (2, 12), "line.unknown": (2, 24)}


@pytest.mark.parametrize(
    "start",
    [
        "$ORIGIN .\n$TTL 60\nrpz.example IN SOA ns. admin. ( 1 2 3\n 4 5 )\n NS ns.\n$ORIGIN rpz.example.\n",
        "rpz.example. IN SOA ns. admin. 1 2 3 4 5\n",
        "$ORIGIN rpz.example.\n@ SOA ns. admin. 1 2 3 4 5\n",
    ],
    ids=["dump", "absolute", "origin"],
)
def test_rpz_origin_below_the_zone(tmp_path: Path, start: str) -> None:
    """BIND writes the zones that it has transferred so: a name is relative to the last $ORIGIN."""
    lines = [
        "plain.test CNAME .",
        "$ORIGIN test.rpz.example.",
        "bad CNAME .",
        "$TTL 300",
        "*.bad 60 IN CNAME .",
        "www.good CNAME rpz-passthru.",
        "$ORIGIN apex.test.rpz.example.",
        "@ CNAME .",
        "*  CNAME .",
        "$ORIGIN 2.0.192.rpz-ip.rpz.example.",
        "32.1 CNAME .",
        "$ORIGIN .",
        "root.test.rpz.example CNAME .",
        "$ORIGIN rpz.example.",
        "last.test CNAME .",
    ]
    indicators = load(tmp_path, start + "\n".join(lines) + "\n", addresses=True)
    # The name and what is below it are one row.
    assert skipped(indicators).keys() == {"duplicate"}
    hits = ["plain.test", "bad.test", "x.bad.test", "apex.test", "x.apex.test", "root.test", "last.test"]
    assert matches(indicators, *hits, "x.plain.test", "www.good.test", "good.test", "bad", "www.good") == hits
    assert indicators.match_address("192.0.2.1", role="answer") is not None


def test_rpz_passthru_wins_over_its_parent(tmp_path: Path) -> None:
    indicators = load(tmp_path, RPZ)
    assert found(indicators, "ok.evil.test") is None
    # The exemption has no wildcard of its own, so it is for the name alone.
    assert found(indicators, "x.ok.evil.test") is not None


def test_rpz_passthru_of_a_listed_wildcard(tmp_path: Path) -> None:
    """``*.x`` is listed and ``x`` allowed, which one row of the table cannot say."""
    indicators = load(tmp_path, "*.x.evil.test CNAME .\nx.evil.test CNAME rpz-passthru.\n*.evil.test CNAME .\n")
    assert matches(indicators, "x.evil.test", "y.x.evil.test", "z.evil.test") == ["y.x.evil.test", "z.evil.test"]


def test_rpz_addresses_have_roles(tmp_path: Path) -> None:
    indicators = load(tmp_path, RPZ, addresses=True)
    assert indicators.match_address("192.0.2.4", role="answer") is not None
    assert indicators.match_address("192.0.2.4", role="source") is None
    assert indicators.match_address("198.51.100.77", role="source") is not None
    assert indicators.match_address("2001:db8::1", role="answer") is not None


def test_format_can_be_named(tmp_path: Path) -> None:
    indicators = load(tmp_path, "0.0.0.0 ads.example\n", feed={"format": "hosts"})
    assert matches(indicators, "ads.example") == ["ads.example"]
    assert indicators.report.feeds[0].format == "hosts"
