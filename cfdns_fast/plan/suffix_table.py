"""Convert the rules of the Public Suffix List to the table of the compiled core."""

from __future__ import annotations

from functools import lru_cache

from .. import _core
from ..domains import rule_trie

__all__ = ["fold_pairs", "native_edges", "suffix_table"]

# Flags of a node in the table.
_ENDS_RULE = 1
_HAS_WILDCARD = 2

#: The code points that are neither the upper nor the title case of their lower case: theta, sharp s, omega, k, and a
#: with ring. U+0130 is not listed, because its lower case is two code points.
_OTHER_CAPITALS = "\u03f4\u1e9e\u2126\u212a\u212b"


@lru_cache(maxsize=2)
def suffix_table(private_suffixes: bool) -> _core.SuffixTable:
    """Return the table of the ICANN section, or of both sections; it is built once per process."""
    edges, node_flags = native_edges(private_suffixes)
    return _core.SuffixTable(node_flags, edges, fold_pairs(private_suffixes))


def native_edges(private_suffixes: bool) -> tuple[list[tuple[int, bytes, int]], bytes]:
    """Return the edges and flags of the trie of rules.

    Returns
    -------
    edges : list of (int, bytes, int)
        Parent, label in UTF-8, child. A label that is not ASCII has a second edge, its A-label (RFC 5890 section
        2.3.2.1), so that the core needs no Punycode. A U-label has exactly one A-label. Python's Punycode encodes it,
        because idna is slow to import; a test compares it with idna for every label.
    node_flags : bytes
        One byte for each node: bit 0 if a rule ends there, bit 1 if it has a child ``*``.
    """
    rules = rule_trie(private_suffixes)
    edges = []
    flags = bytearray(rules.node_count)
    for (parent, label), child in rules.edges.items():
        edges.append((parent, label.encode("utf-8"), child))
        if not label.isascii():
            # All exceptions ("!") are ASCII, as a test checks.
            edges.append((parent, b"xn--" + label.encode("punycode"), child))
        if label == "*":
            flags[parent] |= _HAS_WILDCARD
    for node in rules.ends:
        flags[node] |= _ENDS_RULE
    return edges, bytes(flags)


def fold_pairs(private_suffixes: bool) -> list[tuple[int, int]]:
    """Return the non-ASCII code points to lower before labels are compared with rules, and their lower case.

    Together with ASCII A-Z they match the same rules as `str.lower` does:

    - Only code points whose lower case is in a rule can help to match it (KELVIN SIGN becomes ``k``).
    - U+0130 becomes two code points, and rules do not contain the second one, U+0307. The lower case of sigma depends
      on its neighbours, and rules do not contain sigma. A test checks both.

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
