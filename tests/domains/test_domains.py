"""Public suffix rules and the splitting of names, in Python and in the tables of the core."""

from __future__ import annotations

import subprocess
import sys
from functools import lru_cache

import idna
import pytest
import tldextract

pytest.importorskip("hypothesis")

from hypothesis import example, given
from hypothesis import strategies as st

from cfdns_fast import domains
from cfdns_fast.domains import DomainParts, rule_trie, split_domain, split_labels
from cfdns_fast.plan.suffix_table import fold_pairs, native_edges

# Characters that tldextract reads as part of a URL or as a dot, and the escape character of this package.
NOT_PLAIN = "/?#:@[]\\\u3002\uff0e\uff61"


@lru_cache(maxsize=2)
def extractor(private_suffixes: bool) -> tldextract.TLDExtract:
    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None, include_psl_private_domains=private_suffixes)


@lru_cache(maxsize=2)
def rules(private_suffixes: bool) -> list[str]:
    return sorted(extractor(private_suffixes).tlds)


def of_tldextract(name: str, private_suffixes: bool) -> DomainParts:
    found = extractor(private_suffixes).extract_str(name)
    return DomainParts(found.top_domain_under_public_suffix or None, found.suffix or None, found.subdomain or None)


def a_label(label: str) -> str:
    return label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii")


def varied(label: str) -> st.SearchStrategy[str]:
    """Draw another spelling of a label that means the same, or almost the same."""
    spellings = {label, label.upper(), label.title(), label.swapcase(), a_label(label), a_label(label).upper()}
    spellings |= {label.replace("k", "\u212a"), label.replace("i", "\u0130"), label.lstrip("!")}
    return st.sampled_from(sorted(spellings))


PLAIN_TEXT = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp"), exclude_characters=NOT_PLAIN + "."), max_size=12
)
LABEL = st.one_of(
    st.sampled_from(["www", "a", "", "*", "!", "city", "xn--", "xn--a", "XN--P1AI", "xn--p1ai-", "example", "1", "-"]),
    st.integers(0, 300).map(str),
    PLAIN_TEXT,
    PLAIN_TEXT.map(lambda text: "xn--" + text),
    PLAIN_TEXT.map(lambda text: a_label(text)),
)


@st.composite
def plain_names(draw: st.DrawFn, private_suffixes: bool) -> str:
    # The suffix is a special rule, any rule, a rule without one of its labels, or empty.
    special = [rule for rule in rules(private_suffixes) if rule[0] in "*!" or not rule.isascii()]
    labels = draw(st.one_of(st.sampled_from(special), st.sampled_from(rules(private_suffixes)), st.just("")))
    suffix = [draw(varied(label)) for label in labels.split(".")] if labels else []
    if suffix and draw(st.integers(0, 3)) == 0:
        suffix.pop(draw(st.integers(0, len(suffix) - 1)))
    if suffix and suffix[0] in ("*", "!") and draw(st.booleans()):
        suffix[0] = draw(LABEL)
    return ".".join([*draw(st.lists(LABEL, max_size=4)), *suffix]).strip(".")


@pytest.mark.parametrize("private_suffixes", [False, True])
def test_split_domain_of_plain_names_equals_tldextract(private_suffixes: bool) -> None:
    @given(plain_names(private_suffixes))
    @example("")
    @example("1.2.3.4")
    @example("01.2.3.4")
    @example("a.\u212aawasaki.jp")
    @example("a.xn--p1ai\u00df")
    @example("A.XN--P1AI")
    @example("a." + "xn--" + "a" * 60)
    def check(name: str) -> None:
        assert split_domain(name, private_suffixes=private_suffixes) == of_tldextract(name, private_suffixes)

    check()


@pytest.mark.parametrize("private_suffixes", [pytest.param(False, marks=pytest.mark.slow), True])
def test_split_domain_of_every_rule_equals_tldextract(private_suffixes: bool) -> None:
    for number, rule in enumerate(rules(private_suffixes)):
        spelt = [rule, rule.upper(), ".".join(map(a_label, rule.split(".")))][number % 3]
        for name in (spelt, "b." + spelt, "a.b." + spelt, spelt.lstrip("!"), spelt.replace("*", "x"), "." + spelt[1:]):
            name = name.strip(".")
            assert split_domain(name, private_suffixes=private_suffixes) == of_tldextract(name, private_suffixes), name


@pytest.mark.parametrize(
    ("name", "registered_domain", "top_level_domain", "subdomain"),
    [
        ("www.example.co.uk", "example.co.uk", "co.uk", "www"),
        ("...www.example.co.uk...", "example.co.uk", "co.uk", "www"),
        ("example.com", "example.com", "com", None),
        ("co.uk", None, "co.uk", None),
        ("com", None, "com", None),
        ("ck", None, None, None),
        ("localhost", None, None, None),
        ("", None, None, None),
        ("..", None, None, None),
        ("a.b.unknown", None, None, "a.b"),
        ("a..b.com", "b.com", "com", "a."),
        ("google..com", None, "com", "google"),
        ("foo.ck", None, "foo.ck", None),
        ("a.foo.ck", "a.foo.ck", "foo.ck", None),
        ("www.ck", "www.ck", "ck", None),
        ("a.www.ck", "www.ck", "ck", "a"),
        ("a.*.ck", "a.*.ck", "*.ck", None),
        ("!www.ck", None, "!www.ck", None),
        ("a.РФ", "a.РФ", "РФ", None),
        ("A.XN--P1AI", "A.XN--P1AI", "XN--P1AI", None),
        ("1.2.3.4", None, None, None),
        ("1.2.3.4.", None, None, None),
        ("2001:db8::1", None, None, None),
        ("::ffff:192.0.2.1", None, None, None),
        ("01.2.3.4", None, None, "01.2.3"),
        ("fe80::1%a.com", "fe80::1%a.com", "com", None),
        (r"a\.b.example.com", "example.com", "com", r"a\.b"),
        (r"a.example\.com", None, None, "a"),
        (r"a\\.com", r"a\\.com", "com", None),
        ("a\\..", None, None, None),
        ("a.b\u3002com", None, None, "a"),
        ("http://a.com/b", None, None, "http://a"),
        ("user@a.com:53", None, None, "user@a"),
        (" a.com", " a.com", "com", None),
        ("a.com ", None, None, "a"),
        ("a.\ud800.com", "\ud800.com", "com", "a"),
    ],
)
def test_split_domain_returns_these_parts(
    name: str, registered_domain: str | None, top_level_domain: str | None, subdomain: str | None
) -> None:
    assert split_domain(name) == DomainParts(registered_domain, top_level_domain, subdomain)


def test_split_domain_private_suffixes_are_optional() -> None:
    name = "www.project.github.io"
    assert split_domain(name) == DomainParts("github.io", "io", "www.project")
    assert split_domain(name, private_suffixes=True) == DomainParts("project.github.io", "github.io", "www")


@pytest.mark.parametrize("name", [b"a.com", None, 1, True, ["a.com"]])
def test_split_domain_error_omits_the_value(name: object) -> None:
    with pytest.raises(TypeError, match=rf"^name must be str, not {type(name).__name__}$"):
        split_domain(name)  # type: ignore[arg-type]


def test_split_domain_of_a_huge_label_is_fast() -> None:
    assert split_domain("xn--" + "a1" * 1_000_000 + ".com").top_level_domain == "com"


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("", [""]),
        ("a", ["a"]),
        (".", ["", ""]),
        ("a..b", ["a", "", "b"]),
        (r"a\.b.c", [r"a\.b", "c"]),
        (r"a\\.b", [r"a\\", "b"]),
        (r"a\046b.c", [r"a\046b", "c"]),
        ("a\\", ["a\\"]),
        ("a\\\n.b", ["a\\\n", "b"]),
        ("a\u3002b\uff0ec\uff61d", ["a\u3002b\uff0ec\uff61d"]),
    ],
)
def test_split_labels_ignores_escaped_dots(name: str, labels: list[str]) -> None:
    assert split_labels(name) == labels
    assert ".".join(labels) == name


@pytest.mark.parametrize(
    ("text", "is_literal"),
    [
        ("192.0.2.1", True),
        ("::", True),
        ("::ffff:192.0.2.1", True),
        ("2001:DB8::1", True),
        ("192.0.2.01", False),
        ("192.0.2", False),
        ("192.0.2.1/32", False),
        ("192.0.2.1:53", False),
        ("[::1]", False),
        ("fe80::1%eth0", False),
        ("fe80::1%", False),
        ("\uff11.2.3.4", False),
        (" 192.0.2.1", False),
        ("", False),
        ("3221225985", False),
    ],
)
def test_is_ip_literal_accepts_only_bare_addresses(text: str, is_literal: bool) -> None:
    assert domains.is_ip_literal(text) is is_literal


@pytest.mark.parametrize("private_suffixes", [False, True])
def test_rule_trie_holds_exactly_the_rules(private_suffixes: bool) -> None:
    trie = rule_trie(private_suffixes)
    parent_of = {child: (parent, label) for (parent, label), child in trie.edges.items()}
    assert sorted(parent_of) == list(range(1, trie.node_count))
    found = set()
    for node in trie.ends:
        labels = []
        while node:
            node, label = parent_of[node]
            labels.append(label)
        found.add(".".join(labels))
    assert found == set(extractor(private_suffixes).tlds)


@pytest.mark.parametrize("private_suffixes", [False, True])
def test_native_tables_find_the_same_suffix(private_suffixes: bool) -> None:
    edges, flags = native_edges(private_suffixes)
    below = {(parent, label): child for parent, label, child in edges}
    fold = dict(fold_pairs(private_suffixes)) | {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}

    def suffix_index(labels: list[str]) -> int:
        """Walk as the core does: fold single code points, then compare bytes without decoding."""
        node, suffix = 0, len(labels)
        for index in reversed(range(len(labels))):
            label = labels[index].translate(fold).encode("utf-8")
            child = below.get((node, label))
            if child is None:
                if flags[node] & 2:
                    return index + 1 if (node, b"!" + label) in below else index
                return suffix
            node = child
            if flags[node] & 1:
                suffix = index
        return suffix

    @given(plain_names(private_suffixes))
    def check(name: str) -> None:
        labels = split_labels(name)
        assert suffix_index(labels) == domains._suffix_index(labels, rule_trie(private_suffixes))

    check()


@pytest.mark.parametrize("private_suffixes", [False, True])
def test_native_edges_add_every_a_label_to_the_trie(private_suffixes: bool) -> None:
    trie = rule_trie(private_suffixes)
    expected = {(parent, label.encode("utf-8"), child) for (parent, label), child in trie.edges.items()}
    expected |= {
        (parent, a_label(label).encode("ascii"), child)
        for (parent, label), child in trie.edges.items()
        if not label.isascii()
    }
    edges, flags = native_edges(private_suffixes)
    assert len(edges) == len(expected)
    assert set(edges) == expected
    assert len({(parent, label) for parent, label, _ in edges}) == len(edges)
    assert len(flags) == trie.node_count
    assert {node for node, bits in enumerate(flags) if bits & 1} == trie.ends
    assert {node for node, bits in enumerate(flags) if bits & 2} == {p for p, label in trie.edges if label == "*"}
    assert max(flags) <= 3


def test_native_edges_a_labels_are_those_of_idna() -> None:
    """The core gets an edge for each A-label, made without idna, which must decode it to the same label."""
    for label in {label for _, label in rule_trie(True).edges if not label.isascii()}:
        assert idna.decode(a_label(label)) == label


def test_native_edges_of_both_spellings_agree() -> None:
    """An A-label and its U-label lead to the same node."""
    edges, _ = native_edges(False)
    children = {(parent, label): child for parent, label, child in edges}
    assert children[0, b"xn--p1ai"] == children[0, "рф".encode()]
    assert children[0, b"xn--fiqs8s"] == children[0, "中国".encode()]


@pytest.mark.parametrize("private_suffixes", [False, True])
def test_fold_pairs_cover_all_of_unicode(private_suffixes: bool) -> None:
    wanted = set("abcdefghijklmnopqrstuvwxyz0123456789-").union(*rules(private_suffixes))
    lowered = ((character, character.lower()) for character in map(chr, range(0x80, sys.maxunicode + 1)))
    expected = [(ord(upper), ord(lower)) for upper, lower in lowered if lower != upper and lower in wanted]
    pairs = fold_pairs(private_suffixes)
    assert pairs == expected
    assert (0x212A, ord("k")) in pairs
    assert (ord("Р"), ord("р")) in pairs


@pytest.mark.parametrize("private_suffixes", [False, True])
def test_rules_need_only_single_code_point_folding(private_suffixes: bool) -> None:
    # No rule may need what fold_pairs omits: U+0130 lowers to two code points, and sigma by its position in a word.
    longer = {character for character in map(chr, range(sys.maxunicode + 1)) if len(character.lower()) != 1}
    assert longer == {"\u0130"}
    for rule in rules(private_suffixes):
        assert rule == rule.lower()
        assert not set(rule) & {"\u0307", "\u03c3", "\u03c2"}
        # The core does not decode labels, so no rule may be an A-label and no exception a U-label.
        assert "xn--" not in rule
        assert not rule.startswith("!") or rule.split(".")[0].isascii()


def test_import_does_not_import_tldextract() -> None:
    code = "import sys, cfdns_fast.domains; sys.exit(bool({'tldextract', 'idna', 'requests'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-P", "-c", code], check=False).returncode == 0
