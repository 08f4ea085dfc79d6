"""Rules of Sigma for tests: generated ones, events for them, and short texts."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import strategies as st

from cfdns_fast.detect.sigma.reader import FileContent, read_data

__all__ = ["EVENTS", "RULES", "detection", "rule_text", "rules_of", "texts"]

#: Values and names are made of few characters, so that they match each other often.
_ALPHABET = "abA.-"
_PLAIN = st.text(_ALPHABET, max_size=4)
_VALUES = st.one_of(
    _PLAIN,
    st.text("ab.*?\\", max_size=5),
    st.sampled_from(["a", "b", ".a", "a.b", "*", "?", "", "a*b", "*a?b*", "a\\*", "\\\\", "null", "yes", "1.10", "12"]),
)
_NAMES = st.one_of(st.none(), st.text(_ALPHABET + "*\\", max_size=7), st.sampled_from(["a.b", "ab.ab", "*", "a\\b"]))
_TYPES = st.sampled_from([None, "A", "TXT", "AAAA", "a"])
_SOURCES = st.sampled_from([None, "10.1.2.3", "10.200.0.1", "2001:db8::1", "192.0.2.1", "no address"])

EVENTS = st.fixed_dictionaries(
    {"name": _NAMES, "type": _TYPES, "rcode": st.sampled_from([None, "NOERROR", "NXDOMAIN"]), "source": _SOURCES}
)

_NAME_FIELDS = st.sampled_from(["query", "QueryName", "dns.question.name", "QNAME"])
_OPERATORS = st.sampled_from(["", "|contains", "|startswith", "|endswith"])


def _one_or_more(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return values | st.lists(values, min_size=1, max_size=3)


_EXPRESSIONS = st.sampled_from(["^ab", "(^|[.])ab$", "a[ab]b|bab", "[.]ab+[.]?", "aaa", "aab.*", "^(aa|bb)[.]"])
_ITEMS = st.one_of(
    st.tuples(
        st.builds(
            "{}{}{}{}".format, _NAME_FIELDS, _OPERATORS, st.sampled_from(["", "|all"]), st.sampled_from(["", "|cased"])
        ),
        _one_or_more(_VALUES),
    ),
    st.tuples(_NAME_FIELDS, st.lists(st.none() | _PLAIN, min_size=1, max_size=2)),
    st.tuples(
        st.builds("{}|re{}".format, _NAME_FIELDS, st.sampled_from(["", "|i", "|all"])), _one_or_more(_EXPRESSIONS)
    ),
    st.tuples(
        st.sampled_from(["record_type", "qtype_name", "QueryType"]), _one_or_more(st.sampled_from(["A", "txt", "T*"]))
    ),
    st.tuples(st.sampled_from(["rcode_name", "dns.response_code"]), st.sampled_from(["nxdomain", "NOERROR", None])),
    st.tuples(st.sampled_from(["query|exists", "src_ip|exists", "record_type|exists"]), st.booleans()),
    st.tuples(
        st.sampled_from(["src_ip|cidr", "source.ip|cidr"]),
        _one_or_more(st.sampled_from(["10.0.0.0/9", "2001:db8::/32"])),
    ),
)
_MAPS = st.lists(_ITEMS, min_size=1, max_size=2).map(dict)
_SEARCHES = _MAPS | st.lists(_MAPS, min_size=1, max_size=2)

#: Searches have these names.
_IDENTIFIERS = ("selection", "selection_b", "filter_a", "_hidden")
_CONDITIONS = st.recursive(
    st.sampled_from(
        [*_IDENTIFIERS, "1 of them", "all of them", "1 of selection*", "all of *_*", "any of filter_*", "1 of _*"]
    ),
    lambda inner: st.one_of(
        inner.map("not {}".format),
        st.tuples(inner, inner).map(lambda pair: f"{pair[0]} and {pair[1]}"),
        st.tuples(inner, inner).map(lambda pair: f"{pair[0]} or {pair[1]}"),
        inner.map("({})".format),
    ),
    max_leaves=4,
)
#: Whole rules as mappings. A few have a condition that no rule may have.
RULES = st.fixed_dictionaries(
    {
        "title": st.just("Generated"),
        "logsource": st.just({"category": "dns"}),
        "detection": st.fixed_dictionaries(
            {**dict.fromkeys(_IDENTIFIERS, _SEARCHES), "condition": _one_or_more(_CONDITIONS)}
        ),
        "level": st.just("low"),
    }
)


def rule_text(searches: str, condition: str = "selection", **entries: str) -> str:
    """Return a rule as YAML, with the lines of its searches."""
    head = {"title": "Test", "level": "low", **entries}
    lines = [f"{key}: {value}" for key, value in head.items()]
    body = [f"    {line}" for line in searches.splitlines()]
    return "\n".join(
        [*lines, "logsource:", "    category: dns", "detection:", *body, f"    condition: {condition}", ""]
    )


def detection(item: str) -> str:
    """Return a rule as YAML that has one search with one line."""
    return rule_text(f"selection:\n    {item}")


def rules_of(text: str | bytes | dict[str, Any]) -> FileContent:
    """Read rules from YAML or from a mapping."""
    if isinstance(text, dict):
        text = yaml.safe_dump(text, sort_keys=False)
    return read_data(text if isinstance(text, bytes) else text.encode("utf-8"), "test.yml")


def texts(content: FileContent) -> list[str]:
    """Return the faults as ``line code``."""
    return [f"{fault.line} {fault.code}" for fault in content.faults]
