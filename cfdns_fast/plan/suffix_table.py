"""The rules of the Public Suffix List as the compiled core takes them."""

from __future__ import annotations

from functools import lru_cache

from .. import _core
from ..domains import rule_trie

__all__ = ["fold_pairs", "native_edges", "suffix_table"]

# Flags of a node, as the core reads them.
_ENDS_RULE = 1
_HAS_WILDCARD = 2

#: The code points that are neither the upper nor the title case of their lower case (theta, sharp s, omega, k, a with
#: ring); a test tries all of Unicode. U+0130 is not one of them, because it lowers to two code points.
_OTHER_CAPITALS = "\u03f4\u1e9e\u2126\u212a\u212b"


@lru_cache(maxsize=2)
def suffix_table(private_suffixes: bool) -> _core.SuffixTable:
    """Return the table of one section of the list, or of both; made once a process."""
    edges, node_flags = native_edges(private_suffixes)
    return _core.SuffixTable(node_flags, edges, fold_pairs(private_suffixes))


def native_edges(private_suffixes: bool) -> tuple[list[tuple[int, bytes, int]], bytes]:
    """Return the rules as the compiled core takes them, with nothing left to decode.

    Returns
    -------
    edges : list of (int, bytes, int)
        Parent, label in UTF-8, child. A label that is not ASCII has a second edge to the same child, its A-label (RFC
        5890 section 2.3.2.1), so the core needs no Punycode: a U-label has exactly one A-label, and idna decodes it and
        no other spelling (the tests ask idna for every label, because its import would take 10 ms here).
    node_flags : bytes
        One byte a node: bit 0, a rule ends here; bit 1, there is a ``*`` below it.
    """
    rules = rule_trie(private_suffixes)
    edges = []
    flags = bytearray(rules.node_count)
    for (parent, label), child in rules.edges.items():
        edges.append((parent, label.encode("utf-8"), child))
        if not label.isascii():
            # No exception ("!") is written like that (a test proves it).
            edges.append((parent, b"xn--" + label.encode("punycode"), child))
        if label == "*":
            flags[parent] |= _HAS_WILDCARD
    for node in rules.ends:
        flags[node] |= _ENDS_RULE
    return edges, bytes(flags)


def fold_pairs(private_suffixes: bool) -> list[tuple[int, int]]:
    """Return the non-ASCII code points to lower before labels are compared with rules, and their lower case.

    Together with ASCII A-Z they give the matches of `str.lower`, for these reasons: only what becomes a character of a
    rule can help to match one (KELVIN SIGN becomes ``k``); the one letter that lowers to two (U+0130) gives a U+0307,
    and the one whose lower case depends on its neighbours is sigma; rules hold neither (a test proves it).

    Returns
    -------
    list of (int, int)
        Code point and lower-case code point, ascending.
    """
    wanted = set("abcdefghijklmnopqrstuvwxyz0123456789-").union(
        *(label for _, label in rule_trie(private_suffixes).edges)
    )
    capitals = set(_OTHER_CAPITALS).union(*((each.upper(), each.title()) for each in wanted if not each.isascii()))
    return sorted(
        (ord(capital), ord(lower))
        for capital in capitals
        if len(capital) == 1 and (lower := capital.lower()) != capital and lower in wanted
    )
